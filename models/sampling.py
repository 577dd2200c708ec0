"""Choosing the next token: what remains after temperature, top_k and top_p, the draw, and a record of both.

Temperature divides the logits; top_k keeps the k most probable tokens (Fan et al. 2018); top_p keeps the fewest whose
probabilities sum to p (Holtzman et al. 2020).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.generation import IsCancelled, Strategy
from models.trace import Array

Logits = Float[Tensor, "row vocabulary"]


def narrowed(logits: Logits, strategy: Strategy) -> Logits:
    """The logits that a token is drawn from; −∞ for a token that is ruled out."""
    logits = logits / strategy.temperature
    if 0 < strategy.top_k < logits.shape[-1]:
        lowest = logits.topk(strategy.top_k).values[..., -1:]
        logits = logits.masked_fill(logits < lowest, -math.inf)
    return logits if strategy.top_p == 1 else _nucleus(logits, strategy.top_p)


def _nucleus(logits: Logits, top_p: float) -> Logits:
    ascending, order = logits.sort()
    tail = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - top_p
    tail[..., -1] = False  # the most probable token always remains
    return logits.masked_fill(torch.zeros_like(tail).scatter(-1, order, tail), -math.inf)


class Dice:
    """A source of chance of one run, which no other run can disturb; equal seeds draw alike."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._generator: torch.Generator | None = None

    def draw(self, logits: Logits) -> Int[Tensor, "row 1"]:
        """One token per row, each as often as softmax(logits) says."""
        if self._generator is None:
            self._generator = torch.Generator(logits.device).manual_seed(self._seed)
        return logits.softmax(dim=-1).multinomial(1, generator=self._generator)


class Writing:
    """The choices of one generation, with what each was made from. It belongs to one run."""

    def __init__(self, strategy: Strategy, cancelled: IsCancelled | None = None) -> None:
        self.strategy = strategy
        self.stopped = False
        """Whether it was stopped from outside."""
        self.logits: list[Array] = []
        """Per step (row, vocabulary): what the model said; a row is a hypothesis."""
        self._drawn: list[Array] = []
        self._dice = Dice(strategy.seed)
        self._cancelled = cancelled

    def weighed(self, logits: Logits) -> Logits:
        """Keep the logits of a step, and give back some whose largest is the choice."""
        self.logits.append(_array(logits))
        if self.strategy.name != "sample":
            return logits
        remaining = narrowed(logits, self.strategy)
        self._drawn.append(_array(remaining))
        return torch.full_like(logits, -math.inf).scatter(-1, self._dice.draw(remaining), 0.0)

    def of(self, rows: Sequence[int]) -> tuple[list[Array], list[Array]]:
        """The logits of each step, and those that its choice was made from, in these rows: (vocabulary,) each."""
        logits, drawn = self.logits, self._drawn or self.logits
        ours, theirs = (
            [kept[row] for kept, row in zip(each, rows, strict=False)] for each in (logits, drawn)
        )
        return ours, theirs

    def stops(self) -> bool:
        """Whether somebody wants it to end; once they do, it stays so."""
        self.stopped = self.stopped or (self._cancelled is not None and self._cancelled())
        return self.stopped


def _array(logits: Tensor) -> Array:
    return logits.detach().float().cpu().numpy().copy()
