"""From what the tracer knows of one attention call to its captures: one per item of the batch, mask and bias apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from models.huggingface.capture import Capture, Route
from models.huggingface.forbidden import mask_and_bias
from models.huggingface.interface import Rotation
from models.huggingface.rotation import unrotated
from models.huggingface.tracer_graph import Part, Scores

Split = Callable[[Tensor, float], tuple[Tensor | None, Tensor | None]]


@dataclass(frozen=True, slots=True)
class Attended:
    """One finished attention call: its scores, its value (lead, k, d_v), its context (lead, q, d_v)."""

    scores: Scores
    heads: int | None
    value: Tensor
    context: Tensor


def captures(
    attended: Attended, module: str, call: int, *, route: Route, split: Split
) -> tuple[Capture, ...]:
    """The captures of one call, one per item of its batch; none if its scores are not of the form of a `Capture`."""
    scores = attended.scores
    heads = attended.heads or math.prod(scores.shape[:-2])
    lead = tuple(attended.context.shape[:-2])
    parts = _mask_and_bias(scores, heads, split)
    if parts is None or math.prod(lead) != math.prod(scores.shape[:-2]):
        return ()
    key = _per_item(scores.key, _lead(scores), heads)
    value = _per_item(attended.value, lead, heads)
    query = _per_item(_row_scaled(scores), _lead(scores), heads)
    context = _per_item(attended.context, lead, heads)
    mask, bias = parts
    found = []
    for item in range(len(context)):
        group = _shared_heads(key[item], value[item])
        found.append(
            Capture(
                module=module,
                call=call,
                query=query[item],
                key=key[item, ::group],
                value=value[item, ::group],
                scale=scores.scale * (scores.softcap or 1.0),
                context=context[item],
                mask=_item(mask, item),
                bias=_item(bias, item),
                softcap=scores.softcap,
                route=route,
            )
        )
    return tuple(found)


def split(tensor: Tensor, factor: float) -> tuple[Tensor | None, Tensor | None]:
    """A tensor that is added to scores, as (where it allows attention, what it adds there); None for nothing."""
    return mask_and_bias(tensor if factor == 1.0 else tensor * factor)


def with_unrotated(found: Sequence[Capture], rotations: Sequence[Rotation]) -> tuple[Capture, ...]:
    """The captures of a batch with queries and keys as they were before these rotations, if they are theirs."""
    if not rotations or not found:
        return tuple(found)
    found = [replace(capture, rotations=tuple(rotations)) for capture in found]
    queries, keys = (torch.stack([getattr(capture, name) for capture in found]) for name in ("query", "key"))
    query, key = unrotated(queries, rotations), unrotated(keys, rotations)
    group = queries.shape[1] // keys.shape[1]
    if key is None and group > 1:  # rotated after they were repeated for each head (Falcon)
        repeated = unrotated(keys.repeat_interleave(group, dim=1), rotations)
        key = None if repeated is None else repeated[:, ::group]
    if query is None or key is None:
        return tuple(found)
    return tuple(
        replace(capture, query_unrotated=query[item], key_unrotated=key[item])
        for item, capture in enumerate(found)
    )


def storages(found: Sequence[Capture]) -> set[int]:
    """Addresses of the memory that these captures refer to."""
    return {tensor.untyped_storage().data_ptr() for capture in found for _, tensor in _tensors(capture)}


def detached(found: Sequence[Capture], storage: int) -> tuple[Capture, ...]:
    """The captures with copies of what they have in that memory."""
    return tuple(
        replace(
            capture,
            **{
                name: tensor.clone()
                for name, tensor in _tensors(capture)
                if tensor.untyped_storage().data_ptr() == storage
            },
        )
        for capture in found
    )


def _tensors(capture: Capture) -> list[tuple[str, Tensor]]:
    named = [(field.name, getattr(capture, field.name)) for field in fields(capture)]
    return [(name, value) for name, value in named if isinstance(value, Tensor)]


def _lead(scores: Scores) -> tuple[int, ...]:
    return tuple(torch.broadcast_shapes(scores.query.shape[:-2], scores.key.shape[:-2]))


def _row_scaled(scores: Scores) -> Tensor:
    """The query, times what the model multiplies whole rows of scores by."""
    query = scores.query
    for part in scores.row_scales:
        rows = part.tensor.expand(*part.shape[:-1], 1)
        query = query.expand(*_lead(scores), *query.shape[-2:]) * rows.reshape(*_lead(scores), -1, 1)
    return query


def _per_item(tensor: Tensor, lead: tuple[int, ...], heads: int) -> Tensor:
    """(lead, n, d) → (item, head, n, d)."""
    rest = tensor.shape[-2:]
    return tensor.expand(*lead, *rest).reshape(-1, heads, *rest)


def _grid(part: Part, heads: int) -> Tensor:
    """What acted on scores as (item or 1, head or 1, q or 1, k or 1), in the shape it has."""
    tensor = part.tensor
    tensor = tensor[(None,) * (len(part.shape) - tensor.ndim)]
    if len(part.shape) > 3 and part.shape[-3] == heads:
        batch = (
            part.shape[:-3] if any(size > 1 for size in tensor.shape[:-3]) else (1,) * (len(part.shape) - 3)
        )
        return tensor.expand(*batch, *tensor.shape[-3:]).reshape(-1, *tensor.shape[-3:])
    if all(size == 1 for size in tensor.shape[:-2]):
        return tensor.reshape(1, 1, *tensor.shape[-2:])
    return tensor.expand(*part.shape[:-2], *tensor.shape[-2:]).reshape(-1, heads, *tensor.shape[-2:])


def _mask_and_bias(scores: Scores, heads: int, split: Split) -> tuple[Tensor | None, Tensor | None] | None:
    """Who may attend and what is added; None if scores that were set to 0 are not forbidden too."""
    mask = bias = None
    for part in scores.allowed:
        mask = _both(mask, _grid(part, heads))
    for part in scores.added:
        allowed, added = split(part.tensor, part.factor)
        if allowed is not None:
            mask = _both(mask, _grid(Part(allowed, part.shape), heads))
        if added is not None and (added.shape[-1:] != (1,) or scores.shape[-1] == 1):
            grid = _grid(Part(added, part.shape), heads)
            bias = grid if bias is None else bias + grid
    for part in scores.gates:
        if mask is None or bool((mask & ~_grid(part, heads)).any()):
            return None
    return mask, bias


def _both(mask: Tensor | None, other: Tensor) -> Tensor:
    return other if mask is None else mask & other


def _item(tensor: Tensor | None, item: int) -> Tensor | None:
    return None if tensor is None else tensor[item if len(tensor) > 1 else 0]


def _shared_heads(key: Tensor, value: Tensor) -> int:
    """How many consecutive heads have one and the same key and value, number for number."""
    same = torch.ones(len(key) - 1, dtype=torch.bool, device=key.device)
    for tensor in (key, value):
        if tensor.shape[0] > 1 and tensor.stride(0) != 0:
            same &= (tensor[1:] == tensor[:-1]).flatten(1).all(dim=1)
    starts = [0, *((~same).nonzero().flatten() + 1).tolist()]
    group = len(key) // len(starts)
    return group if starts == list(range(0, len(key), group)) else 1
