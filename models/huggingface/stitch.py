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

import torch
from torch import Tensor

from models.huggingface.calls import Split
from models.huggingface.capture import Capture
from models.huggingface.grids import Grids, Layout
from models.huggingface.grown import Path, Row, below, is_row, row_of
from models.huggingface.interface import Call, Passed, Watch
from models.huggingface.listen import Calls, Heard
from models.huggingface.passes import AllPasses, Part
from models.huggingface.places import Place, Plan
from models.huggingface.rotation import unrotated

Items = tuple[Capture, ...]


@dataclass
class Strip:
    """What one attention module computed, pass by pass: the rows and, looking at itself, the columns of new tokens."""

    cross: bool
    passes: list[Items] = field(default_factory=list)
    grown: list[Row] = field(default_factory=list)
    """The passes after those."""
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
        self.steady = self.steady and (not self.passes or self.rows == row + 1) and not self.grown
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

    def grow(self, call: Call, split: Split) -> None:
        """One more pass, of one row."""
        self.rows += 1
        self.grown.append(row_of(call, split, self.rows, self.cross))
        self.firsts.append(self.grown[-1].first)

    def joined(self, path: Path, grids: Grids) -> Capture:
        """All rows of what was written."""
        chosen = [items[min(item, len(items) - 1)] for items, item in zip(self.passes, path, strict=False)]
        rest = path[len(chosen) :]
        rows = self.grown[: len(rest)]
        parts = [*chosen, below(chosen[0], rows, rest)] if rows else chosen
        keyed = parts[:1] if self.cross else parts
        layout = Layout(
            rows=[one.query.shape[1] for one in chosen] + [1] * len(rows),
            columns=[one.key.shape[1] for one in chosen] + [int(not self.cross)] * len(rows),
            firsts=self.firsts[: len(chosen) + len(rows)],
            cross=self.cross,
        )
        masks, biases = (
            [_of_item(getattr(row, name), item) for row, item in zip(rows, rest, strict=False)]
            for name in ("mask", "bias")
        )
        return replace(
            chosen[0],
            query=_below([one.query for one in parts]),
            key=_below([one.key for one in keyed]),
            value=_below([one.value for one in keyed]),
            context=_below([one.context for one in parts]),
            sink=_sinks([one.sink for one in chosen]),
            query_unrotated=_below_or_none([one.query_unrotated for one in parts]),
            key_unrotated=_below_or_none([one.key_unrotated for one in keyed]),
            mask=grids.mask([*(one.mask for one in chosen), *masks], layout),
            pattern=grids.pattern([*(one.pattern for one in chosen), *(row.pattern for row in rows)], layout),
            padding=(rows or chosen)[-1].padding,
            bias=grids.bias([*(one.bias for one in chosen), *biases], layout),
        )


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
    passed: list[list[Passed]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    """How many rows each pass added."""
    computed: list[int] = field(default_factory=list)
    """How many positions of what is written each pass computed: more than it added where there is no cache."""

    def add(self, heard: Heard, watch: Watch) -> None:
        """One more pass; what the watch holds of it is taken."""
        added, computed = (1, 1) if self._grow(heard, watch) else self._take(heard)
        self.rows.append(added)
        self.computed.append(computed)
        self.passed.append(list(watch.passed))
        watch.clear()

    def _grow(self, heard: Heard, watch: Watch) -> bool:
        """Keep a pass of one row as it is; False where it is of another kind."""
        if not self.passed or not heard.is_plain:
            return False
        counted: Counter[str] = Counter()
        grown = []
        for call in watch.calls:
            path = heard.path(call.module)
            place, strip = self.plan.places.get(path), self.strips.get((path, counted[path]))
            counted[path] += 1
            if place is not None and (strip is None or not is_row(call, self._alike(place))):
                return False
            grown += [(strip, call)] if strip is not None else []
        split = Split(watch.masks)
        for strip, call in grown:
            strip.grow(call, split)
        return bool(grown)

    def _take(self, heard: Heard) -> tuple[int, int]:
        """How many rows a pass of any kind adds, and how many positions of what is written it computed."""
        counted: Counter[str] = Counter()
        added, computed = [0], [0]
        for items in heard.take():
            path = items[0].module
            added.append(self._add(items, counted[path]))
            if path in self.plan.places and self.plan.places[path].tower == "decoder":
                computed.append(items[0].query.shape[1])
            counted[path] += 1
        return max(added), max(computed)

    def _alike(self, place: Place) -> int:
        """How many hypotheses an attention module reads at once."""
        return self.beams if place.tower == "decoder" or not self.encoder_decoder else 1

    def _add(self, items: Items, number: int) -> int:
        """How many rows the pass adds to the module's `number`-th attention."""
        place, key = self.plan.places.get(items[0].module), (items[0].module, number)
        if place is None:
            return 0
        alike = self._alike(place)
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
        found: dict[Hashable, list[Part]] = {}
        for number, (passed, item, rows) in enumerate(zip(self.passed, path, self.rows, strict=False)):
            for key, one in _counted(passed):
                if number == 0:
                    found[key] = [(one, item, None)]
                elif key in found:
                    found[key].append((one, item, rows))
        return [AllPasses(parts, self.beams) for parts in found.values()]


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


def _of_item(grid: Tensor | None, item: int) -> Tensor | None:
    """The grid of one row of a hypothesis, (1 or head, 1, k)."""
    if grid is None:
        return None
    grid = grid[min(item, len(grid) - 1)]
    return grid[(None,) * (3 - grid.ndim)]


def _below(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(tensors), dim=1)  # (head, row, d)


def _below_or_none(tensors: Sequence[Tensor | None]) -> Tensor | None:
    known = [tensor for tensor in tensors if tensor is not None]
    return _below(known) if len(known) == len(tensors) else None
