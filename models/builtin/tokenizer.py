"""The translator's tokenizer: text as a person types it → known words, and back.

English and French are read word by word, Chinese by longest match, whatever stands between or beside them. Nothing a
person types is dropped: what is not in the vocabulary becomes one unknown token that keeps its text and its place.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from models.builtin.scanner import Chunk, fold, is_han, scan
from models.trace import Token

SPECIALS = ("<pad>", "</s>", "<unk>", "<fr>", "<zh>", "<en>")
CONTRACTIONS = {"'m": "am", "'re": "are", "'ll": "will", "'s": "is"}
CONTRACTED = {
    "i",
    "you",
    "he",
    "she",
    "it",
    "we",
    "they",
    "that",
    "what",
    "who",
    "where",
    "how",
    "there",
    "here",
}
HALF_TO_FULL = {",": "，", ".": "。", "!": "！", "?": "？"}
FULL_TO_HALF = {full: half for half, full in HALF_TO_FULL.items()} | {"、": ",", "…": ".", "؟": "?", "،": ","}
CLOSING = frozenset(",.!?，。！？")
STOPS = frozenset(".!?。！？")


class Tokenizer:
    """A vocabulary in id order, and which of its words belong to which language (`en`, `fr`, `zh`)."""

    def __init__(self, vocabulary: Sequence[str], words: Mapping[str, Iterable[str]]) -> None:
        self.vocabulary = tuple(vocabulary)
        self._words = {language: tuple(sorted(known)) for language, known in words.items()}
        self._ids = {word: index for index, word in enumerate(self.vocabulary)}
        self._folded = {fold_case(word): word for word in sorted(self.vocabulary)}

    pad = property(lambda self: self._ids["<pad>"], doc="Id of the token that fills up a batch.")
    end = property(lambda self: self._ids["</s>"], doc="Id of the token that ends a sentence.")
    unknown = property(
        lambda self: self._ids["<unk>"], doc="Id that stands for every word outside the vocabulary."
    )

    def start(self, language: str) -> int:
        """Id of the token that makes the decoder write in `language`."""
        return self._ids[f"<{language}>"]

    def words(self, language: str) -> tuple[str, ...]:
        """The known words of a language, sorted."""
        return self._words[language]

    def id(self, word: str) -> int:
        """Id of a word exactly as the vocabulary spells it, or of the unknown token."""
        return self._ids.get(word, self.unknown)

    def encode(self, text: str) -> tuple[Token, ...]:
        """The typed text as tokens, without specials; each knows its place in the text and its typed form."""
        chinese = self.language(text) == "zh"
        return tuple(self._token(chunk, word) for chunk, word in self._read(text, chinese))

    def source(self, text: str) -> tuple[Token, ...]:
        """What the encoder reads: the typed text and the end token."""
        return (*self.encode(text), self.special("</s>"))

    def special(self, name: str) -> Token:
        """One of `SPECIALS` as a token that nobody typed."""
        return Token(self._ids[name], name, special=True)

    def language(self, text: str) -> str:
        """`zh` if there is a Chinese character; else `fr` if more words are French than English; else `en`."""
        if any(is_han(character) for character in text):
            return "zh"
        known = [word for _, word in self._read(text, chinese=False)]
        english, french = (sum(word in self._sets[language] for word in known) for language in ("en", "fr"))
        return "fr" if french > english else "en"

    def decode(self, tokens: Iterable[int | Token], language: str | None = None) -> str:
        """Tokens or ids as a person would write them; specials are left out, unknown words keep their typed form."""
        words = [token.text if isinstance(token, Token) else self.vocabulary[token] for token in tokens]
        words = [word for word in words if word == "<unk>" or word not in SPECIALS]
        language = language or self.language(" ".join(words))
        text = "".join(gap(left, right, language) + right for left, right in zip(["", *words], words))
        whole_sentence = language != "zh" and words and words[-1] in STOPS
        return text[:1].upper() + text[1:] if whole_sentence else text

    @cached_property
    def _sets(self) -> dict[str, frozenset[str]]:
        return {language: frozenset(known) for language, known in self._words.items()}

    @cached_property
    def _han_words(self) -> tuple[frozenset[str], int]:
        """Words with a Chinese character, and the length of the longest."""
        words = frozenset(word for word in self.vocabulary if any(map(is_han, word)))
        return words, max(map(len, words), default=1)

    def _token(self, chunk: Chunk, word: str | None) -> Token:
        known = word is not None
        return Token(self._ids[word or "<unk>"], chunk.text, chunk.start, chunk.end, unknown=not known)

    def _read(self, text: str, chinese: bool) -> Iterator[tuple[Chunk, str | None]]:
        """Each chunk of the text with the vocabulary word it stands for, None where there is none."""
        before = ""
        for chunk in scan(text, *self._han_words):
            for piece, word in self._pieces(chunk, chinese, before):
                before = (word or "").lower()
                yield piece, word

    def _pieces(self, chunk: Chunk, chinese: bool, before: str) -> list[tuple[Chunk, str | None]]:
        if chunk.kind == "punctuation":
            return [(chunk, self._punctuation(chunk.text[0], chinese))]
        word = self._lookup(chunk.text)
        if word or "'" not in fold(chunk.text):
            return [(chunk, word)]
        return self._elided(chunk) or self._contracted(chunk, before) or [(chunk, None)]

    def _punctuation(self, mark: str, chinese: bool) -> str | None:
        table = HALF_TO_FULL if chinese else FULL_TO_HALF
        mark = table.get(mark, mark)
        return mark if mark in self._ids else None

    def _lookup(self, text: str) -> str | None:
        """The word as spelled, else in lower case, else in whatever case the vocabulary has it."""
        plain = unicodedata.normalize("NFC", visible(text))
        for spelling in (plain, plain.lower()):
            if spelling in self._ids and spelling not in SPECIALS:
                return spelling
        return self._folded.get(fold_case(plain))

    def _elided(self, chunk: Chunk) -> list[tuple[Chunk, str | None]]:
        """l'accord → l' + accord, where l' is in the vocabulary; else nothing."""
        cut = fold(chunk.text).index("'") + 1
        head, tail = chunk.split(cut)
        article = self._lookup(head.text)
        if article is None or not tail.text:
            return []
        rest = self._pieces(tail, chinese=False, before=article)
        return [(head, article), *rest]

    def _contracted(self, chunk: Chunk, before: str) -> list[tuple[Chunk, str | None]]:
        """I'm → I + am, it's → it + is; else nothing."""
        head, tail = chunk.split(fold(chunk.text).index("'"))
        verb, subject = CONTRACTIONS.get(fold_case(tail.text)), self._lookup(head.text)
        if verb not in self._ids or subject is None or subject.lower() not in CONTRACTED:
            return []
        return [(head, subject), (tail, verb)]


def fold_case(text: str) -> str:
    """The text without differences of case, width or apostrophe."""
    return fold(text).casefold()


def visible(text: str) -> str:
    """The text, folded, without zero-width and control characters."""
    return "".join(c for c in fold(text) if unicodedata.category(c) not in ("Cf", "Cc"))


def gap(left: str, right: str, language: str) -> str:
    """What a person writes between two words: a space or nothing."""
    if not left or right in CLOSING and not (language == "fr" and right in "!?"):
        return ""
    if language == "zh":
        return " " if left[-1].isascii() and right[0].isascii() and left not in CLOSING else ""
    return "" if left.endswith("'") else " "
