"""Modules at work, and the questions about their numbers by which the sites of a trace are found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from models.huggingface.interface import Passed

CLOSE = 1e-4
"""How far two tensors of float32 may be apart, relative to their size, and still hold the same quantity."""


@dataclass(frozen=True, slots=True)
class Step:
    """One module at work for the `call`-th time, with its first tensors."""

    path: str
    module: nn.Module
    given: Tensor | None
    output: Tensor | None
    whole: Any
    call: int = 0
    source: tuple[object, ...] = ()
    """What tells its first input from others: where in memory it lies, in which shape."""

    def ordered(self, back: Tensor) -> Step:
        """The same, where it worked on the windows of an image, in the order of the image."""
        return replace(self, given=unwindowed(self.given, back), output=unwindowed(self.output, back))


def steps_of(passed: Sequence[Passed], paths: Mapping[nn.Module, str]) -> list[Step]:
    """Everything that passed the modules of one run, in the order of execution."""
    counted: dict[str, int] = {}
    found = []
    for one in passed:
        path = paths.get(one.module, "")
        given, output = batched(first(one.given)), batched(first(one.output))
        found.append(Step(path, one.module, given, output, one.output, counted.get(path, 0), _source(given)))
        counted[path] = counted.get(path, 0) + 1
    return found


def _source(given: Tensor | None) -> tuple[object, ...]:
    return () if given is None else (given.data_ptr(), given.shape)


def unwindowed(tensor: Tensor | None, back: Tensor) -> Tensor | None:
    """(window, place, …) → (1, patch, …) in the order of the image; anything else as it is."""
    if tensor is None or tensor.ndim != 3 or tensor.shape[:2].numel() != len(back) or len(tensor) == 1:
        return tensor
    return tensor.flatten(0, 1)[back.to(tensor.device)][None]


def first(value: Any) -> Tensor | None:
    """The tensor, or the first one of a tuple or of a model output."""
    if isinstance(value, Tensor):
        return value
    inner = next(iter(value.values()), None) if isinstance(value, Mapping) else None
    inner = value[0] if isinstance(value, tuple | list) and value else inner
    return inner if isinstance(inner, Tensor) else None


def batched(tensor: Tensor | None) -> Tensor | None:
    """With a batch axis, which some MLPs fold into the positions."""
    return tensor[None] if tensor is not None and tensor.ndim == 2 else tensor


def rows(tensor: Tensor | None) -> Tensor | None:
    """(position, width) of a batch of one; None for anything else."""
    return tensor[0] if is_stream(tensor) and tensor is not None else None


def is_linear(step: Step) -> bool:
    """Whether it multiplies by one matrix."""
    weight = getattr(step.module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim == 2 and not isinstance(step.module, nn.Embedding)


def is_norm(step: Step) -> bool:
    """Whether it is a norm, of whatever make."""
    return "norm" in type(step.module).__name__.lower()


def is_stream(tensor: Tensor | None) -> bool:
    """Whether it is one vector for each position of a batch of one."""
    return tensor is not None and tensor.ndim == 3 and len(tensor) == 1 and tensor.is_floating_point()


def same(tensor: Tensor | None, other: Tensor | None) -> bool:
    """Whether two are one: the same numbers at the same place in memory."""
    return like(tensor, other) and tensor.data_ptr() == other.data_ptr()  # pyright: ignore[reportOptionalMemberAccess]


def like(tensor: Tensor | None, other: Tensor | None) -> bool:
    """Whether there are both, of one shape."""
    return tensor is not None and other is not None and tensor.shape == other.shape


def is_sum(total: Tensor | None, part: Tensor | None, *others: Tensor | None) -> bool:
    """Whether the total is the part and one of the others."""
    if total is None or part is None or not like(total, part):
        return False
    rest = total - part
    return any(equal(rest, other) for other in others if other is not part)


def equal(tensor: Tensor | None, other: Tensor | None) -> bool:
    """Whether two hold the same numbers, but for rounding."""
    if tensor is None or other is None or tensor.shape != other.shape:
        return False
    size = max(1.0, float(other.abs().max())) if other.numel() else 1.0
    return torch.allclose(tensor, other, rtol=0, atol=CLOSE * size)


def any_equal(tensor: Tensor | None, others: Iterable[Tensor | None]) -> bool:
    """Whether it holds the same numbers as one of the others, but for rounding."""
    return any(equal(tensor, other) for other in others)


def near(tensor: Tensor, other: Tensor) -> bool:
    """Whether two hold the same numbers, but for the rounding of the type that they were computed in."""
    if tensor.shape != other.shape or not other.numel():
        return False
    tolerance = max(CLOSE, 8 * torch.finfo(other.dtype).eps) * float(other.abs().max())
    return bool(((tensor.float() - other.float()).abs() <= tolerance).all())
