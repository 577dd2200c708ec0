"""Masks as one-line predicates of a query and a key position, joined by & and |. True = may attend."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def causal(length: int, device: torch.device | str = "cpu") -> Bool[Tensor, "1 1 query key"]:
    """A position sees itself and what came before: key ≤ query."""
    positions = torch.arange(length, device=device)
    return (positions[None, :] <= positions[:, None])[None, None]


def visible(ids: Int[Tensor, "batch key"], padding: int) -> Bool[Tensor, "batch 1 1 key"]:
    """Every token but padding may be seen."""
    return (ids != padding)[:, None, None, :]
