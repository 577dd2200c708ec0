"""Every task as text to text, as T5 has it (Raffel et al. 2020): a prefix says what is to be done with what follows.

    translate English to French: the cat sleeps.            → le chat dort.
    next sentence: the weather is nice. | we went out.      → yes            (Chinese: 是, 否)
    fill the gap: the hen lays an _ .                       → <extra_id_0> egg <extra_id_1>

A gap may be typed as `_`, or as T5's own sentinels, one after the other; the answer has the sentinels and what stands
in each gap, and ends with the next sentinel.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, Protocol

from transformers import PreTrainedTokenizerFast

from models.builtin.corpus.generator import Corpus
from models.builtin.corpus.lexicon import Lexicon
from models.builtin.corpus.pair import Pair
from models.builtin.corpus.variations import varied
from models.builtin.training import SHARES as USUAL_SHARES
from models.builtin.training import weighted
from models.family.discourse import STOPS, Passage, by_heart, couples, drawn

Words = tuple[str, ...]

TRANSLATE: Mapping[str, Words] = {
    "fr": ("translate", "English", "to", "French", ":"),
    "zh": ("translate", "English", "to", "Chinese", ":"),
    "en": ("translate", "Chinese", "to", "English", ":"),
}
"""The prefix by the language that is asked for."""
NEXT: Words = ("next", "sentence", ":")
FILL: Words = ("fill", "the", "gap", ":")
BETWEEN = "|"
"""Stands between the two sentences."""
GAP = "_"
SENTINELS = tuple(f"<extra_id_{i}>" for i in range(4))
ANSWERS = {"en": ("no", "yes"), "zh": ("否", "是")}
"""What is written for two sentences of which the second does not follow the first, or does."""
SIGNS = frozenset(
    (*TRANSLATE["fr"], *TRANSLATE["zh"], *NEXT, *FILL, BETWEEN, GAP, *ANSWERS["en"], *ANSWERS["zh"])
)
"""Every word that the tasks add to those of the sentences."""
SHARES: Mapping[str, float] = {**USUAL_SHARES, "phrase": 0.17, "unknown": 0.11}
"""How often each phenomenon is drawn: here one vocabulary serves three tasks, and these two are the hardest."""
HEARD = 0.04
"""So often the pair of sentences is one of the lessons, learned by heart."""
TWO_GAPS = 0.2
"""So often a second word is left out, too; then neither need be settled, and this is not measured."""
CACHED = 20_000


class Example(NamedTuple):
    """What the encoder reads, prefix and all, and what is to be written; `kind` names the figure it counts for."""

    kind: str
    source: Words
    target: Words


class Task(Protocol):
    """A kind of example that can be drawn without end."""

    def draw(self, chance: random.Random) -> Sequence[Example]:
        """One more example to learn from, or some that belong together."""
        ...


class Translation:
    """Sentences of the translators' corpus, drawn as often as they are, and typed as variously."""

    def __init__(self, corpus: Corpus) -> None:
        self._groups, self._weights = weighted(corpus.train, SHARES)
        self._variants = Lexicon(random.Random(0)).variants

    def draw(self, chance: random.Random) -> Sequence[Example]:
        """One pair in one direction."""
        group = chance.choices(self._groups, self._weights)[0]
        return [translation(varied(chance.choice(group), chance, self._variants))]


class Cutter:
    """The sentences of a passage as this tokenizer cuts them: Chinese words are where it finds them."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenize = lru_cache(CACHED)(tokenizer.tokenize)

    def cut(self, words: Sequence[str], language: str) -> Words:
        """These words, typed one after the other, and read again."""
        return tuple(self._tokenize("".join(words))) if language == "zh" else tuple(words)


class NextSentence:
    """Does the second sentence follow the first?"""

    def __init__(self, cutter: Cutter) -> None:
        self._cutter, self._heard = cutter, by_heart()

    def draw(self, chance: random.Random) -> Sequence[Example]:
        """After the same first sentence one that follows and one that does not; now and then one of the lessons."""
        if chance.random() < HEARD:
            return [self.example(chance.choice(self._heard))]
        return [self.example(each) for each in next(couples(chance))]

    def example(self, passage: Passage) -> Example:
        """The two sentences, and the word that judges them."""
        language = passage.language
        first, second = (self._cutter.cut(words, language) for words in (passage.first, passage.second))
        fault = "hard" if passage.fault not in ("", "unrelated") else passage.fault
        source = (*NEXT, *first, BETWEEN, *second)
        return Example(f"next.{language}.{fault or 'follows'}", source, (ANSWERS[language][passage.follows],))


class FillTheGap:
    """Which word stood here? It is left out only where the rest of two sentences settles it."""

    def __init__(self, cutter: Cutter) -> None:
        self._cutter = cutter

    def draw(self, chance: random.Random) -> Sequence[Example]:
        """A passage that follows, with a gap or two."""
        passage = next(right for right, _ in couples(chance) if right.settled)
        return [self.example(passage, chance, gaps=1 + (chance.random() < TWO_GAPS))]

    def example(self, passage: Passage, chance: random.Random, *, gaps: int = 1) -> Example:
        """The two sentences with so many of their settled words left out, and these words."""
        left_out = _spans(sorted(chance.sample(passage.settled, min(gaps, len(passage.settled)))))
        signs = SENTINELS if chance.random() < 0.5 else (GAP,) * len(SENTINELS)
        source, target, begin = FILL, Words(), 0
        for i, (at, end) in enumerate(left_out):
            source = (*source, *self._between(passage, begin, at), signs[i])
            target = (*target, SENTINELS[i], *self._cutter.cut(passage.words[at:end], passage.language))
            begin = end
        source = (*source, *self._between(passage, begin, len(passage.words)))
        return Example(f"gap.{passage.language}", source, (*target, SENTINELS[len(left_out)]))

    def _between(self, passage: Passage, begin: int, end: int) -> Words:
        """The words from `begin` to `end`, with a full stop between the sentences."""
        first, stop = len(passage.first), STOPS[passage.language]
        words = list(passage.words[begin:end])
        if begin < first <= end and passage.first[-1] != stop:
            words.insert(first - begin, stop)
        return self._cutter.cut(words, passage.language)


def _spans(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Begin and end of each run of positions: what is left out side by side is one gap."""
    spans = list[tuple[int, int]]()
    for at in positions:
        begin = spans.pop()[0] if spans and spans[-1][1] == at else at
        spans.append((begin, at + 1))
    return spans


def translation(pair: Pair) -> Example:
    """A pair of the corpus, with its prefix."""
    return Example(pair.phenomenon, TRANSLATE[pair.language] + apart(pair.source), apart(pair.target))


def apart(words: Words) -> Words:
    """The words with c'est as two, as the tokenizer reads it."""
    return tuple(part for word in words for part in (("c'", "est") if word == "c'est" else (word,)))


def measured(pairs: Mapping[str, Sequence[Pair]], most: int) -> Iterator[Example]:
    """At most so many held-out translations of each phenomenon, evenly from the whole."""
    for some in pairs.values():
        step = max(1, len(some) // most)
        yield from map(translation, some[::step][:most])


def judged(tokenizer: PreTrainedTokenizerFast, chance: random.Random, most: int) -> Iterator[Example]:
    """So many held-out pairs of sentences of each kind, and as many gaps of each language."""
    cutter = Cutter(tokenizer)
    following, filling = NextSentence(cutter), FillTheGap(cutter)
    for language in ANSWERS:
        passages = drawn(chance, "test", language)
        wanted = {f"next.{language}.{kind}": most for kind in ("follows", "hard", "unrelated")}
        while any(wanted.values()):
            example = following.example(next(passages))
            if wanted[example.kind]:
                wanted[example.kind] -= 1
                yield example
        settled = (one for one in passages if one.settled)
        yield from (filling.example(one, chance) for one in islice(settled, most))
