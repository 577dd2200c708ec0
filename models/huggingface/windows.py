"""Attention inside the windows of an image, put back into the image's order.

Swin attends within windows, each an item of the batch; every second layer first rolls the image by half a window, so
that a window then holds parts that do not touch, which a mask keeps apart. Here the windows of one call become one
block over all patches: a query attends to the keys of its window and region, and to nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.huggingface.capture import Capture
from models.trace import Site

Grid = tuple[int, int]
"""Rows and columns of patches."""


@dataclass(frozen=True)
class WindowGrid:
    """A (head, query, key) array over all patches, kept by windows; one head is made when asked for."""

    windows: NDArray  # (window or 1, head or 1, q, k)
    order: NDArray[np.int64]  # (window, q): the patch in each place
    outside: float | bool

    def __len__(self) -> int:
        return self.windows.shape[1]

    def __getitem__(self, head: int) -> NDArray:
        count = self.order.size
        grid = np.full((count, count), self.outside, dtype=self.windows.dtype)
        for window, patches in enumerate(self.order):
            grid[np.ix_(patches, patches)] = self.windows[min(window, len(self.windows) - 1), head]
        return grid

    def regions(self) -> NDArray[np.int64]:
        """(patch,): patches with the same number may attend to each other, within a window and its region."""
        first = self.windows[:, 0].argmax(axis=-1)  # (window or 1, q): the first key of a query's region
        labels = np.arange(len(self.order))[:, None] * self.order.shape[1] + first
        found = np.empty(self.order.size, dtype=np.int64)
        found[self.order] = np.unique(labels, return_inverse=True)[1].reshape(self.order.shape)
        return found

    def lies_in(self, rows: int, columns: int) -> bool:
        """Whether each window is a square of such a grid, going round its edges where a shift takes it there."""
        edge = math.isqrt(self.order.shape[1])
        rows_of, columns_of = np.divmod(self.order, columns)
        apart = (rows_of - rows_of[:, :1]) % rows, (columns_of - columns_of[:, :1]) % columns
        return self.order.size == rows * columns and all(bool((steps < edge).all()) for steps in apart)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return np.stack([self[head] for head in range(len(self))]).astype(
            dtype or self.windows.dtype, copy=bool(copy)
        )


@dataclass(frozen=True)
class Windows:
    """The windows of one call: (window, place) → patch."""

    order: Tensor
    grid: Grid | None = None
    """Rows and columns of the patches, where they are known; beyond them the layer padded the image."""

    @cached_property
    def back(self) -> Tensor:
        """Patch → its place among the windows, one after another."""
        return self.order.flatten().argsort()


def patch_order(layer: nn.Module, windows: int, size: int, grid: Grid | None = None) -> Tensor:
    """(window, place) → patch: the windows of an image, rolled by the layer's shift, row by row.

    `grid`: rows and columns of the image's patches; else the layer's own, else a square. A layer pads them to whole
    windows, and all of a window is looked at: what was padded is counted after the last patch. An image that fits no
    such grid keeps the order of its windows.
    """
    edge, side = math.isqrt(size), math.isqrt(windows * size)
    known = (grid, getattr(layer, "input_resolution", None), (side, side))
    fitting = (one for one in known if one is not None and fits(one, windows, size))
    rows, columns = next(fitting, (0, 0))
    if not rows:
        return torch.arange(windows * size).reshape(windows, size)
    high, wide = _padded(rows, edge), _padded(columns, edge)
    patches = torch.empty(high, wide, dtype=torch.long)
    there = torch.zeros(high, wide, dtype=torch.bool)
    there[:rows, :columns] = True
    patches[there] = torch.arange(rows * columns)
    patches[~there] = torch.arange(rows * columns, high * wide)
    shift = int(getattr(layer, "shift_size", 0) or 0)
    cut = patches.roll((-shift, -shift), dims=(0, 1)).reshape(high // edge, edge, wide // edge, edge)
    return cut.transpose(1, 2).reshape(windows, size)


def _padded(length: int, edge: int) -> int:
    """The next multiple of a window's edge."""
    return -(-length // edge) * edge


def fits(grid: Grid, windows: int, size: int) -> bool:
    """Whether so many square windows of so many patches cover such a grid, padded to whole windows."""
    edge = math.isqrt(size)
    return edge * edge == size and _padded(grid[0], edge) * _padded(grid[1], edge) == windows * size


def joined(captures: Sequence[Capture], windows: Windows) -> Capture:
    """The captures of all windows as one over all patches, without its mask and bias, which stay in windows."""
    one = captures[0]

    def join(tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(tensors), dim=1)[:, windows.back]

    return replace(
        one,
        query=join([capture.query for capture in captures]),
        key=join([capture.key for capture in captures]),
        value=join([capture.value for capture in captures]),
        context=join([capture.context for capture in captures]),
        mask=None,
        pattern=None,
        padding=None,
        bias=None,
        query_unrotated=None,
        key_unrotated=None,
    )


def mask_grids(captures: Sequence[Capture], windows: Windows) -> dict[Site, WindowGrid]:
    """The mask of all windows; of a shifted image also its parts: the same window, and not parted by the shift."""
    shape = (captures[0].query.shape[1], captures[0].key.shape[1])
    places = windows.order.numpy()
    allowed = np.stack([_mask(capture, shape) for capture in captures])
    mask = WindowGrid(allowed, places, False)
    if captures[0].mask is None:
        return {Site.MASK: mask}
    pattern = WindowGrid(np.ones((1, 1, *shape), dtype=np.bool_), places, False)
    return {Site.MASK: mask, Site.MASK_PATTERN: pattern, Site.MASK_SHIFT: WindowGrid(allowed, places, True)}


def bias_grid(captures: Sequence[Capture], windows: Windows) -> WindowGrid | None:
    """The bias of all windows, which most models share."""
    biases = [capture.bias for capture in captures if capture.bias is not None]
    if not biases:
        return None
    if all(bias.data_ptr() == biases[0].data_ptr() for bias in biases):
        biases = biases[:1]
    stacked = np.stack([bias.detach().float().cpu().numpy() for bias in biases])
    return WindowGrid(stacked, windows.order.numpy(), 0.0)


def _mask(capture: Capture, shape: tuple[int, int]) -> NDArray:
    if capture.mask is None:
        return np.ones((1, *shape), dtype=np.bool_)
    mask = capture.mask.cpu().numpy()
    mask = mask.reshape((1,) * (3 - mask.ndim) + mask.shape)
    return np.broadcast_to(mask, (len(mask), *shape))
