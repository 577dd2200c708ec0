"""Cuts typed text into chunks: words, stretches of Chinese, punctuation, symbols. Only space is left out."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache

APOSTROPHES = "'’‘ʼ＇`´"
HYPHENS = "-‐‑"
ELISIONS = frozenset({"c'", "d'", "j'", "l'", "m'", "n'", "s'", "t'", "qu'"})


@dataclass(frozen=True)
class Chunk:
    """A piece of the typed text at `start:end`; `kind` is word, han, punctuation or symbol."""

    text: str
    start: int
    kind: str

    @property
    def end(self) -> int:
        """The position after its last character."""
        return self.start + len(self.text)

    def split(self, cut: int) -> tuple[Chunk, Chunk]:
        """Its first `cut` characters, and the others."""
        return Chunk(self.text[:cut], self.start, self.kind), Chunk(
            self.text[cut:], self.start + cut, self.kind
        )


def scan(text: str, han_words: Collection[str], longest: int) -> Iterator[Chunk]:
    """The chunks of a text in order; `han_words` are the words with Chinese characters, the longest of this length."""
    folded, start = fold(text), 0
    while start < len(text):
        sort = kind(folded[start])
        lengths = [reach(folded, start)]
        if sort == "han":
            lengths = cut(folded[start : start + lengths[0]], han_words, longest)
        elif dated := longest_match(folded, start, han_words, longest):
            lengths = [dated]
        for length in lengths:
            if sort != "space":
                yield Chunk(text[start : start + length], start, sort)
            start += length


def cut(run: str, han_words: Collection[str], longest: int) -> list[int]:
    """Lengths of the words in a stretch of Chinese.

    Of all ways to cut it, the one with the fewest unknown characters, then the fewest words, then the longest first
    word; unknown characters beside each other make one word.
    """
    best: list[tuple[int, int, int, bool]] = [
        (0, 0, 0, True)
    ]  # unknown, words, length, known: from here to the end
    for start in range(len(run) - 1, -1, -1):
        lengths = range(1, min(longest, len(run) - start) + 1)
        known = [n for n in lengths if run[start : start + n] in han_words]
        ways = [(best[-n][0], best[-n][1] + 1, -n, True) for n in known]
        best.append(min([*ways, (best[-1][0] + 1, best[-1][1] + 1, -1, False)]))
    return _joined([(-length, known) for _, _, length, known in reversed(best[1:])])


def _joined(steps: list[tuple[int, bool]]) -> list[int]:
    """Follow the steps from the first character on, and join unknown characters."""
    lengths: list[int] = []
    at, after_unknown = 0, False
    while at < len(steps):
        length, known = steps[at]
        if after_unknown and not known:
            lengths[-1] += length
        else:
            lengths.append(length)
        at, after_unknown = at + length, not known
    return lengths


def longest_match(folded: str, start: int, han_words: Collection[str], longest: int) -> int:
    """Length of the longest word with Chinese characters that begins here (8月), 0 if none does."""
    lengths = range(min(longest, len(folded) - start), 0, -1)
    return next((n for n in lengths if folded[start : start + n] in han_words), 0)


def reach(folded: str, start: int) -> int:
    """How far a chunk goes on."""
    end = start + 1
    while end < len(folded) and continues(folded, start, end):
        end += 1
    return end - start


def continues(folded: str, start: int, at: int) -> bool:
    """Whether the character at `at` belongs to the chunk that began at `start`."""
    first, here = kind(folded[start]), kind(folded[at])
    if here == "joiner" and first not in ("space", "han"):
        return True
    if first == "punctuation":
        return folded[at] == folded[start]
    if first in ("word", "joiner"):
        return here == "word" or (here == "punctuation" and joins_word(folded, start, at))
    return here == first


def joins_word(folded: str, start: int, at: int) -> bool:
    """Whether a mark stands inside a word (didn't, vingt-deux), inside a number (3.14), or ends an elision (l')."""
    before, after = folded[at - 1], folded[at + 1 : at + 2] or " "
    if folded[at] in ".,":
        return before.isdigit() and after.isdigit()
    inside = kind(before) == "word" and kind(after) == "word"
    return (folded[at] in "'-" and inside) or folded[start : at + 1].lower() in ELISIONS


def fold(text: str) -> str:
    """The text, as long as before, with one form for each width, apostrophe and hyphen."""
    return "".join(map(fold_character, text))


@cache
def fold_character(character: str) -> str:
    """The plain form of a character where that is one character, else itself."""
    if character in APOSTROPHES:
        return "'"
    if character in HYPHENS:
        return "-"
    plain = unicodedata.normalize("NFKC", character)
    wide = is_han(character) or unicodedata.category(character).startswith("P")
    return plain if len(plain) == 1 and not wide else character


@cache
def is_han(character: str) -> bool:
    """Whether it is a Chinese character."""
    return (
        unicodedata.name(character, "").startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH"))
        or character == "〇"
    )


@cache
def kind(character: str) -> str:
    """What sort of chunk a character makes; a joiner (accent, zero-width, control) belongs to what is before it."""
    category = unicodedata.category(character)
    if character.isspace():
        return "space"
    if is_han(character):
        return "han"
    if category[0] == "M" or category in ("Cf", "Cc"):
        return "joiner"
    return {"L": "word", "N": "word", "P": "punctuation"}.get(category[0], "symbol")
