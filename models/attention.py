"""Scaled dot-product attention, one named function per step of the formula.

    Attention(Q, K, V) = softmax(Q Kᵀ / √d_head + M) V     (Vaswani et al. 2017, eq. 1)

Axes: batch, head, query, key, d_head.  A mask is True where a query may attend.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Queries = Float[Tensor, "batch head query d_head"]
Keys = Float[Tensor, "batch head key d_head"]
Grid = Float[Tensor, "batch head query key"]


def scores(query: Queries, key: Keys) -> Grid:
    """Q Kᵀ / √d_head, before any mask."""
    return query @ key.mT / math.sqrt(query.shape[-1])


def masked(scores: Grid, mask: Bool[Tensor, "#batch #head query key"]) -> Grid:
    """Scores with −∞ where the mask forbids attention."""
    return scores.masked_fill(~mask, -math.inf)


def weights(masked_scores: Grid) -> Grid:
    """Softmax over keys, in float32 at least; a query with nothing to attend to gets zeros."""
    idle = masked_scores.isneginf().all(dim=-1, keepdim=True)
    wide = torch.promote_types(masked_scores.dtype, torch.float32)
    weights = masked_scores.masked_fill(idle, 0.0).to(wide).softmax(dim=-1)
    return weights.masked_fill(idle, 0.0).to(masked_scores.dtype)


def context(weights: Grid, value: Keys) -> Queries:
    """Weighted sum of the values: one vector per query, per head."""
    return weights @ value
