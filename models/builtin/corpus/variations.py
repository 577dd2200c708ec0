"""What a person may type instead: no full stop, did not for didn't, little for small."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from models.builtin.corpus.pair import STOPS, Pair

WRITTEN_OUT = {
    "didn't": ("did", "not"), "doesn't": ("does", "not"), "don't": ("do", "not"), "isn't": ("is", "not"),
    "aren't": ("are", "not"), "wasn't": ("was", "not"), "weren't": ("were", "not"), "can't": ("can", "not"),
}  # fmt: skip
UNSTOPPED, EXPANDED, SWAPPED = 0.3, 0.15, 0.15


def varied(pair: Pair, chance: random.Random, variants: Mapping[str, Sequence[str]]) -> Pair:
    """The pair as somebody else might have typed its source."""
    if chance.random() < UNSTOPPED:
        pair = without_stop(pair)
    if chance.random() < EXPANDED:
        pair = written_out(pair)
    swap = [
        chance.choice(variants[w]) if w in variants and chance.random() < SWAPPED else w for w in pair.source
    ]
    return replace(pair, source=tuple(swap))


def without_stop(pair: Pair) -> Pair:
    """The pair without the final stops, if both sides have one and more to say."""
    if pair.source[-1] not in STOPS or pair.target[-1] not in STOPS or len(pair.source) == 1:
        return pair
    last = len(pair.source) - 1
    alignment = tuple(tuple(i for i in links if i != last) for links in pair.alignment[:-1])
    return replace(pair, source=pair.source[:-1], target=pair.target[:-1], alignment=alignment)


def written_out(pair: Pair) -> Pair:
    """The pair with its first n't written as not."""
    at = next((i for i, word in enumerate(pair.source) if word in WRITTEN_OUT), None)
    if at is None:
        return pair

    def moved(i: int | None) -> int | None:
        return i if i is None or i <= at else i + 1

    def all_moved(links: Sequence[int]) -> tuple[int, ...]:
        return tuple(j for i in links for j in ((at, at + 1) if i == at else (i + (i > at),)))

    return replace(
        pair,
        source=(*pair.source[:at], *WRITTEN_OUT[pair.source[at]], *pair.source[at + 1 :]),
        alignment=tuple(all_moved(links) for links in pair.alignment),
        pronoun=moved(pair.pronoun),
        antecedent=moved(pair.antecedent),
        rival=moved(pair.rival),
        ambiguous=moved(pair.ambiguous),
        cues=all_moved(pair.cues),
    )
