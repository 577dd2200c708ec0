"""The corpus: sentences drawn from the grammar, split into what is learned and what is only measured.

Held out are whole meanings, chosen by hash, so that no held-out sentence was learned in another direction; and one
order of two adjectives, which is never learned at all. The sentences of the lessons are always learned, never measured.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from models.builtin.corpus import everyday, references, senses, treaties
from models.builtin.corpus.lexicon import Lexicon
from models.builtin.corpus.pair import Pair
from models.builtin.corpus.phrases import phrases
from models.builtin.corpus.sentence import Sentence
from models.builtin.corpus.variations import WRITTEN_OUT, without_stop

Template = Callable[[Lexicon], Sentence]

TEMPLATES: Mapping[str, Sequence[Template]] = {
    "reorder": (treaties.treaty, treaties.policy),
    "coref": (references.crossing, references.crossing, references.fitting),
    "sense": (senses.bank, senses.bank, senses.homonym, senses.station, senses.release, senses.meal),
    "zh-reorder": (everyday.state, everyday.timed),
    "svo": (everyday.svo,),
    "copula": (everyday.copula, everyday.copula, everyday.copula, everyday.presenting),
    "phrase": (everyday.phrase,),
}
LEARNED_BY_HEART = ("seeds", "everyday")
PHENOMENA = (*TEMPLATES, "unknown")
DRAWS = {"coref": 10000, "unknown": 10000}
USUAL_DRAWS = 6000
UNKNOWN_SHARE = 0.15
TEST_SHARE, DEV_SHARE = 0.06, 0.03
UNSEEN_ORDER = "national scientific"
"""Two adjectives that never follow each other in training."""


@dataclass(frozen=True)
class Corpus:
    """Pairs by phenomenon: to learn from, to choose on, to measure on."""

    train: Mapping[str, Sequence[Pair]]
    dev: Mapping[str, Sequence[Pair]]
    test: Mapping[str, Sequence[Pair]]

    @property
    def words(self) -> dict[str, tuple[str, ...]]:
        """The words of each language that occur in training, and what people may type instead of them, sorted."""
        written = [word for words in WRITTEN_OUT.values() for word in words]
        typed = [
            word for words in Lexicon(random.Random()).variants.values() for word in words if word.isascii()
        ]
        known: dict[str, set[str]] = {"en": {*written, *typed}, "fr": set(), "zh": set()}
        for pair in chain(*self.train.values()):
            known[pair.source_language].update(pair.source)
            known[pair.language].update(pair.target)
        return {language: tuple(sorted(filter(is_word, words))) for language, words in known.items()}


def is_word(text: str) -> bool:
    """Whether it is neither a mark nor a special token."""
    return not text.startswith("<") and any(map(str.isalnum, text))


def build(seed: int = 0, scale: float = 1.0) -> Corpus:
    """The corpus of this seed, each sentence in every direction it can be said; `scale` 0.1 makes a tenth of it."""
    by_heart = {name: list(phrases(name)) for name in LEARNED_BY_HEART}
    learned = {pair.meaning for pair in chain(*by_heart.values())}
    drawn = [pair for pair in unique(_pairs(seed, scale)) if pair.meaning not in learned]
    parts = {
        part: _by_phenomenon(pair for pair in drawn if part_of(pair) == part)
        for part in ("train", "dev", "test")
    }
    train = parts["train"] | by_heart
    return Corpus(train, _measurable(parts["dev"], train), _measurable(parts["test"], train))


def _pairs(seed: int, scale: float) -> Iterator[Pair]:
    everything = [template for templates in TEMPLATES.values() for template in templates]
    for phenomenon in PHENOMENA:
        strange = phenomenon == "unknown"
        lexicon = Lexicon(random.Random(f"{seed} {phenomenon}"), UNKNOWN_SHARE if strange else 0.0)
        draws = round(scale * DRAWS.get(phenomenon, USUAL_DRAWS))
        pairs = drawn_from(everything if strange else TEMPLATES[phenomenon], lexicon, draws)
        yield from (pair for pair in pairs if pair.phenomenon == phenomenon and not _nameless(pair))


def _nameless(pair: Pair) -> bool:
    """Whether English needs to know that an unknown Chinese word is a name, and no "the" belongs before it."""
    return pair.language == "en" and pair.target[0] == "<unk>"


def drawn_from(templates: Sequence[Template], lexicon: Lexicon, draws: int) -> Iterator[Pair]:
    """The pairs of this many sentences."""
    for _ in range(draws):
        yield from lexicon.chance.choice(templates)(lexicon).pairs()


def unique(pairs: Iterator[Pair]) -> list[Pair]:
    """The pairs without those whose sentence came before."""
    first: dict[str, Pair] = {}
    for pair in pairs:
        first.setdefault(pair.key, pair)
    return list(first.values())


def part_of(pair: Pair) -> str:
    """`train`, `dev` or `test`: the same for every translation of one meaning."""
    if UNSEEN_ORDER in pair.meaning:
        return "test"
    place = int(hashlib.sha256(pair.meaning.encode()).hexdigest()[:8], 16) / 16**8
    if place < TEST_SHARE:
        return "test"
    return "dev" if place < TEST_SHARE + DEV_SHARE else "train"


def _measurable(
    held: Mapping[str, Sequence[Pair]], train: Mapping[str, Sequence[Pair]]
) -> dict[str, list[Pair]]:
    """The held-out pairs whose words all occur in training; every second one as typed without its final stop."""
    known = {word for pair in chain(*train.values()) for word in (*pair.source, *pair.target)}
    measured = {
        name: [p for p in pairs if known.issuperset((*p.source, *p.target))] for name, pairs in held.items()
    }
    return {
        name: [without_stop(p) if i % 2 else p for i, p in enumerate(pairs)]
        for name, pairs in measured.items()
    }


def _by_phenomenon(pairs: Iterator[Pair]) -> dict[str, list[Pair]]:
    groups: dict[str, list[Pair]] = {phenomenon: [] for phenomenon in PHENOMENA}
    for pair in pairs:
        groups[pair.phenomenon].append(pair)
    return groups
