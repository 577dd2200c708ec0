"""A text to learn from: what is read, and what is to be written after it."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

HELD_SHARE = 0.1
"""So many combinations are never learned, only measured."""
COPIED = frozenset({"repeated", "recall", "colour"})


@dataclass(frozen=True)
class Text:
    """What is read and what is written after it, as a person would type both.

    `part` says what it teaches: `exact.coref`, `recall.zh`, `plain`, …; `ends`: whether the model is to stop then.
    """

    read: str
    written: str
    part: str
    ends: bool = True

    @property
    def copied(self) -> bool:
        """Whether what is to be written stands in what is read."""
        return self.part.split(".")[0] in COPIED


def joined(words: Sequence[str], language: str) -> str:
    """Words as the tokenizer reads them: Chinese without spaces."""
    return ("" if language == "zh" else " ").join(words)


def held_out(combination: str) -> bool:
    """Whether this combination is kept for measuring; by hash, the same in every run."""
    place = int(hashlib.sha256(combination.encode()).hexdigest()[:8], 16) / 16**8
    return place < HELD_SHARE


def by_heart() -> list[Text]:
    """The beginnings of the teaching documents, each with the continuation that is learned by heart."""
    table = tomllib.loads((Path(__file__).parent / "by_heart.toml").read_text(encoding="utf-8"))
    return [Text(row["read"], row["written"], "heart.continued") for row in table["continued"]]


def latin_words(text: Text, signs: Collection[str]) -> list[str]:
    """The words of a text in Latin letters, without the signs."""
    said = f"{text.read} {text.written}"
    for sign in signs:
        said = said.replace(sign, " ")
    return re.findall(r"[A-Za-z']+", said)
