"""Masks and biases of the passes of one text, put together into those of the whole text."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Layout:
    """Where the grid of each pass stands in that of the whole text."""

    rows: list[int]
    """How many rows each pass adds."""
    columns: list[int]
    """How many columns each adds; where it looks at another text, the first one adds all."""
    firsts: list[int]
    """The first column of each pass."""
    cross: bool

    @property
    def shape(self) -> tuple[int, int]:
        """(query, key) of the whole."""
        return sum(self.rows), sum(self.columns)

    def spread(self, grids: Sequence[Tensor]) -> Tensor:
        """The grids of all passes, each in its rows and from its first column on; zero elsewhere."""
        rows, columns = self.shape
        whole = grids[0].new_zeros(max(len(grid) for grid in grids), rows, columns)
        row = end = 0
        for grid, queries, keys, first in zip(grids, self.rows, self.columns, self.firsts, strict=True):
            end = columns if self.cross else end + keys
            whole[:, row : row + queries, first:end] = grid
            row += queries
        return whole


class Grids:
    """Masks and biases of whole texts; each once, however many layers share it."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Tensor | None] = {}

    def mask(self, masks: Sequence[Tensor | None], layout: Layout) -> Tensor | None:
        """Who may attend to whom; nobody to what came later, nor to what a sliding cache had dropped."""
        if len(masks) == 1 or (layout.cross and all(mask is None for mask in masks)):
            return masks[0]
        key = ("mask", tuple(map(_identity, masks)), tuple(layout.firsts), layout.shape)
        if key not in self._known:
            open_to_all = torch.ones(1, 1, 1, dtype=torch.bool)
            self._known[key] = layout.spread([open_to_all if mask is None else mask for mask in masks])
        return self._known[key]

    def pattern(self, patterns: Sequence[Tensor | None], layout: Layout) -> Tensor | None:
        """The mask without its padding; None where nothing is padded."""
        return None if patterns[0] is None else self.mask(patterns, layout)

    def bias(self, found: Sequence[Tensor | None], layout: Layout) -> Tensor | None:
        """What is added to the scores; 0 where no pass had anything to add to."""
        biases = [one for one in found if one is not None]
        if len(found) == 1 or not biases:
            return biases[0] if biases else None
        key = ("bias", tuple(map(_identity, biases)), tuple(layout.firsts), layout.shape)
        if key not in self._known:
            whole = [biases[0].new_zeros(1, 1, 1) if one is None else one for one in found]
            same = not any(layout.firsts) and _each_begins(whole)
            self._known[key] = whole[-1] if same else layout.spread(whole)
        return self._known[key]


def _each_begins(biases: Sequence[Tensor]) -> bool:
    """Whether each is one row, and as the last one begins: then it is the same for all queries, as ALiBi is."""
    last = biases[-1]
    return all(
        bias.shape[:-1] == (len(last), 1) and torch.equal(bias, last[..., : bias.shape[-1]])
        for bias in biases
    )


def _identity(tensor: Tensor | None) -> Hashable:
    return tensor if tensor is None else (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
