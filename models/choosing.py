"""How the probability of one token came about, in the order in which it does:

    logit ÷ temperature  →  cut by top_k, by top_p  →  exp  →  ÷ the sum of all that remain

Nothing here knows torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.generation import Step, Strategy
from models.trace import Array

Cut = Literal["", "top_k", "top_p"]


@dataclass(frozen=True)
class Shares:
    """Each token's way from its logit to its share; all of size (vocabulary,), `total` is the sum of `exponentials`."""

    logits: Array
    divided: Array
    """logit ÷ temperature."""
    cut: NDArray[np.uint8]
    """0: remains; 1: ruled out by top_k; 2: by top_p."""
    largest: float
    """The largest of `divided`, which is taken off before the exponential so that none is too large."""
    exponentials: Array
    """exp(divided − largest); 0 where ruled out."""
    total: float
    shares: Array
    """The probabilities that the token was drawn from."""

    def why(self, token: int) -> Cut:
        """What ruled this token out; nothing where it remains."""
        names: tuple[Cut, ...] = ("", "top_k", "top_p")
        return names[int(self.cut[token])]


def shares(step: Step, strategy: Strategy) -> Shares:
    """The arithmetic of one step; what remains is what remained in the run."""
    sampled = strategy.name == "sample"
    divided = step.logits / np.float32(strategy.temperature) if sampled else step.logits
    out = np.isneginf(step.remaining) & ~np.isneginf(divided)
    cut = np.where(out, 2, 0).astype(np.uint8)
    if sampled and 0 < strategy.top_k < len(divided):
        lowest = np.partition(step.logits, -strategy.top_k)[-strategy.top_k]
        cut[out & (step.logits < lowest)] = 1
    largest = divided.max()
    exponentials = np.where(cut == 0, np.exp(divided - largest), np.float32(0)).astype(np.float32)
    total = exponentials.sum()
    return Shares(
        logits=step.logits,
        divided=divided,
        cut=cut,
        largest=float(largest),
        exponentials=exponentials,
        total=float(total),
        shares=exponentials / total,
    )
