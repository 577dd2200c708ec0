"""What a model reads of a text, as tokens that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.huggingface.labels import Label, labels
from models.trace import Token


def text_tokens(ids: Sequence[int], tokenizer: Any, text: str = "", offsets: Any = None) -> tuple[Token, ...]:
    """The tokens of these ids; with `offsets` each knows its place in `text`; without a tokenizer an id is its text."""
    if tokenizer is None:
        return tuple(Token(id, str(id)) for id in ids)
    places = [(-1, -1)] * len(ids) if offsets is None else [(int(a), int(b)) for a, b in offsets]
    named = labels(tokenizer, ids)
    return tuple(_token(label, tokenizer, text, place) for label, place in zip(named, places, strict=True))


def _token(label: Label, tokenizer: Any, text: str, place: tuple[int, int]) -> Token:
    """A token by its label; an unknown word by what was typed, where that is known."""
    unknown, start, end = label.id == tokenizer.unk_token_id, *place
    typed = end > start
    if label.special and not (unknown and typed):
        return Token(label.id, label.text, special=True)
    if unknown and typed:
        return Token(label.id, text[start:end], start, end, unknown=True)
    return Token(
        label.id,
        label.text,
        *((start, end) if typed else (-1, -1)),
        unknown=unknown,
        group=label.group if label.pieces[1] > 1 else -1,
        whole=label.whole if label.pieces[1] > 1 else "",
        bytes=label.bytes,
    )
