"""From the captures of a run to the blocks and arrays of a `Trace`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from models.huggingface.capture import Capture
from models.huggingface.places import Place, Plan
from models.huggingface.windows import Grid, Windows, bias_grid, fits, joined, mask_grids, patch_order
from models.trace import Block, Site

WRITTEN = 4
"""Of so many tokens at the end it is asked whether anything earlier looks at them: an image before them sees itself."""

Arrays = dict[tuple[Site, str], Any]


@dataclass
class Assembly:
    """Blocks and arrays as they come together; equal tensors become one array."""

    plan: Plan
    blocks: list[Block] = field(default_factory=list)
    arrays: Arrays = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    """Stream → how many tokens it has, as the queries of its blocks say."""
    windows: dict[str, Windows] = field(default_factory=dict)
    """Path of a layer → the windows of the image in which its modules work."""
    _known: dict[tuple[object, ...], NDArray] = field(default_factory=dict)
    _names: Counter[str] = field(default_factory=Counter)

    def add(self, capture: Capture) -> None:
        """One more block: the attention of one call."""
        block = self._block(capture)
        self.blocks.append(block)
        tensors = {
            Site.QUERY: capture.query,
            Site.KEY: capture.key,
            Site.VALUE: capture.value,
            Site.CONTEXT: capture.context,
            Site.SINK: capture.sink,
            Site.QUERY_UNROTATED: capture.query_unrotated,
            Site.KEY_UNROTATED: capture.key_unrotated,
        }
        for site, tensor in tensors.items():
            if tensor is not None:
                self.arrays[site, block.name] = array(tensor)
        shape = (capture.query.shape[1], capture.key.shape[1])
        self.arrays[Site.MASK, block.name] = self._grid(capture.mask, shape)
        if capture.pattern is not None and capture.padding is not None:
            self.arrays[Site.MASK_PATTERN, block.name] = self._grid(capture.pattern, shape)
            self.arrays[Site.MASK_PADDING, block.name] = array(capture.padding[: shape[1]])
        if capture.bias is not None:
            self.arrays[Site.BIAS, block.name] = self._grid(capture.bias, shape)

    def add_windows(self, captures: Sequence[Capture], windows: Windows) -> None:
        """One more block: the attention of one call inside the windows of an image."""
        self.add(joined(captures, windows))
        grids = mask_grids(captures, windows)
        bias = bias_grid(captures, windows)
        if bias is not None:
            grids[Site.BIAS] = bias
        self.arrays |= {(site, self.blocks[-1].name): grid for site, grid in grids.items()}
        self.windows[self.plan.places[captures[0].module].layer_path] = windows

    def _block(self, capture: Capture) -> Block:
        place, number = self.plan.places[capture.module], self.plan.number(capture.module, capture.call)
        layer, kind = f"{place.tower}.{number}", "cross" if place.cross else "self"
        self._names[f"{layer}.{kind}"] += 1
        again = self._names[f"{layer}.{kind}"]
        queries, keys = capture.query.shape[1], capture.key.shape[1]
        return Block(
            name=f"{layer}.{kind}" if again == 1 else f"{layer}:{again}.{kind}",
            heads=len(capture.query),
            kv_heads=len(capture.key),
            query_stream=self._stream(place.tower, queries),
            key_stream=self._looked_at(place.tower, keys) if place.cross else self._stream(place.tower, keys),
            module=capture.module,
            scale=capture.scale,
            softcap=capture.softcap,
            route=capture.route,
        )

    def _stream(self, tower: str, length: int) -> str:
        """The tower's stream of so many tokens."""
        name = tower if self.lengths.get(tower, length) == length else f"{tower}:{length}"
        self.lengths[name] = length
        return name

    def _looked_at(self, tower: str, keys: int) -> str:
        """The other tower's stream whose tokens are the keys."""
        others = [other for other in self.lengths if other != tower and not other.startswith(f"{tower}:")]
        fitting = [other for other in others if self.lengths[other] == keys]
        return fitting[0] if fitting else self._stream(others[0] if others else "encoder", keys)

    def _grid(self, tensor: Tensor | None, shape: tuple[int, int]) -> NDArray:
        """A mask (all True without one) or bias as (1 or head, query, key); what layers share is one array."""
        if tensor is None:
            return np.broadcast_to(np.True_, (1, *shape))
        known = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride(), shape)
        if known not in self._known:
            grid = array(tensor)
            grid = grid.reshape((1,) * (3 - grid.ndim) + grid.shape)
            self._known[known] = np.broadcast_to(grid, (len(grid), *shape))
        return self._known[known]


def array(tensor: Tensor) -> NDArray:
    """A tensor as a NumPy array: Boolean stays Boolean, everything else becomes float32."""
    tensor = tensor.detach().cpu()
    return tensor.numpy() if not tensor.is_floating_point() else tensor.float().numpy()


def assembled(
    calls: Iterable[Sequence[Capture]], plan: Plan, model: nn.Module, image: Grid | None = None
) -> Assembly:
    """Blocks and arrays of all calls, in execution order; `image`: rows and columns of its patches."""
    assembly = Assembly(plan)
    for captures in calls:
        place = plan.places.get(captures[0].module) if captures else None
        if place is None:
            continue
        windows = windows_of(captures, place.layer_path, model, stage_grid(plan, place, image))
        if windows is not None:
            assembly.add_windows(captures, windows)
        else:  # one item; or blocks of a long text, whose keys overlap (LongT5)
            for capture in captures:
                assembly.add(capture)
    return assembly


def stage_grid(plan: Plan, place: Place, image: Grid | None) -> Grid | None:
    """Rows and columns of the patches in one stage of a tower that halves them from each stage to the next (Swin)."""
    if image is None:
        return None
    stages = [layers for layers in plan.lengths if plan.tower(layers) == place.tower]
    rows, columns = image
    for _ in range(stages.index(place.layers)):
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    return rows, columns


def windows_of(
    captures: Sequence[Capture], layer: str, model: nn.Module, grid: Grid | None = None
) -> Windows | None:
    """The windows of one call: several items, each attending to itself; None where there are none."""
    if len(captures) < 2 or captures[0].query.shape[1] != captures[0].key.shape[1]:
        return None
    count, size = len(captures), captures[0].query.shape[1]
    known = grid if grid is not None and fits(grid, count, size) else None
    return Windows(patch_order(model.get_submodule(layer), count, size, known), known)


def first_calls(
    calls: Iterable[Sequence[Capture]], plan: Plan, model: nn.Module
) -> tuple[list[Capture], dict[str, Windows]]:
    """Each attention module's first call, over all windows, and the windows of the layers that have them."""
    found, windows = [], {}
    for captures in calls:
        place = plan.places.get(captures[0].module) if captures else None
        if place is None or captures[0].call:
            continue
        inside = windows_of(captures, place.layer_path, model)
        found.append(captures[0] if inside is None else joined(captures, inside))
        if inside is not None:
            windows[place.layer_path] = inside
    return found, windows


def never_ahead(captures: Sequence[Capture]) -> set[str]:
    """The modules whose queries never attend to a later key."""
    return {capture.module for capture in captures if _is_causal(capture)}


def _is_causal(capture: Capture) -> bool:
    queries, keys = capture.query.shape[1], capture.key.shape[1]
    if capture.mask is None or queries != keys or queries < 2:
        return False
    ahead = capture.mask.expand(*capture.mask.shape[:-2], queries, keys).triu(1)
    return not bool(ahead[..., -WRITTEN:].any())
