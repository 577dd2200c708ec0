"""What passed a module in every forward pass of a generation, as if the whole text had been read in one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from models.huggingface.interface import Passed

Part = tuple[Passed, int, int | None]
"""What passed a module in one pass, the item of the batch, and how many of its rows are new (None: all)."""

Value = tuple[Any, int, int | None]
"""The same of what it received, or of what it gave back."""


class AllPasses:
    """What passed a module in all passes; joined when somebody looks, for of most modules one part is shown."""

    def __init__(self, parts: Sequence[Part], beams: int) -> None:
        self._parts, self._beams = parts, beams
        self.module, self.layer_type = parts[0][0].module, parts[0][0].layer_type

    @cached_property
    def given(self) -> Any:
        """What it received."""
        return _tree([(one.given, item, rows) for one, item, rows in self._parts], self._beams)

    @cached_property
    def output(self) -> Any:
        """What it gave back."""
        return _tree([(one.output, item, rows) for one, item, rows in self._parts], self._beams)


def _tree(parts: Sequence[Value], beams: int) -> Any:
    """Joined tensor by tensor; anything else as in the first pass."""
    first = parts[0][0]
    if isinstance(first, tuple | list):
        if any(not isinstance(value, tuple | list) or len(value) != len(first) for value, _, _ in parts):
            return first
        return tuple(_tree([(v[at], i, n) for v, i, n in parts], beams) for at in range(len(first)))
    if not all(isinstance(value, Tensor) for value, _, _ in parts):
        return first
    rest = _rows(parts[1:], beams)
    tensors = [_item(*part, beams) for part in (parts if rest is None else parts[:1])]
    tensors += [] if rest is None else [rest]
    shapes = {(*tensor.shape[:-2], *tensor.shape[-1:]) for tensor in tensors}
    if len(shapes) > 1 or tensors[0].ndim not in {2, 3}:
        return first
    return torch.cat(tensors, dim=-2) if len(tensors) > 1 else tensors[0]


def _rows(parts: Sequence[Value], beams: int) -> Tensor | None:
    """One row of each pass, all at once: (1, row, d) or (row, d); None where the passes gave something else."""
    if not parts:
        return None
    shape = parts[0][0].shape
    if (
        len(shape) not in {2, 3}
        or (len(shape) == 3 and shape[1] != 1)
        or shape[0] not in {1, beams}
        or any(value.shape != shape or new != 1 for value, _, new in parts)
    ):
        return None
    values = [value for value, _, _ in parts]
    rows = torch.cat(values, dim=1) if len(shape) == 3 else torch.stack(values, dim=1)  # (item, row, d)
    if len(rows) > 1:
        rows = rows[[item for _, item, _ in parts], list(range(len(parts)))][None]
    return rows if len(shape) == 3 else rows[0]


def _item(tensor: Tensor, item: int, new: int | None, beams: int) -> Tensor:
    """The new rows of one hypothesis of a tensor of all: (item, row, d), or the rows of all as (item · row, d)."""
    if tensor.ndim not in {2, 3}:
        return tensor
    if beams > 1 and len(tensor) % beams == 0:
        rows = len(tensor) // beams
        if rows == 1:
            tensor = tensor[item : item + 1]
        elif torch.allclose(tensor[:rows], tensor[rows : 2 * rows], atol=1e-4):  # the prompt, which all share
            tensor = tensor[:rows]
    return tensor if new is None else tensor[..., -new:, :]
