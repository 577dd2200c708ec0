"""What is known of a tensor on its way from Q Kᵀ to the context, in plain values.

    Scaled  →  Scores = factor × Q Kᵀ + Σ addedᵢ, where allowed  →  softmax  →  Weights  →  context = weights @ value

The scores themselves are never kept: Q and K are, and what was added in the shape it was added in.
Axes: lead (batches, windows and heads, in any number of axes), query (q), key (k), d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import count

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor that acted on scores of `shape`, to which it broadcasts, and what it has been multiplied by since."""

    tensor: Tensor
    shape: tuple[int, ...]
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Scaled:
    """A tensor that is `factor` times another one, as a query is where a model hides its scale there."""

    factor: float


@dataclass(frozen=True, slots=True)
class Scores:
    """softcap · tanh(scale · Q Kᵀ) + Σ added, or without softcap scale · Q Kᵀ + Σ added; −∞ unless all of `allowed`.

    `row_scales` multiply whole rows (a learned scale per head), `gates` set scores to 0 (which must then be forbidden).
    """

    order: int
    query: Tensor  # (lead, q, d)
    key: Tensor  # (lead, k, d)
    shape: tuple[int, ...]  # (lead, q, k)
    heads: int | None
    scale: float = 1.0
    softcap: float | None = None
    row_scales: tuple[Part, ...] = ()
    added: tuple[Part, ...] = ()
    allowed: tuple[Part, ...] = ()
    gates: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Weights:
    """What softmax made of scores; `transposed` when its last two axes have been exchanged."""

    scores: Scores
    shape: tuple[int, ...]
    heads: int | None
    transposed: bool = False


Known = Scaled | Scores | Weights

_order = count()


def product(query: Tensor, key: Tensor) -> Scores:
    """Q Kᵀ as it is computed, of query (lead, q, d) and key (lead, k, d)."""
    lead = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    shape = (*lead, query.shape[-2], key.shape[-2])
    return Scores(next(_order), query, key, shape, _heads(shape))


def times(scores: Scores, factor: float) -> Scores:
    """Scores × a number; what was added keeps its own factor."""
    added = tuple(replace(part, factor=part.factor * factor) for part in scores.added)
    if scores.softcap is None:
        return replace(scores, scale=scores.scale * factor, added=added)
    return replace(scores, softcap=scores.softcap * factor, added=added)


def times_tensor(scores: Scores, factor: Tensor) -> Scores | None:
    """Scores × a tensor: one number, one per row, or zeros and ones; None for anything else."""
    if factor.numel() == 1:
        return times(scores, factor.item())
    part = Part(factor, scores.shape)
    if factor.shape[-1] == 1 and not scores.added and scores.softcap is None:
        return replace(scores, row_scales=(*scores.row_scales, part))
    if not scores.added and bool(((factor == 0) | (factor == 1)).all()):
        return replace(scores, gates=(*scores.gates, Part(factor != 0, scores.shape)))
    return None


def plus(scores: Scores, tensor: Tensor, factor: float) -> Scores | None:
    """Scores + factor × a tensor that broadcasts to them."""
    if not fits(tensor, scores):
        return None
    return replace(scores, added=(*scores.added, Part(slim(tensor), scores.shape, factor)))


def kept(scores: Scores, allowed: Tensor) -> Scores | None:
    """Scores where `allowed`, and forbidden elsewhere."""
    if not fits(allowed, scores):
        return None
    return replace(scores, allowed=(*scores.allowed, Part(slim(allowed), scores.shape)))


def fits(value: object, scores: Scores) -> bool:
    """Whether it is a tensor that broadcasts to the scores."""
    return isinstance(value, Tensor) and torch.broadcast_shapes(scores.shape, value.shape) == scores.shape


def slim(tensor: Tensor) -> Tensor:
    """The tensor without repetition along its axes: one that was expanded has size 1 again."""
    for axis, step in enumerate(tensor.stride()):
        if step == 0 and tensor.shape[axis] > 1:
            tensor = tensor.narrow(axis, 0, 1)
    return tensor


def capped(scores: Scores) -> Scores | None:
    """tanh(scores): the middle of a soft cap; None where something was added before."""
    plain = not (scores.added or scores.allowed or scores.gates or scores.row_scales)
    return replace(scores, softcap=1.0) if plain and scores.softcap is None else None


def viewed(known: Known, shape: tuple[int, ...]) -> Known | None:
    """The same in another shape; None if that is more than other leading axes."""
    if isinstance(known, Scaled):
        return known
    if shape[-2:] != known.shape[-2:] or math.prod(shape) != math.prod(known.shape):
        return None
    return replace(known, shape=shape, heads=_heads(shape) or known.heads)


def einsum_product(equation: str, left: Tensor, right: Tensor) -> Scores | None:
    """Scores, if the equation contracts one axis of two tensors into (lead, q, k)."""
    parsed = _labels(equation, left.ndim, right.ndim)
    if parsed is None or len(parsed[2]) < 2:
        return None
    ours, theirs, out = parsed
    lead, row, column = out[:-2], out[-2], out[-1]
    if row in theirs:
        left, right, ours, theirs = right, left, theirs, ours
    inner = (set(ours) & set(theirs)) - set(out)
    if len(inner) != 1 or row in theirs or column in ours:
        return None
    summed = inner.pop()
    if set(ours) != (set(ours) & set(lead)) | {row, summed}:
        return None
    if set(theirs) != (set(theirs) & set(lead)) | {column, summed} or set(lead) - set(ours) - set(theirs):
        return None
    return product(_axes(left, ours, lead + row + summed), _axes(right, theirs, lead + column + summed))


def einsum_context(
    equation: str, weights: Tensor, value: Tensor, context: Tensor
) -> tuple[Tensor, Tensor] | None:
    """Value (lead, k, d_v) and context (lead, q, d_v), if the equation is weights (lead, q, k) @ value."""
    parsed = _labels(equation, weights.ndim, value.ndim)
    if parsed is None:
        return None
    grid, theirs, out = parsed
    lead, row, column = grid[:-2], grid[-2], grid[-1]
    rest = set(theirs) - set(grid)
    if column not in theirs or column in out or row in theirs or len(rest) != 1:
        return None
    vector = rest.pop()
    if set(out) != {*lead, row, vector}:
        return None
    return _axes(value, theirs, lead + column + vector), _axes(context, out, lead + row + vector)


def swapped(equation: str) -> str:
    """The equation with its two operands exchanged."""
    operands, arrow, out = equation.partition("->")
    first, _, second = operands.partition(",")
    return f"{second},{first}{arrow}{out}"


def _heads(shape: tuple[int, ...]) -> int | None:
    """How many heads a grid (batch, head, q, k) has; None where batch and head may share one axis."""
    return shape[-3] if len(shape) > 3 else None


def _labels(equation: str, *ndims: int) -> tuple[str, str, str] | None:
    """The labels of both operands and of the result, with an ellipsis spelled out."""
    operands, arrow, out = equation.replace(" ", "").partition("->")
    names = operands.split(",")
    if not arrow or len(names) != len(ndims) or len(ndims) != 2:
        return None
    spare = "".join(c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation)
    hidden = [ndim - len(name.replace("...", "")) for name, ndim in zip(names, ndims, strict=True)]
    widest = spare[: max(h if "..." in n else 0 for n, h in zip(names, hidden, strict=True))]
    first, second = (n.replace("...", widest[len(widest) - h :]) for n, h in zip(names, hidden, strict=True))
    return first, second, out.replace("...", widest)


def _axes(tensor: Tensor, labels: str, wanted: str) -> Tensor:
    """The tensor with its axes in the wanted order; an axis it lacks has size 1."""
    present = [labels.index(label) for label in wanted if label in labels]
    ordered = tensor.permute(present)
    for axis, label in enumerate(wanted):
        if label not in labels:
            ordered = ordered.unsqueeze(axis)
    return ordered
