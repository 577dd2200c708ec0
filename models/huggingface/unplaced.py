"""Runs in which nothing says where a token stands: tables of positions give zeros, rotations turn by nothing.

The hooks are put on once and do nothing outside of `switched`, so other runs of the same model go on as ever. Positions
that are no module of their own (ALiBi, the parameters of vision Transformers) stay; what stayed can be read from the
trace (`is_unplaced`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from models.edits import PositionsOff
from models.huggingface.positions import position_modules
from models.huggingface.reading import Inputs
from models.orders import reordered
from models.recorder import within
from models.trace import PositionalEncoding, Token

_off: ContextVar[bool | None] = ContextVar("unplaced", default=None)

_RELATIVE = re.compile(r"relative_attention_bias$")


def watch_positions(model: nn.Module) -> None:
    """Put a hook on every module that says where a token stands."""
    relative = [module for path, module in model.named_modules() if _RELATIVE.search(path)]
    for module in {*position_modules(model), *relative}:
        module.register_forward_hook(_forget)


def switched(edits: Sequence[object]) -> AbstractContextManager[object]:
    """Within this block, in this thread or task, runs know nothing of positions, if an edit says so."""
    return within(_off, True) if any(isinstance(edit, PositionsOff) for edit in edits) else nullcontext()


def is_unplaced(found: Iterable[PositionalEncoding]) -> bool:
    """Whether none of the positions that entered a run says anything."""
    return not any(bool(encoding.values.any()) for encoding in found)


def rearranged(
    inputs: Inputs, tokens: tuple[Token, ...], order: Sequence[int] | None
) -> tuple[Inputs, tuple[Token, ...]]:
    """Ids and tokens of a text in another order, and whatever else has one number for each of them.

    Raises:
        BadRequest: the order does not name each place once, or there is no text.
    """
    if order is None:
        return inputs, tokens
    moved = reordered(tokens, order)
    size = (1, len(tokens))
    return {
        name: value[:, list(order)] if isinstance(value, Tensor) and value.shape[:2] == size else value
        for name, value in inputs.items()
    }, moved


def _forget(module: nn.Module, given: Any, output: Any) -> Any:  # noqa: ARG001
    """What a module gives where positions are off; None leaves it as it is."""
    if not _off.get():
        return None
    if isinstance(output, Tensor):
        return torch.ones_like(output) if output.is_complex() else torch.zeros_like(output)
    if isinstance(output, tuple) and len(output) == 2 and all(isinstance(part, Tensor) for part in output):
        return torch.ones_like(output[0]), torch.zeros_like(output[1])
    return None
