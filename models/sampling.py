"""Choosing the next token: what remains after temperature, top_k and top_p, the draw, and a record of both.

Temperature divides the logits; top_k keeps the k most probable tokens (Fan et al. 2018); top_p keeps the fewest whose
probabilities sum to p (Holtzman et al. 2020).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.beams import Candidate, Growth, Tree
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

    def __init__(
        self, strategy: Strategy, cancelled: IsCancelled | None = None, forced: Sequence[int] = ()
    ) -> None:
        self.strategy, self.forced = strategy, tuple(forced)
        self.stopped = False
        """Whether it was stopped from outside."""
        self.logits: list[Array] = []
        """Per step (row, vocabulary): what the model said; a row is a hypothesis."""
        self.ends: frozenset[int] = frozenset()
        """The tokens that end a text."""
        self.growth: Growth | None = None
        """With `beam`: everything that was looked at."""
        self._drawn: list[Array] = []
        self._dice = Dice(strategy.seed)
        self._cancelled = cancelled

    def begin(self, steps: int, ends: Collection[int], penalty: float = 1.0) -> None:
        """So many steps at most, and these tokens end the text; with `beam`, a tree begins."""
        self.ends = frozenset(ends)
        if self.strategy.name == "beam":
            self.growth = Growth(self.strategy.beams, steps, ends, penalty)

    def weighed(self, logits: Logits) -> Logits:
        """Keep the logits of a step, and give back some whose largest is the choice.

        Chance is asked at forced steps too, so that what follows is drawn as if the same words had been drawn.
        """
        self.logits.append(_array(logits))
        step, choice = len(self.logits) - 1, None
        if self.strategy.name == "sample":
            remaining = narrowed(logits, self.strategy)
            self._drawn.append(_array(remaining))
            choice = self._dice.draw(remaining)
        if step < len(self.forced):
            choice = torch.full((len(logits), 1), self.forced[step], device=logits.device)
        return logits if choice is None else torch.full_like(logits, -math.inf).scatter(-1, choice, 0.0)

    def of(self, rows: Sequence[int]) -> tuple[list[Array], list[Array]]:
        """The logits of each step, and those that its choice was made from, in these rows: (vocabulary,) each."""
        logits, drawn = self.logits, self._drawn or self.logits
        ours, theirs = (
            [kept[row] for kept, row in zip(each, rows, strict=False)] for each in (logits, drawn)
        )
        return ours, theirs

    def branched(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """With `beam`: the continuations of a step, of which those that go on are given back.

        Raises:
            ValueError: there is no tree.
        """
        if self.growth is None:
            raise ValueError("no beam search")
        return self.growth.add(self.logits[-1], candidates, self.stopped)

    def tree(self, ids: Sequence[int]) -> Tree | None:
        """With `beam`: the tree, of which these tokens were written."""
        return None if self.growth is None else self.growth.tree(ids)

    def stops(self) -> bool:
        """Whether somebody wants it to end; once they do, it stays so."""
        self.stopped = self.stopped or (self._cancelled is not None and self._cancelled())
        return self.stopped


def _array(logits: Tensor) -> Array:
    return logits.detach().float().cpu().numpy().copy()
