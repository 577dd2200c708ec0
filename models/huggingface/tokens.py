"""What a model reads, as tokens that a person can read: pieces of text, or patches of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
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
    written = text[start:end] if unknown and typed else label.text
    return Token(
        label.id,
        written,
        *((start, end) if typed else (-1, -1)),
        unknown=unknown,
        group=label.group if label.pieces[1] > 1 else -1,
        whole=label.whole if label.pieces[1] > 1 else "",
        bytes=label.bytes,
    )


def patch_grid(model: Any, inputs: Mapping[str, Any], count: int) -> tuple[int, int] | None:
    """(rows, columns) of patches, halved as often as a tower that merges them has halved them; None if none fits."""
    config = getattr(model.config, "vision_config", None) or model.config
    size = getattr(config, "patch_size", None)
    if size is None:
        return None
    high, wide = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    height, width = inputs["pixel_values"].shape[-2:]
    rows, columns = height // high, width // wide
    while rows * columns > count and rows > 1 and columns > 1:
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    return (rows, columns) if rows * columns <= count else None


def patch_tokens(count: int, grid: tuple[int, int] | None) -> tuple[Token, ...]:
    """Patches by row and column, counted from 1; tokens beyond the grid (class, registers) come first."""
    rows, columns = grid or (1, count)
    extra = count - rows * columns
    if extra < 0:
        return tuple(Token(place, str(place + 1)) for place in range(count))
    leading = tuple(
        Token(-1, "[CLS]" if place == 0 else f"[{place}]", special=True) for place in range(extra)
    )
    patches = (
        Token(place, f"{row + 1},{column + 1}", row=row, column=column)
        for place, (row, column) in enumerate(product(range(rows), range(columns)))
    )
    return (*leading, *patches)
