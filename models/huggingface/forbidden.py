"""Which of the numbers that a model adds to its scores forbid attention, and which are a bias.

Models write “forbidden” as −∞, the smallest number of their type, −1e9 or −1e4; Swin as −100 beside zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor

FORBIDDEN = -9e3
"""A number at or below this, added to a score or put in its place, forbids attention if it lies far below the rest."""

SHUT = -50.0
"""The same for a tensor that holds only 0 and one other number, and for what windows of one image add differently."""

FAR = 2.0
"""How many times lower than every bias what forbids must be: the slopes of ALiBi reach −9e3 too, step by step."""


def mask_and_bias(added: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """What is added to scores, as (where it allows attention, what it adds there); None for nothing."""
    bound = _bound(added)
    if bound is None:
        return None, (added if bool(added.any()) else None)
    allowed = added > bound
    bias = added.masked_fill(~allowed, 0.0)
    return allowed, (bias if bool(bias.any()) else None)


def _bound(added: Tensor) -> float | None:
    """The number at and below which attention is forbidden; None where nothing is."""
    lowest = float(added.min())
    if lowest <= SHUT and bool(((added == 0) | (added == lowest)).all()):
        return lowest
    bound, last = FORBIDDEN, torch.finfo(added.dtype).min / FAR
    while lowest <= bound:
        near = (added > bound) & (added <= bound / FAR)
        if bound <= last or not bool(near.any()):
            return bound
        bound *= FAR
    return None
