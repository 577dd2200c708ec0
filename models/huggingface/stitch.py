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

from models.huggingface.capture import Capture
from models.huggingface.interface import Passed, Rotation, Watch
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

    def add(self, items: Items, rotations: Sequence[Rotation]) -> None:
        """One more pass."""
        queries, keys = items[0].query.shape[1], items[0].key.shape[1]
        again = self.rows if queries > self.rows else 0  # without a cache everything is computed again
        row, self.rows = self.rows, self.rows + queries - again
        first = 0 if self.cross else max(self.rows - keys, 0)
        new = slice(row - first, self.rows - first)
        if self.cross:  # all passes look at the same keys
            new = slice(0, 0 if self.passes else keys)
        before = _keys_before(items, new, rotations)
        end = keys if self.cross else new.stop
        self.firsts.append(first)
        self.passes.append(
            tuple(_cut(item, again, new, unturned, end) for item, unturned in zip(items, before, strict=True))
        )

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
            query_unrotated=_below_or_none([one.query_unrotated for one in chosen]),
            key_unrotated=_below_or_none([one.key_unrotated for one in keyed]),
            mask=grids.mask(chosen, self.firsts, self.cross),
            bias=grids.bias(chosen, self.firsts, self.cross),
        )


class Grids:
    """Masks and biases of whole texts; each once, however many layers share it."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Tensor | None] = {}

    def mask(self, passes: Items, firsts: Sequence[int], cross: bool) -> Tensor | None:
        """Who may attend to whom; nobody to what came later, nor to what a sliding cache had dropped."""
        masks = [one.mask for one in passes]
        if len(passes) == 1 or (cross and all(mask is None for mask in masks)):
            return masks[0]
        whole = [torch.ones(1, 1, 1, dtype=torch.bool) if mask is None else mask for mask in masks]
        key = ("mask", tuple(map(_identity, masks)), tuple(firsts), _shape(passes, cross))
        if key not in self._known:
            self._known[key] = _spread(whole, passes, firsts, cross)
        return self._known[key]

    def bias(self, passes: Items, firsts: Sequence[int], cross: bool) -> Tensor | None:
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
    """By module, and by how often it had run before in the same pass."""
    once: dict[tuple[str, int], Items] = field(default_factory=dict)
    """Attention in windows or blocks, which only an encoder has: it runs in the first pass and is complete."""
    passed: list[dict[Hashable, Passed]] = field(default_factory=list)

    def add(self, calls: Calls, watch: Watch) -> None:
        """One more pass; what the watch holds of it is taken."""
        for items in calls:
            self._add(items, watch.rotations)
        self.passed.append(dict(_counted(watch.passed)))
        for kept in (watch.calls, watch.rotations, watch.masks, watch.passed):
            kept.clear()

    def _add(self, items: Items, rotations: Sequence[Rotation]) -> None:
        place, key = self.plan.places.get(items[0].module), (items[0].module, items[0].call)
        if place is None:
            return
        if not self.passed:  # the first pass
            alike = self.beams if place.tower == "decoder" or not self.encoder_decoder else 1
            items = items[: max(1, len(items) // alike)]
            if len(items) > 1:
                self.once[key] = items
            else:
                self.strips[key] = Strip(place.cross)
        if key in self.strips:
            self.strips[key].add(items, rotations)

    def calls(self, path: Path) -> Calls:
        """All attention over the whole text, as one pass would have shown it."""
        grids = Grids()
        return [*self.once.values(), *((strip.joined(path, grids),) for strip in self.strips.values())]

    def modules(self, path: Path) -> list[Passed]:
        """What passed each observed module, the rows of all passes below each other."""
        passes = self.passed[: len(path)]
        found = []
        for key, first in passes[0].items():
            parts = [(passed[key], item) for passed, item in zip(passes, path, strict=False) if key in passed]
            given, output = (
                _tree([(getattr(part, name), item) for part, item in parts], self.beams)
                for name in ("given", "output")
            )
            found.append(replace(first, given=given, output=output))
        return found


def _counted(passed: Iterable[Passed]) -> Iterator[tuple[Hashable, Passed]]:
    counted: Counter[Hashable] = Counter()
    for one in passed:
        yield (one.module, counted[one.module]), one
        counted[one.module] += 1


def _keys_before(
    items: Items, columns: slice, rotations: Sequence[Rotation]
) -> tuple[Tensor | None, ...] | list[Tensor | None]:
    """The new keys of each item before they were rotated; None where they were not."""
    known = [item.key_unrotated for item in items]
    if known[0] is not None:
        return [None if key is None else key[:, columns] for key in known]
    found = unrotated(torch.stack([item.key[:, columns] for item in items]), rotations)
    return [None] * len(items) if found is None else tuple(found)


def _cut(item: Capture, again: int, columns: slice, key_unrotated: Tensor | None, end: int) -> Capture:
    """The rows and columns that are new, as copies: caches are written into, and hold more. Grids end with `end`."""
    return replace(
        item,
        query=item.query[:, again:].clone(),
        key=item.key[:, columns].clone(),
        value=item.value[:, columns].clone(),
        context=item.context[:, again:].clone(),
        query_unrotated=None if item.query_unrotated is None else item.query_unrotated[:, again:].clone(),
        key_unrotated=None if key_unrotated is None else key_unrotated.clone(),
        mask=_grid(item.mask, again, end),
        bias=_grid(item.bias, again, end),
    )


def _grid(grid: Tensor | None, again: int, stop: int) -> Tensor | None:
    """(1 or head, 1 or q, 1 or k): the new rows, without the columns that are still empty."""
    if grid is None:
        return None
    grid = grid[(None,) * (3 - grid.ndim)]
    return (grid[:, again:] if grid.shape[1] > 1 else grid)[..., :stop]


def _spread(grids: Sequence[Tensor], passes: Items, firsts: Sequence[int], cross: bool) -> Tensor:
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


def _shape(passes: Items, cross: bool) -> tuple[int, int]:
    keyed = passes[:1] if cross else passes
    return sum(one.query.shape[1] for one in passes), sum(one.key.shape[1] for one in keyed)


def _each_begins(biases: Sequence[Tensor]) -> bool:
    """Whether each is one row, and as the last one begins: then it is the same for all queries, as ALiBi is."""
    last = biases[-1]
    return all(
        bias.shape[:-1] == (len(last), 1) and torch.equal(bias, last[..., : bias.shape[-1]]) for bias in biases
    )


def _identity(tensor: Tensor | None) -> Hashable:
    return tensor if tensor is None else (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())


def _below(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(tensors), dim=1)  # (head, row, d)


def _below_or_none(tensors: Sequence[Tensor | None]) -> Tensor | None:
    known = [tensor for tensor in tensors if tensor is not None]
    return _below(known) if len(known) == len(tensors) else None


def _tree(parts: Sequence[tuple[object, int]], beams: int) -> object:
    """What a module received or gave in all passes, joined tensor by tensor; anything else as in the first pass."""
    values = [value for value, _ in parts]
    first = values[0]
    if isinstance(first, tuple | list):
        alike = [value for value in values if isinstance(value, tuple | list) and len(value) == len(first)]
        if len(alike) < len(values):
            return first
        inner = ([(value[at], item) for value, (_, item) in zip(alike, parts, strict=True)] for at in range(len(first)))
        return tuple(_tree(part, beams) for part in inner)
    tensors = [_item(value, item, beams) for value, item in parts if isinstance(value, Tensor)]
    if len(tensors) < len(values) or len({(*tensor.shape[:-2], tensor.ndim, *tensor.shape[-1:]) for tensor in tensors}) > 1:
        return first
    return torch.cat(tensors, dim=-2) if len(tensors) > 1 and tensors[0].ndim in {2, 3} else tensors[0]


def _item(tensor: Tensor, item: int, beams: int) -> Tensor:
    """One hypothesis of a tensor of all: (item, row, d), or its rows one after the other (item · row, d)."""
    if beams == 1 or tensor.ndim not in {2, 3} or len(tensor) % beams:
        return tensor
    rows = len(tensor) // beams
    if rows > 1:  # the prompt, which all hypotheses share; or rows that were never copied for each of them
        item, shared = 0, torch.allclose(tensor[:rows], tensor[rows : 2 * rows], atol=1e-4)
        return tensor[:rows] if shared else tensor
    return tensor[item : item + 1]
