"""Queries and keys before rotary positions turned them.

Models rotate with a function of their own module, or a static method, `apply_rotary_pos_emb` or one named alike.
Each is wrapped once and does nothing while no run is recorded. Whether a head was rotated is read from the tensors:
the queries that entered the dot product must be the very ones that such a function gave back, or hold the very
numbers, or be multiples of them, one factor for each vector (a norm without weights after rotation, which might as
well stand before it).
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.huggingface.interface import Rotation, current
from models.huggingface.steps import near

_NAME = re.compile(r"^apply_\w*(rotary|rope)\w*$")
_ANGLES = re.compile(r"sin|cos|freq|position|angle")


def watch_rotations(model: nn.Module) -> None:
    """Wrap the rotary functions of every Python module and class that this model's code comes from."""
    for kind in {type(module) for module in model.modules()}:
        if kind.__module__.startswith("torch."):
            continue
        for key, value in list(vars(kind).items()):
            if _NAME.match(key) and isinstance(value, staticmethod) and not hasattr(value, "watched"):
                setattr(kind, key, staticmethod(_watched(value.__func__)))
        names = vars(sys.modules[kind.__module__])
        for key, value in list(names.items()):
            if _NAME.match(key) and callable(value) and not hasattr(value, "watched"):
                names[key] = _watched(value)


def _watched(rotate: Callable[..., Any]) -> Callable[..., Any]:
    turning = [name for name in inspect.signature(rotate).parameters if not _ANGLES.search(name)]
    order = list(inspect.signature(rotate).parameters)

    @functools.wraps(rotate)
    def rotated(*args: Any, **arguments: Any) -> Any:
        result, watch = rotate(*args, **arguments), current()
        if watch is not None:
            after = result if isinstance(result, tuple) else (result,)
            given = dict(zip(order, args, strict=False)) | arguments
            before = tuple(given[name] for name in turning if isinstance(given.get(name), Tensor))
            watch.rotations.append(Rotation(before[: len(after)], after))
        return result

    vars(rotated)["watched"] = True
    return rotated


def unrotated(tensor: Tensor, rotations: Sequence[Rotation]) -> Tensor | None:
    """What `tensor` was before it was rotated; None where it was not, or where that cannot be seen."""
    for rotation in reversed(rotations):
        for before, after in zip(rotation.before, rotation.after, strict=False):
            found = _undone(tensor, before, after)
            if found is not None:
                return found
    return None


def _undone(tensor: Tensor, before: Tensor, after: Tensor) -> Tensor | None:
    if after is tensor:
        return before
    if before.shape != after.shape or after.ndim != tensor.ndim or tensor.shape[2] not in after.shape[1:3]:
        return None
    for turned, source in ((after, before), (after.transpose(1, 2), before.transpose(1, 2))):
        if turned.shape == tensor.shape and torch.equal(turned, tensor):
            return source
        if _broadcasts(turned, tensor):
            part = _part_undone(tensor, source, turned)
            if part is not None:
                return part
        if turned.shape == tensor.shape and _is_multiple(tensor[:, :1, :1], turned[:, :1, :1]):
            return _multiple_undone(tensor, source, turned)
    return None


def _factors(tensor: Tensor, turned: Tensor) -> Tensor:
    """By what each vector was multiplied."""
    sizes = turned.square().sum(dim=-1, keepdim=True).clamp_min(torch.finfo(turned.dtype).tiny)
    return (tensor * turned).sum(dim=-1, keepdim=True) / sizes


def _is_multiple(tensor: Tensor, turned: Tensor) -> bool:
    return near(_factors(tensor, turned) * turned, tensor)


def _multiple_undone(tensor: Tensor, before: Tensor, after: Tensor) -> Tensor | None:
    """What was before, multiplied as the rotated vectors were afterwards."""
    factors = _factors(tensor, after)
    return before * factors if near(factors * after, tensor) else None


def _broadcasts(turned: Tensor, tensor: Tensor) -> bool:
    """Whether the rotated part, perhaps one for all heads, is as long as the tensor and narrower."""
    same = turned.shape[0] == tensor.shape[0] and turned.shape[2] == tensor.shape[2]
    return same and turned.shape[1] in {1, tensor.shape[1]} and turned.shape[3] < tensor.shape[3]


def _part_undone(tensor: Tensor, before: Tensor, after: Tensor) -> Tensor | None:
    """As `_undone`, where only the last or the first channels were rotated."""
    width = after.shape[-1]
    after, before = (part.expand(-1, tensor.shape[1], -1, -1) for part in (after, before))
    if torch.equal(tensor[..., -width:], after):
        return torch.cat((tensor[..., :-width], before), dim=-1)
    if torch.equal(tensor[..., :width], after):
        return torch.cat((before, tensor[..., width:]), dim=-1)
    return None
