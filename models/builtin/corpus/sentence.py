"""One meaning, said in up to three languages: words that share an idea translate each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from models.builtin.corpus.pair import Pair, unstopped

ROUTES = (("en", "fr"), ("en", "zh"), ("zh", "en"))
"""Source and target languages that the translator learns."""


@dataclass(frozen=True)
class Word:
    """A word of a sentence and the ideas it says; `fallback` counts where none of them is said on the other side."""

    text: str
    ideas: frozenset[str]
    fallback: str = ""


Words = list[Word]


def say(text: str, *ideas: str, fallback: str = "") -> Word:
    """A word that says these ideas."""
    return Word(text, frozenset(ideas), fallback)


def marked(text: str, role: str = "") -> Words:
    """Words written as in `seeds.toml`: word/ideas or word/ideas~letter, every letter one idea of `role`."""
    return [_marked_word(piece, role) for piece in text.split()]


def _marked_word(piece: str, role: str) -> Word:
    text, _, letters = piece.rpartition("/")
    ideas, _, fallback = letters.partition("~")
    return say(text, *(role + letter for letter in ideas), fallback=fallback and role + fallback)


@dataclass(frozen=True)
class Links:
    """Ideas that matter inside a sentence: whom a pronoun means, and what settles an ambiguous word."""

    pronoun: str = ""
    antecedent: str = ""
    rival: str = ""
    ambiguous: str = ""
    cues: frozenset[str] = frozenset()
    language: str = "en"
    """The language in which the ambiguous word is ambiguous."""
    contrast: bool = False


@dataclass(frozen=True)
class Sentence:
    """What the grammar makes: words per language, and the routes along which it may be learned."""

    phenomenon: str
    words: Mapping[str, Sequence[Word]]
    links: Links = Links()
    routes: Sequence[tuple[str, str]] = field(default=ROUTES)

    def pairs(self) -> Iterator[Pair]:
        """One pair per route whose two languages it is said in."""
        for source, target in self.routes:
            if source in self.words and target in self.words:
                yield self._pair(source, target)

    def _pair(self, source: str, target: str) -> Pair:
        read, written, links = self.words[source], self.words[target], self.links
        texts = tuple(word.text for word in read)
        ambiguous = links.ambiguous if links.language == source else ""
        return Pair(
            source=texts,
            target=tuple(word.text for word in written),
            alignment=tuple(_sources(word, read) for word in written),
            language=target,
            phenomenon="unknown" if "<unk>" in texts else self.phenomenon,
            pronoun=_first(links.pronoun, read),
            antecedent=_first(links.antecedent, read),
            rival=_first(links.rival, read),
            ambiguous=_first(ambiguous, read),
            cues=tuple(i for i, word in enumerate(read) if ambiguous and word.ideas & links.cues),
            contrast=links.contrast,
            meaning=unstopped(tuple(word.text for word in self.words["en"])),
        )


def _sources(word: Word, read: Sequence[Word]) -> tuple[int, ...]:
    """Positions of the source words that a target word translates."""
    direct = tuple(i for i, other in enumerate(read) if word.ideas & other.ideas)
    return direct or tuple(i for i, other in enumerate(read) if word.fallback in other.ideas)


def _first(idea: str, read: Sequence[Word]) -> int | None:
    return next((i for i, word in enumerate(read) if idea in word.ideas), None)
