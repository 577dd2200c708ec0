"""By how much rotary positions turn which two channels of a head, measured from the numbers themselves.

    q_a = m (u_a cos θ − u_b sin θ)
    q_b = m (u_b cos θ + u_a sin θ)        u: before rotation, q: after it   (Su et al. 2021, eq. 34)

θ (position, pair) in radians, in (−π, π]; (a, b) is a pair of channels: c and c + pairs (halves), or 2c and 2c + 1
(neighbours), of all channels or only of the first or last ones. m is 1, or what YaRN stretches by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.huggingface.capture import Capture
from models.huggingface.steps import CLOSE
from models.trace import Array


@dataclass(frozen=True, slots=True)
class Turn:
    """The channels that a model turns together: (pair, 2).

    `order`: how a model that exchanges channels while it turns them (DeepSeek V3) has ordered them afterwards.
    """

    pairs: NDArray[np.int64]
    order: NDArray[np.int64] | None = None

    def ordered(self, unrotated: Array) -> Array:
        """What was before rotation, with its channels where they are after it."""
        return unrotated if self.order is None else np.ascontiguousarray(unrotated[..., self.order])

    def of_capture(self, capture: Capture) -> Capture:
        """The same for a whole call of attention."""
        if self.order is None or capture.query_unrotated is None or capture.key_unrotated is None:
            return capture
        order = torch.from_numpy(self.order).to(capture.query.device)
        query, key = capture.query_unrotated[..., order], capture.key_unrotated[..., order]
        return replace(capture, query_unrotated=query, key_unrotated=key)


@dataclass(frozen=True)
class Angles:
    """The angles of one block, (position, pair), measured when somebody looks."""

    query: Array
    unrotated: Array
    pairs: NDArray[np.int64]

    @cached_property
    def values(self) -> Array:
        """θ, from all heads together."""
        turned, before = _complex(self.query, self.pairs), _complex(self.unrotated, self.pairs)
        return np.angle((turned * before.conj()).sum(axis=0)).astype(np.float32)

    def __len__(self) -> int:
        return self.query.shape[1]

    def __getitem__(self, position: Any) -> Array:
        return self.values[position]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return self.values.astype(dtype or np.float32, copy=False)


def turn_of(capture: Capture) -> Turn | None:
    """Which channels a call of attention had turned together; None where none were, or no known layout fits."""
    pairs = [(capture.query, capture.query_unrotated), (capture.key, capture.key_unrotated)]
    known = [(after, before) for after, before in pairs if before is not None]
    if capture.query_unrotated is None or len({after.shape[1] for after, _ in known}) > 1:
        return None
    after, before = (torch.cat([pair[at] for pair in known]).double().cpu() for at in (0, 1))
    changed = ((after != before).any(dim=0).any(dim=0)).nonzero().flatten()
    if not len(changed):
        return None
    low, high, size = int(changed[0]), int(changed[-1]) + 1, after.shape[-1]
    tolerance = max(CLOSE, 8 * torch.finfo(capture.query.dtype).eps)
    for channels in _layouts(low, high, size):
        if _fits(after, before, channels, tolerance):
            return Turn(channels.numpy())
    for start, width in _spans(low, high, size):
        order = torch.arange(size)
        order[start : start + width] = order[start : start + width].reshape(-1, 2).T.flatten()
        channels = start + torch.arange(width).reshape(2, -1).T
        if _fits(after, before[..., order], channels, tolerance):
            return Turn(channels.numpy(), order.numpy())
    return None


def _layouts(low: int, high: int, size: int) -> Iterator[Tensor]:
    """(pair, 2): halves, then neighbours, of every span of channels that holds those that changed."""
    for start, width in _spans(low, high, size):
        yield start + torch.arange(width).reshape(2, -1).T
        yield start + torch.arange(width).reshape(-1, 2)


def _spans(low: int, high: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, width): the narrowest first; each begins with the first channel or ends with the last one."""
    for width in range((high - low + 1) // 2 * 2, size + 1, 2):
        for start in sorted({0, size - width}):
            if start <= low and high <= start + width:
                yield start, width


def _fits(after: Tensor, before: Tensor, channels: Tensor, tolerance: float) -> bool:
    """Whether one angle for each position and pair, and one stretch, make every head's `after` from its `before`."""
    turned, source = (
        torch.complex(part[..., channels[:, 0]], part[..., channels[:, 1]]) for part in (after, before)
    )
    together = (turned * source.conj()).sum(dim=0)
    stretch = together.abs().sum() / source.abs().square().sum().clamp_min(1e-300)
    made = source * torch.polar(stretch.expand(together.shape), together.angle())
    rest = torch.ones(after.shape[-1], dtype=torch.bool)
    rest[channels.flatten()] = False
    limit = tolerance * after.abs().max()
    return bool(((made - turned).abs() <= limit).all() and ((after - before)[..., rest].abs() <= limit).all())


def _complex(vectors: Array, pairs: NDArray[np.int64]) -> NDArray[Any]:
    return vectors[..., pairs[:, 0]] + 1j * vectors[..., pairs[:, 1]]
