"""The forward passes of one generation put together, as if the whole text had been read in one.

`generate` first reads the prompt (q = k = n), then one token at a time (q = 1): keys and values of earlier tokens come
out of a cache. Of every pass the rows of the new tokens are kept; in the end they stand below each other.

    the cache                 the keys of a pass                      its first column
    grows                     all tokens so far, k = row + q          0
    slides                    only the last tokens                    row + q − k
    is allocated in advance   room for all that may come              0; what is still empty is cut off

Beam search writes several hypotheses at once, as items of a batch. Through which item of each pass the best one went
is known in the end, so all are kept until then; of the prompt, which they share, only one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from models.huggingface.capture import Capture
from models.huggingface.interface import Passed, Watch
from models.huggingface.listen import Calls
from models.huggingface.places import Plan
from models.huggingface.rotation import unrotated

Items = tuple[Capture, ...]
Path = Sequence[int]
"""Which item of each pass belongs to the text that was written."""


@dataclass
class Strip:
    """What one attention module computed, pass by pass: the rows and, looking at itself, the columns of new tokens."""

    cross: bool
    passes: list[Items] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    """The first column of each pass."""
    rows: int = 0
    steady: bool = True
    """Whether every pass but the first added one row: what was read once is not read again."""

    def add(self, items: Items) -> int:
        """One more pass; gives back how many rows it adds."""
        queries, keys = items[0].query.shape[1], items[0].key.shape[1]
        again = self.rows if queries > self.rows else 0  # without a cache everything is computed again
        row, self.rows = self.rows, self.rows + queries - again
        self.steady = self.steady and (not self.passes or self.rows == row + 1)
        first = 0 if self.cross else max(self.rows - keys, 0)
        new = slice(row - first, self.rows - first)
        if self.cross:  # all passes look at the same keys
            new = slice(0, 0 if self.passes else keys)
        before = _before(items, again, new)
        end = keys if self.cross else new.stop
        self.firsts.append(first)
        self.passes.append(
            tuple(_cut(item, again, new, unturned, end) for item, unturned in zip(items, before, strict=True))
        )
        return queries - again

    def joined(self, path: Path, grids: Grids) -> Capture:
        """All rows of what was written."""
        chosen = [items[min(item, len(items) - 1)] for items, item in zip(self.passes, path, strict=False)]
        keyed = chosen[:1] if self.cross else chosen
        return replace(
            chosen[0],
            query=_below([one.query for one in chosen]),
            key=_below([one.key for one in keyed]),
            value=_below([one.value for one in keyed]),
            context=_below([one.context for one in chosen]),
            sink=_sinks([one.sink for one in chosen]),
            query_unrotated=_below_or_none([one.query_unrotated for one in chosen]),
            key_unrotated=_below_or_none([one.key_unrotated for one in keyed]),
            mask=grids.mask(chosen, self.firsts, self.cross),
            pattern=grids.pattern(chosen, self.firsts, self.cross),
            padding=chosen[-1].padding,
            bias=grids.bias(chosen, self.firsts, self.cross),
        )


class Grids:
    """Masks and biases of whole texts; each once, however many layers share it."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Tensor | None] = {}

    def mask(self, passes: Sequence[Capture], firsts: Sequence[int], cross: bool) -> Tensor | None:
        """Who may attend to whom; nobody to what came later, nor to what a sliding cache had dropped."""
        return self._allowed([one.mask for one in passes], passes, firsts, cross)

    def pattern(self, passes: Sequence[Capture], firsts: Sequence[int], cross: bool) -> Tensor | None:
        """The mask without its padding; None where nothing is padded."""
        if passes[0].pattern is None:
            return None
        return self._allowed([one.pattern for one in passes], passes, firsts, cross)

    def _allowed(
        self, masks: Sequence[Tensor | None], passes: Sequence[Capture], firsts: Sequence[int], cross: bool
    ) -> Tensor | None:
        if len(passes) == 1 or (cross and all(mask is None for mask in masks)):
            return masks[0]
        whole = [torch.ones(1, 1, 1, dtype=torch.bool) if mask is None else mask for mask in masks]
        key = ("mask", tuple(map(_identity, masks)), tuple(firsts), _shape(passes, cross))
        if key not in self._known:
            self._known[key] = _spread(whole, passes, firsts, cross)
        return self._known[key]

    def bias(self, passes: Sequence[Capture], firsts: Sequence[int], cross: bool) -> Tensor | None:
        """What is added to the scores; 0 where no pass had anything to add to."""
        biases = [one.bias for one in passes if one.bias is not None]
        if len(passes) == 1 or not biases:
            return biases[0] if biases else None
        key = ("bias", tuple(map(_identity, biases)), tuple(firsts), _shape(passes, cross))
        if key not in self._known:
            whole = [biases[0].new_zeros(1, 1, 1) if one.bias is None else one.bias for one in passes]
            same = not any(firsts) and _each_begins(whole)
            self._known[key] = whole[-1] if same else _spread(whole, passes, firsts, cross)
        return self._known[key]


@dataclass
class Stitch:
    """Everything that one generation shows, pass by pass."""

    plan: Plan
    beams: int
    encoder_decoder: bool
    strips: dict[tuple[str, int], Strip] = field(default_factory=dict)
    """By module, and by how much attention of it there had been before in the same pass."""
    once: dict[tuple[str, int], Items] = field(default_factory=dict)
    """Attention in windows or blocks, which only an encoder has: it runs in the first pass and is complete."""
    passed: list[dict[Hashable, Passed]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    """How many rows each pass added."""
    computed: list[int] = field(default_factory=list)
    """How many positions of what is written each pass computed: more than it added where there is no cache."""

    def add(self, calls: Calls, watch: Watch) -> None:
        """One more pass; what the watch holds of it is taken."""
        counted: Counter[str] = Counter()
        added, computed = [0], [0]
        for items in calls:
            path = items[0].module
            added.append(self._add(items, counted[path]))
            if path in self.plan.places and self.plan.places[path].tower == "decoder":
                computed.append(items[0].query.shape[1])
            counted[path] += 1
        self.rows.append(max(added))
        self.computed.append(max(computed))
        self.passed.append(dict(_counted(watch.passed)))
        watch.clear()

    def _add(self, items: Items, number: int) -> int:
        """How many rows the pass adds to the module's `number`-th attention."""
        place, key = self.plan.places.get(items[0].module), (items[0].module, number)
        if place is None:
            return 0
        alike = self.beams if place.tower == "decoder" or not self.encoder_decoder else 1
        items = _apart(items, alike)
        if not self.passed:  # the first pass
            items = items[: max(1, len(items) // alike)]
            if len(items) > 1:
                self.once[key] = items
            else:
                self.strips[key] = Strip(place.cross)
        return self.strips[key].add(items) if key in self.strips else 0

    @property
    def adds_up(self) -> bool:
        """Whether the passes are those of one text: each but the first read one more token, and nothing again."""
        return all(strip.steady for strip in self.strips.values())

    def calls(self, path: Path) -> Calls:
        """All attention over the whole text, as one pass would have shown it."""
        grids = Grids()
        return [*self.once.values(), *((strip.joined(path, grids),) for strip in self.strips.values())]

    def modules(self, path: Path) -> list[Passed]:
        """What passed each observed module, the rows of all passes below each other."""
        found = []
        for key, first in self.passed[0].items():
            parts = [
                (passed[key], item, rows if number else None)
                for number, (passed, item, rows) in enumerate(zip(self.passed, path, self.rows, strict=False))
                if key in passed
            ]
            given, output = (
                _tree([(getattr(part, name), item, rows) for part, item, rows in parts], self.beams)
                for name in ("given", "output")
            )
            found.append(replace(first, given=given, output=output))
        return found


def _apart(items: Items, count: int) -> Items:
    """The items of a batch, where a model has put them and the heads into one axis: (item · head, q, d)."""
    (whole, *more), axis = items, len(items[0].query)
    if more or count == 1:
        return items

    def part(name: str, item: int) -> Tensor | None:
        tensor = getattr(whole, name)
        if tensor is None or tensor.ndim < 3 or len(tensor) == 1 or axis % count:
            return tensor
        size = len(tensor) // count
        return tensor[item * size : (item + 1) * size]

    names = ("query", "key", "value", "context", "mask", "bias")
    return tuple(replace(whole, **{name: part(name, item) for name in names}) for item in range(count))


def _counted(passed: Iterable[Passed]) -> Iterator[tuple[Hashable, Passed]]:
    counted: Counter[Hashable] = Counter()
    for one in passed:
        yield (one.module, counted[one.module]), one
        counted[one.module] += 1


def _before(items: Items, again: int, columns: slice) -> list[tuple[Tensor | None, Tensor | None]]:
    """The new queries and keys of each item before they were rotated; (None, None) where they were not."""
    first = items[0]
    if first.query_unrotated is not None and first.key_unrotated is not None:
        return [
            (_rows(item.query_unrotated, again), item.key_unrotated[:, columns].clone())
            for item in items
            if item.query_unrotated is not None and item.key_unrotated is not None
        ]
    if not first.rotations:
        return [(None, None)] * len(items)
    queries = unrotated(torch.stack([item.query for item in items]), first.rotations)
    keys = unrotated(torch.stack([item.key[:, columns] for item in items]), first.rotations)
    if queries is None or keys is None:
        return [(None, None)] * len(items)
    return [(_rows(query, again), key) for query, key in zip(queries, keys, strict=True)]


def _rows(tensor: Tensor, again: int) -> Tensor:
    """The new rows, (head, row, d); one row is small enough to be kept with what it is a part of."""
    return tensor if tensor.shape[1] == 1 else tensor[:, again:].clone()


def _sinks(sinks: Sequence[Tensor | None]) -> Tensor | None:
    """The sink of every row, where each has its own."""
    own = [sink for sink in sinks if sink is not None and sink.ndim == 2]
    return _below(own) if own else sinks[0]


def _cut(
    item: Capture, again: int, columns: slice, before: tuple[Tensor | None, Tensor | None], end: int
) -> Capture:
    """The rows and columns that are new; grids end with `end`. A cache is written into, so it is copied from."""
    return replace(
        item,
        query=_rows(item.query, again),
        key=item.key[:, columns].clone(),
        value=item.value[:, columns].clone(),
        context=_rows(item.context, again),
        sink=item.sink if item.sink is None or item.sink.ndim == 1 else _rows(item.sink, again),
        query_unrotated=before[0],
        key_unrotated=before[1],
        mask=_grid(item.mask, again, end),
        pattern=_grid(item.pattern, again, end),
        bias=_grid(item.bias, again, end),
        rotations=(),
    )


def _grid(grid: Tensor | None, again: int, stop: int) -> Tensor | None:
    """(1 or head, 1 or q, 1 or k): the new rows, without the columns that are still empty."""
    if grid is None:
        return None
    grid = grid[(None,) * (3 - grid.ndim)]
    return (grid[:, again:] if grid.shape[1] > 1 else grid)[..., :stop]


def _spread(grids: Sequence[Tensor], passes: Sequence[Capture], firsts: Sequence[int], cross: bool) -> Tensor:
    """The grids of all passes, each in its rows and from its first column on; zero elsewhere."""
    rows, columns = _shape(passes, cross)
    whole = grids[0].new_zeros(max(len(grid) for grid in grids), rows, columns)
    row = end = 0
    for grid, one, first in zip(grids, passes, firsts, strict=False):
        queries = one.query.shape[1]
        end = columns if cross else end + one.key.shape[1]
        whole[:, row : row + queries, first:end] = grid
        row += queries
    return whole


def _shape(passes: Sequence[Capture], cross: bool) -> tuple[int, int]:
    keyed = passes[:1] if cross else passes
    return sum(one.query.shape[1] for one in passes), sum(one.key.shape[1] for one in keyed)


def _each_begins(biases: Sequence[Tensor]) -> bool:
    """Whether each is one row, and as the last one begins: then it is the same for all queries, as ALiBi is."""
    last = biases[-1]
    return all(
        bias.shape[:-1] == (len(last), 1) and torch.equal(bias, last[..., : bias.shape[-1]])
        for bias in biases
    )


def _identity(tensor: Tensor | None) -> Hashable:
    return tensor if tensor is None else (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())


def _below(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(tensors), dim=1)  # (head, row, d)


def _below_or_none(tensors: Sequence[Tensor | None]) -> Tensor | None:
    known = [tensor for tensor in tensors if tensor is not None]
    return _below(known) if len(known) == len(tensors) else None


def _tree(parts: Sequence[tuple[Any, int, int | None]], beams: int) -> Any:
    """What a module received or gave in all passes, joined tensor by tensor; anything else as in the first pass.

    A part: the value, the item of the batch, and how many of its rows are new (None: all).
    """
    first = parts[0][0]
    if isinstance(first, tuple | list):
        if any(not isinstance(value, tuple | list) or len(value) != len(first) for value, _, _ in parts):
            return first
        return tuple(_tree([(v[at], i, n) for v, i, n in parts], beams) for at in range(len(first)))
    tensors = [_item(value, item, rows, beams) for value, item, rows in parts if isinstance(value, Tensor)]
    shapes = {(*tensor.shape[:-2], *tensor.shape[-1:]) for tensor in tensors}
    if len(tensors) < len(parts) or len(shapes) > 1 or tensors[0].ndim not in {2, 3}:
        return first
    return torch.cat(tensors, dim=-2) if len(tensors) > 1 else tensors[0]


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
