"""The linear maps that make a head's queries, keys and values, and the one that its context goes through.

    u = x W + b      u: the query of one head before rotation, x: what the map received, W: its columns for the head
    y = Σ c W_O + b  over all heads, c: a head's context

Which map it is, and which of its columns a head has, is found by looking for the head's numbers in what each map gave:
beside one another in a map of their own, or somewhere in a map that makes queries, keys and values at once. A factor by
which the model multiplies what the map gave is part of W and b here. Where anything else stands between the map and the
head, such as a norm of the queries, there is nothing to find.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.huggingface.assemble import array
from models.huggingface.capture import Capture
from models.huggingface.steps import Step, equal, is_linear, near, rows
from models.trace import Site

CANDIDATES = 4
"""How many columns of a map are tried as the place of one column of a head."""

BIASES = {
    Site.QUERY_WEIGHT: Site.QUERY_BIAS,
    Site.KEY_WEIGHT: Site.KEY_BIAS,
    Site.VALUE_WEIGHT: Site.VALUE_BIAS,
    Site.OUTPUT_WEIGHT: Site.OUTPUT_BIAS,
}


@dataclass(frozen=True, slots=True)
class Projection:
    """Which `width` rows (axis 0) or columns (axis 1) of a map's weight belong to each head, from `starts` on."""

    attention: str
    site: Site
    path: str
    axis: int
    starts: tuple[int, ...]
    width: int
    factor: float = 1.0

    def arrays(self, module: nn.Module) -> Iterator[tuple[Site, Any]]:
        """The weight and the bias of every head."""
        weight, bias = module.get_parameter("weight"), getattr(module, "bias", None)
        into_model = self.site is Site.OUTPUT_WEIGHT
        yield self.site, HeadWeights(weight, self, turned=(self.axis == 0) is not into_model)
        if not into_model:
            yield BIASES[self.site], HeadBiases(bias, self)
        else:
            out = weight.shape[1 - self.axis]
            yield BIASES[self.site], np.zeros(out, np.float32) if bias is None else _frozen(array(bias))


@dataclass(frozen=True, slots=True)
class HeadWeights:
    """A (head, d_model, d_head) or (head, d_value, d_model) array that stays in the model; a head is cut on demand."""

    weight: Tensor
    projection: Projection
    turned: bool

    def __len__(self) -> int:
        return len(self.projection.starts)

    def __getitem__(self, head: int) -> NDArray:
        one = self.projection
        part = self.weight.detach().narrow(one.axis, one.starts[head], one.width)
        cut = array(part.T if self.turned else part)
        return _frozen(cut if one.factor == 1.0 else cut * np.float32(one.factor))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return np.stack([self[head] for head in range(len(self))]).astype(dtype or np.float32, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return np.array, (np.asarray(self),)


@dataclass(frozen=True, slots=True)
class HeadBiases:
    """A (head, d_head) array that stays in the model; zeros where the map has no bias."""

    bias: Tensor | None
    projection: Projection

    def __len__(self) -> int:
        return len(self.projection.starts)

    def __getitem__(self, head: int) -> NDArray:
        one = self.projection
        if self.bias is None:
            return np.zeros(one.width, dtype=np.float32)
        return array(self.bias.detach().narrow(0, one.starts[head], one.width)) * np.float32(one.factor)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return np.stack([self[head] for head in range(len(self))]).astype(dtype or np.float32, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return np.array, (np.asarray(self),)


def _frozen(part: NDArray) -> NDArray:
    """A view that nobody can change a model through."""
    view = part.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True)
class Projected:
    """What was found of one attention sublayer: its maps, and the modules that received what it is made of."""

    maps: tuple[Projection, ...] = ()
    query: Step | None = None
    key: Step | None = None


def projected(capture: Capture, inside: Sequence[Step], output: Step | None, width: int) -> Projected:
    """The maps of one attention sublayer among the modules of its layer, of those that read the stream of that `width`.

    0 is any width: cross-attention may read a wider stream. A map that reads something narrower (the latent vectors of
    DeepSeek) makes only the last step of several.
    """
    maps = [step for step in inside if _reads(step, width)]
    query = _found(Site.QUERY_WEIGHT, _before(capture.query, capture.query_unrotated), maps, capture)
    key = _found(Site.KEY_WEIGHT, _before(capture.key, capture.key_unrotated), maps, capture)
    value = _found(Site.VALUE_WEIGHT, capture.value, maps, capture)
    if value and key and value[1].source != key[1].source and not equal(value[1].given, key[1].given):
        value = None
    found = [one for one in (query, key, value) if one]
    projections = [projection for projection, _ in found]
    if output is not None and (axis := axis_of(output)) is not None:
        size = capture.context.shape[-1]
        starts = tuple(range(0, size * len(capture.context), size))
        into = Projection(capture.module, Site.OUTPUT_WEIGHT, output.path, 1 - axis, starts, size)
        projections.append(into)
    of_keys = key or value
    return Projected(tuple(projections), query and query[1], of_keys and of_keys[1])


def _reads(step: Step, width: int) -> bool:
    given = rows(step.given) if is_linear(step) else None
    return given is not None and width in {0, given.shape[1]} and axis_of(step) is not None


def _before(tensor: Tensor, unrotated: Tensor | None) -> Tensor:
    return tensor if unrotated is None else unrotated


def axis_of(step: Step) -> int | None:
    """Which axis of the weight counts the outputs: 0 in torch's linear maps, 1 in GPT-2's; None if it is neither."""
    weight, given, output = step.module.weight, rows(step.given), rows(step.output)
    if not isinstance(weight, Tensor) or given is None or output is None or not weight.is_floating_point():
        return None
    bias = getattr(step.module, "bias", None)
    for axis, matrix in ((0, weight.T), (1, weight)):
        if tuple(matrix.shape) == (given.shape[1], output.shape[1]) and given.dtype == weight.dtype:
            made = given[-1:] @ matrix
            if near(made if bias is None else made + bias, output[-1:]):
                return axis
    return None


def _found(
    site: Site, target: Tensor, maps: Sequence[Step], capture: Capture
) -> tuple[Projection, Step] | None:
    """The map, and in it the place of each head, that gave the target (head, position, channel)."""
    for step in maps:
        output = rows(step.output)
        if output is None or len(output) != target.shape[1] or output.shape[1] < target.shape[2]:
            continue
        placed = _placed(target, output)
        axis = axis_of(step)
        if placed is not None and axis is not None:
            starts, factor = placed
            return Projection(capture.module, site, step.path, axis, starts, target.shape[2], factor), step
    return None


def _placed(target: Tensor, output: Tensor) -> tuple[tuple[int, ...], float] | None:
    """Where each head's vectors start among the columns of a map's output, and what they were multiplied by."""
    columns = output.float()
    norms = columns.norm(dim=0).clamp_min(torch.finfo(torch.float32).tiny)
    starts, factor = [], None
    for head in target:
        place = _start(head, output, columns / norms, factor)
        if place is None:
            return None
        start, factor = place
        starts.append(start)
    return (tuple(starts), factor) if factor is not None else None


def _start(
    head: Tensor, output: Tensor, directions: Tensor, factor: float | None
) -> tuple[int, float] | None:
    """The column where a head's (position, channel) begins: its largest channel is sought, the others must follow."""
    vectors, width = head.float(), head.shape[1]
    pivot = int(vectors.norm(dim=0).argmax())
    alike = (
        vectors[:, pivot] @ directions if len(head) > 1 else -(output[0].float() - vectors[0, pivot]).abs()
    )
    for column in alike.topk(min(CANDIDATES, len(alike))).indices.tolist():
        start = column - pivot
        if not 0 <= start <= output.shape[1] - width:
            continue
        part = output[:, start : start + width].float()
        fitted = factor or _snapped(float((part * vectors).sum() / part.square().sum().clamp_min(1e-30)))
        if near((part * fitted).to(head.dtype), head):
            return start, fitted
    return None


def _snapped(factor: float) -> float:
    """1 where the factor is 1 but for rounding."""
    return 1.0 if abs(factor - 1.0) < 1e-5 else factor
