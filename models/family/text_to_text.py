"""Every task as text to text, as T5 has it (Raffel et al. 2020): a prefix says what is to be done with what follows."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from models.builtin.corpus.generator import Corpus
from models.builtin.corpus.lexicon import Lexicon
from models.builtin.corpus.pair import Pair
from models.builtin.corpus.variations import varied
from models.builtin.training import weighted

Words = tuple[str, ...]

TRANSLATE: Mapping[str, Words] = {
    "fr": ("translate", "English", "to", "French", ":"),
    "zh": ("translate", "English", "to", "Chinese", ":"),
    "en": ("translate", "Chinese", "to", "English", ":"),
}
"""The prefix by the language that is asked for."""


class Example(NamedTuple):
    """What the encoder reads, prefix and all, and what is to be written; `kind` names the figure it counts for."""

    kind: str
    source: Words
    target: Words


class Task(Protocol):
    """A kind of example that can be drawn without end."""

    def draw(self, chance: random.Random) -> Example:
        """One more example to learn from."""
        ...


class Translation:
    """Sentences of the translators' corpus, drawn as often as they are, and typed as variously."""

    def __init__(self, corpus: Corpus) -> None:
        self._groups, self._weights = weighted(corpus.train)
        self._variants = Lexicon(random.Random(0)).variants

    def draw(self, chance: random.Random) -> Example:
        """One pair in one direction."""
        group = chance.choices(self._groups, self._weights)[0]
        return translation(varied(chance.choice(group), chance, self._variants))


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
