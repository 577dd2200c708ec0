"""Longer sources made of the corpus' own sentences, and sources read from their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.builtin.corpus.pair import STOPS, Pair


def joined(pairs: Sequence[Pair]) -> Pair:
    """Several sentences one after the other as one pair, their alignments side by side; all of the same languages."""
    alignment, before = list[tuple[int, ...]](), 0
    for pair in pairs:
        alignment.extend(tuple(before + i for i in links) for links in pair.alignment)
        before += len(pair.source)
    return Pair(
        source=tuple(word for pair in pairs for word in pair.source),
        target=tuple(word for pair in pairs for word in pair.target),
        alignment=tuple(alignment),
        language=pairs[0].language,
        phenomenon="joined",
        meaning=" | ".join(pair.meaning for pair in pairs),
    )


def ends(pair: Pair) -> bool:
    """Whether another sentence can follow: both sides end with a stop."""
    return pair.source[-1] in STOPS and pair.target[-1] in STOPS


def reversed_source(pair: Pair) -> Pair:
    """The pair whose source is read from its last word to its first (Sutskever et al. 2014, §3.3)."""
    last = len(pair.source) - 1

    def turned(i: int | None) -> int | None:
        return None if i is None else last - i

    return replace(
        pair,
        source=pair.source[::-1],
        alignment=tuple(tuple(last - i for i in reversed(links)) for links in pair.alignment),
        pronoun=turned(pair.pronoun),
        antecedent=turned(pair.antecedent),
        rival=turned(pair.rival),
        ambiguous=turned(pair.ambiguous),
        cues=tuple(last - i for i in reversed(pair.cues)),
    )
