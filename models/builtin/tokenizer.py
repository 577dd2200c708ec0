"""The translator's tokenizer: text as a person types it → known words, and back.

English and French are read word by word, Chinese by longest match, whatever stands between or beside them. Nothing a
person types is dropped: what is not in the vocabulary becomes one unknown token that keeps its text and its place.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from models.builtin.scanner import Chunk, fold, is_han, scan
from models.trace import Token

SPECIALS = ("<pad>", "</s>", "<unk>", "<fr>", "<zh>", "<en>")
CONTRACTIONS = {"'m": "am", "'re": "are", "'ll": "will", "'s": "is"}
CONTRACTED = frozenset(
    (
        "i",
        "you",
        "he",
        "she",
        "it",
        "we",
        "they",
        "that",
        "this",
        "what",
        "who",
        "where",
        "how",
        "there",
        "here",
    )
)
HALF_TO_FULL = {",": "，", ".": "。", "!": "！", "?": "？", "、": "，"}
FULL_TO_HALF = {"，": ",", "。": ".", "！": "!", "？": "?", "、": ",", "…": "."}
CLOSING = frozenset(",.!?，。！？")
STOPS = frozenset(".!?")

Read = tuple[Chunk, str | None]
"""A chunk of the text and the vocabulary word it stands for; None: no word."""


class Tokenizer:
    """A vocabulary in id order, and which of its words belong to which language (`en`, `fr`, `zh`)."""

    def __init__(self, vocabulary: Sequence[str], words: Mapping[str, Iterable[str]]) -> None:
        self.vocabulary = tuple(vocabulary)
        self._words = {language: tuple(sorted(known)) for language, known in words.items()}
        self._sets = {language: frozenset(known) for language, known in self._words.items()}
        self._ids = {word: index for index, word in enumerate(self.vocabulary)}
        self._folded = {fold_case(word): word for word in sorted(self.vocabulary) if word not in SPECIALS}
        self._han = frozenset(word for word in self.vocabulary if any(map(is_han, word)))
        self._longest = max(map(len, self._han), default=0)

    @property
    def pad(self) -> int:
        """Id of the token that fills up a batch."""
        return self._ids["<pad>"]

    @property
    def end(self) -> int:
        """Id of the token that ends every sentence."""
        return self._ids["</s>"]

    @property
    def unknown(self) -> int:
        """Id that stands for every word outside the vocabulary."""
        return self._ids["<unk>"]

    def start(self, language: str) -> int:
        """Id of the token that makes the decoder write in `language`."""
        return self._ids[f"<{language}>"]

    def words(self, language: str) -> tuple[str, ...]:
        """The known words of a language, sorted."""
        return self._words[language]

    def id(self, word: str) -> int:
        """Id of a word exactly as the vocabulary spells it; of the unknown token if it is not there."""
        return self._ids.get(word, self.unknown)

    def encode(self, text: str) -> tuple[Token, ...]:
        """The typed text as tokens, without specials; each knows its typed form and its place in the text."""
        chinese = self.language(text) == "zh"
        return tuple(
            Token(self._ids[word or "<unk>"], chunk.text, chunk.start, chunk.end, unknown=word is None)
            for chunk, word in self._read(text, chinese=chinese)
        )

    def language(self, text: str) -> str:
        """`zh` if there is a Chinese character; else `fr` if more words are French than English; else `en`."""
        if any(map(is_han, text)):
            return "zh"
        known = [word for _, word in self._read(text, chinese=False) if word]
        english, french = (sum(word in self._sets[language] for word in known) for language in ("en", "fr"))
        return "fr" if french > english else "en"

    def decode(self, tokens: Iterable[int | Token], language: str | None = None) -> str:
        """Tokens or ids as a person would write them; specials are left out, unknown words keep their typed form."""
        words = [token.text if isinstance(token, Token) else self.vocabulary[token] for token in tokens]
        words = [word for word in words if word == "<unk>" or word not in SPECIALS]
        language = language or self.language(" ".join(words))
        joined = zip(["", *words], words, strict=False)
        text = "".join(gap(before, word, language) + word for before, word in joined)
        is_sentence = language != "zh" and bool(words) and words[-1] in STOPS
        return text[:1].upper() + text[1:] if is_sentence else text

    def _read(self, text: str, *, chinese: bool) -> Iterator[Read]:
        for chunk in scan(text, self._han, self._longest):
            if chunk.kind == "punctuation":
                yield chunk, self._mark(chunk.text[0], chinese=chinese)
            else:
                yield from self._pieces(chunk)

    def _mark(self, mark: str, *, chinese: bool) -> str | None:
        """The punctuation mark as this sentence's language writes it."""
        mark = (HALF_TO_FULL if chinese else FULL_TO_HALF).get(mark, mark)
        return mark if mark in self._ids else None

    def _pieces(self, chunk: Chunk) -> list[Read]:
        word = self._lookup(chunk.text)
        apostrophe = fold(chunk.text).find("'")
        if word or apostrophe < 0:
            return [(chunk, word)]
        return self._elided(chunk, apostrophe) or self._contracted(chunk, apostrophe) or [(chunk, None)]

    def _lookup(self, text: str) -> str | None:
        """The word as typed, else in lower case, else in whatever case the vocabulary has it."""
        plain = unicodedata.normalize("NFC", visible(text))
        spellings = (plain, plain.lower(), self._folded.get(fold_case(plain), ""))
        return next((word for word in spellings if word in self._ids and word not in SPECIALS), None)

    def _elided(self, chunk: Chunk, apostrophe: int) -> list[Read]:
        """l'accord → l' + accord, where l' is in the vocabulary; else nothing."""
        head, tail = chunk.split(apostrophe + 1)
        article = self._lookup(head.text)
        return [(head, article), *self._pieces(tail)] if article and tail.text else []

    def _contracted(self, chunk: Chunk, apostrophe: int) -> list[Read]:
        """I'm → I + am, it's → it + is; else nothing."""
        head, tail = chunk.split(apostrophe)
        subject, verb = self._lookup(head.text), CONTRACTIONS.get(fold_case(tail.text), "")
        if subject is None or subject.lower() not in CONTRACTED or verb not in self._ids:
            return []
        return [(head, subject), (tail, verb)]


def fold_case(text: str) -> str:
    """The text without differences of case, width or apostrophe."""
    return fold(text).casefold()


def visible(text: str) -> str:
    """The text, folded, without zero-width and control characters."""
    return "".join(c for c in fold(text) if unicodedata.category(c) not in ("Cf", "Cc"))


def gap(before: str, word: str, language: str) -> str:
    """What a person writes between two words: a space or nothing."""
    french_mark = language == "fr" and word in ("!", "?")
    if not before or (word in CLOSING and not french_mark):
        return ""
    if language == "zh":
        return " " if before[-1].isascii() and word[0].isascii() and before not in CLOSING else ""
    return "" if before.endswith("'") else " "
