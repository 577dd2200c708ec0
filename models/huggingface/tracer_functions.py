"""Torch functions: by name, their arguments wherever they stand, and the module whose code calls them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from types import FrameType, FunctionType
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

Arguments = Mapping[str, Any]

ADD = {"add": 1.0, "iadd": 1.0, "radd": 1.0, "sub": -1.0, "isub": -1.0, "subtract": -1.0}
MULTIPLY = frozenset({"mul", "imul", "rmul", "multiply"})
DIVIDE = frozenset({"div", "idiv", "truediv", "itruediv", "true_divide", "divide"})
PRODUCT = frozenset({"matmul", "bmm"})
RESHAPE = frozenset(
    {"view", "reshape", "view_as", "reshape_as", "unsqueeze", "squeeze", "flatten", "unflatten", "expand"}
)
CAST = frozenset(
    {
        "to",
        "contiguous",
        "float",
        "half",
        "double",
        "bfloat16",
        "type",
        "type_as",
        "clone",
        "detach",
        "dropout",
        "nan_to_num",
        "alias",
    }
)
TURN = frozenset({"transpose", "permute", "swapaxes", "movedim", "mT"})
CLAMP = frozenset({"clamp", "clip", "clamp_min", "max", "maximum"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One torch function that ran: its name without underscores, what it was called with, and the tensor it gave."""

    name: str
    args: tuple
    kwargs: Arguments
    result: Tensor

    @property
    def first(self) -> object:
        """The argument that torch calls `input`."""
        return self.args[0] if self.args else self.kwargs.get("input")

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors among the arguments, in order."""
        named = (value for name, value in self.kwargs.items() if name != "out")
        return [value for value in chain(self.args, named) if isinstance(value, Tensor)]

    def bound(self, *names: str) -> list[Any]:
        """The arguments of these names, wherever they stand; None for one that is not given."""
        given = self.args
        return [given[at] if at < len(given) else self.kwargs.get(name) for at, name in enumerate(names)]


def name_of(function: Any) -> str:
    """The name of a torch function; of a property, such as `mT`, its own name."""
    name = getattr(function, "__name__", "")
    return getattr(function.__self__, "__name__", "") if name == "__get__" else name


def number(value: object) -> float | None:
    """A number, or the one that a tensor holds; None for anything else."""
    if isinstance(value, Tensor):
        return value.item() if value.numel() == 1 and value.is_floating_point() else None
    return float(value) if isinstance(value, (int, float)) else None


def highest(value: float | Tensor) -> float:
    """The number, or the largest that a tensor holds."""
    return float(value.max().item() if isinstance(value, Tensor) else value)


def overwritten(name: str, args: tuple, kwargs: Arguments) -> Tensor | None:
    """The tensor that a function of this name writes into, if it does."""
    in_place = (
        (name.endswith("_") and not name.endswith("__")) or name.startswith("__i") or name == "__setitem__"
    )
    target = args[0] if in_place and args else kwargs.get("out")
    return target if isinstance(target, Tensor) else None


def running(paths: Mapping[int, str]) -> nn.Module | None:
    """The innermost module with parameters whose code is running in this thread, among those that have a path.

    The attention functions of transformers are no methods: the module that they work for is their first argument.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        own, served = frame.f_locals.get("self"), frame.f_locals.get("module")
        if isinstance(own, nn.Module) and id(own) in paths and next(own.parameters(), None) is not None:
            return own
        if isinstance(served, nn.Module) and id(served) in paths:
            return served
        frame = frame.f_back
    return None


opened_attention = FunctionType(
    functional.multi_head_attention_forward.__code__,
    {**vars(functional), "has_torch_function": lambda _: False},
    argdefs=functional.multi_head_attention_forward.__defaults__,
)
"""torch's own `multi_head_attention_forward`, but it does not step aside for a mode: what it calls is seen."""
