"""Passes that each added one row to an attention module: kept as the model made them, joined all at once in the end.

What a writing model does for each token has to be done by whoever listens, too, so no more is done here than what
cannot wait: of a cache, which is written into, the new column is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from models.huggingface.calls import Split
from models.huggingface.capture import Capture
from models.huggingface.interface import Call, Rotation
from models.huggingface.rotation import unrotated

Path = Sequence[int]
"""Which item of each pass belongs to the text that was written."""


class Row(NamedTuple):
    """What one pass added. Grids are views of what the model was given, without the columns that are still empty."""

    query: Tensor  # (item, head, 1, d)
    key: Tensor | None  # (item, kv_head, 1, d); None where all passes look at the same keys
    value: Tensor | None  # (item, kv_head, 1, d_v)
    context: Tensor  # (item, 1, head, d_v)
    rotations: tuple[Rotation, ...]
    first: int  # its first column
    mask: Tensor | None  # (item, head, 1, k), one for all items or heads that share it
    bias: Tensor | None
    pattern: Tensor | None  # (1, 1, k)
    padding: Tensor | None  # (at least k,)


def is_row(call: Call, items: int) -> bool:
    """Whether a call computes one row for each item of a batch."""
    tensors = (call.query, call.key, call.value, call.context)
    sink = call.arguments.get("s_aux", call.arguments.get("sinks"))
    return (
        all(tensor.ndim == 4 and len(tensor) == items for tensor in tensors)
        and call.query.shape[2] == call.context.shape[1] == 1
        and (sink is None or sink.ndim < 4)
    )


def row_of(call: Call, split: Split, rows: int, cross: bool) -> Row:
    """What a call adds as the last of so many rows."""
    mask, bias = split.mask_and_bias(call)
    pattern, padding = split.parts(call) or (None, None)
    key, value, first, end = None, None, 0, call.key.shape[2]
    if not cross:
        first, end = max(rows - end, 0), rows
        place = rows - first - 1
        key, value = (tensor.narrow(2, place, 1).clone() for tensor in (call.key, call.value))
    mask, bias, pattern = (None if grid is None else grid[..., :end] for grid in (mask, bias, pattern))
    return Row(call.query, key, value, call.context, call.rotations, first, mask, bias, pattern, padding)


def below(first: Capture, rows: Sequence[Row], path: Path) -> Capture:
    """What these passes added, as one capture without grids; `first` is what the module did before them."""
    keys = [row.key for row in rows if row.key is not None]
    values = [row.value for row in rows if row.value is not None]
    turned = _before_turning(rows, keys, path)
    return replace(
        first,
        query=_along(path, [row.query for row in rows]),
        key=_along(path, keys) if keys else first.key[:, :0],
        value=_along(path, values) if values else first.value[:, :0],
        context=_along(path, [row.context for row in rows], axis=1),
        query_unrotated=turned and turned[0],
        key_unrotated=turned and turned[1],
    )


def _along(path: Path, tensors: Sequence[Tensor], axis: int = 2) -> Tensor:
    """One row of each pass, for each item of its batch → (head, row, d): below each other, of the items on the path.

    `axis`: where the rows are, after the heads or before them.
    """
    joined = torch.cat(list(tensors), dim=axis)
    return _chosen(joined if axis == 2 else joined.transpose(1, 2), path)


def _before_turning(rows: Sequence[Row], keys: Sequence[Tensor], path: Path) -> tuple[Tensor, Tensor] | None:
    """Queries and keys before they were rotated, (head, row, d); None where that cannot be seen of both."""
    if not keys or not all(row.rotations for row in rows):
        return None
    made = [torch.cat([row.query for row in rows], dim=2), torch.cat(list(keys), dim=2)]
    found: list[Tensor | None] = [None, None]
    for turns in zip(*(reversed(row.rotations) for row in rows), strict=False):
        turn = _joined(turns)
        found = [
            unrotated(after, [turn]) if before is None else before
            for before, after in zip(found, made, strict=True)
        ]
        query, key = found
        if query is not None and key is not None:
            return _chosen(query, path), _chosen(key, path)
    return None


def _joined(turns: Sequence[Rotation]) -> Rotation:
    """The rotations of all passes as one."""
    before, after = (
        tuple(map(_rows, zip(*(getattr(turn, part) for turn in turns), strict=False)))
        for part in ("before", "after")
    )
    return Rotation(before, after)


def _rows(tensors: Sequence[Tensor]) -> Tensor:
    """(item, head, 1, d) or (item, 1, head, d) of each pass, along the axis of the one row; others are not joined."""
    shape = tensors[0].shape
    if len(shape) != 4 or 1 not in shape[1:3] or any(tensor.shape != shape for tensor in tensors):
        return tensors[0]
    return torch.cat(list(tensors), dim=2 if shape[2] == 1 else 1)


def _chosen(tensor: Tensor, path: Path) -> Tensor:
    """(item, head, row, d) → (head, row, d)."""
    if len(tensor) == 1:
        return tensor[0]
    return tensor[list(path), :, list(range(len(path)))].transpose(0, 1)
