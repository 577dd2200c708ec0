"""A pair: a sentence, its translation, and which word was translated into which."""

from __future__ import annotations

from dataclasses import dataclass

STOPS = frozenset(".?!。？！")


@dataclass(frozen=True)
class Pair:
    """One source sentence with its translation into `language`, word by word.

    `alignment[t]` holds the source positions that target word t comes from; it may be empty.
    `phenomenon` says what the sentence was built to force. Where there is a pronoun, `antecedent` is the noun it means
    and `rival` the noun it does not mean; where there is an ambiguous word, `cues` are the words that settle its sense.
    All of these are source positions. `contrast`: French would say il for one of the two nouns and elle for the other.
    `meaning` is the same for one sentence's translations in every direction.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    alignment: tuple[tuple[int, ...], ...]
    language: str
    phenomenon: str
    pronoun: int | None = None
    antecedent: int | None = None
    rival: int | None = None
    ambiguous: int | None = None
    cues: tuple[int, ...] = ()
    contrast: bool = False
    meaning: str = ""

    @property
    def key(self) -> str:
        """Target language and source words without the final stop: what makes two pairs the same sentence."""
        return f"{self.language} {unstopped(self.source)}"

    @property
    def source_language(self) -> str:
        """`zh` for sentences that go into English, else `en`."""
        return "zh" if self.language == "en" else "en"


def unstopped(words: tuple[str, ...]) -> str:
    """The words of a sentence as one string, without its final stop."""
    return " ".join(words[:-1] if words[-1] in STOPS else words)
