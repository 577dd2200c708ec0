"""Positional encodings.

PE(p, 2i) = sin(p / 10000^(2i/d)),   PE(p, 2i+1) = cos(p / 10000^(2i/d))     (Vaswani et al. 2017, §3.5)
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def sinusoidal(length: int, d_model: int) -> Float[Tensor, "position d_model"]:
    """Sines and cosines of geometrically growing wavelength, 2π to 10000·2π; values in [−1, 1].

    Each pair (2i, 2i+1) turns by a fixed angle per step, so PE(p + k) is a rotation of PE(p).
    """
    position = torch.arange(length, dtype=torch.float64)[:, None]
    frequency = 10000.0 ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
    angle = position * frequency  # (position, pair)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).float()
