"""Beam search, kept as the tree that it is: which continuations were looked at, which went on, which ended.

Hypotheses are written in parallel. In each step every one is continued by every token; the sum of the logarithms of all
probabilities from the prompt on orders these continuations. The best go on, those that end are set aside with

    score = sum ÷ length^penalty        length: how many tokens were written    (Wu et al. 2016, §7, in a simpler form)

and the one with the highest score is what was written. The arithmetic is transformers' own, in float32.
Nothing here knows torch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from models.trace import Array

NEVER = np.float32(-1e9)
"""The sum of a hypothesis that is none: at first all are the prompt, and only one of them counts."""

Candidate = tuple[int, int]
"""Which hypothesis is continued (its row), and by which token."""


@dataclass(frozen=True)
class Branch:
    """One continuation: of which branch of the step before (−1: of the prompt), by which token, and what became of it.

    `total` is the sum of `log_probability` along its path. `score` is there where it ended among the best.
    """

    parent: int
    token: int
    log_probability: float
    total: float
    goes_on: bool
    ended: bool
    score: float | None = None

    @property
    def is_real(self) -> bool:
        """Whether it could have been chosen at all."""
        return bool(self.total > NEVER / 2)


@dataclass(frozen=True)
class Tree:
    """Every continuation that beam search looked at, step by step, the most probable first."""

    steps: tuple[tuple[Branch, ...], ...]
    penalty: float
    winner: tuple[int, ...]
    """The branch of each step that led to what was written."""

    @property
    def finished(self) -> tuple[tuple[int, int], ...]:
        """(step, branch) of all that ended with a score, the best first."""
        found = [
            (step, number)
            for step, branches in enumerate(self.steps)
            for number, branch in enumerate(branches)
            if branch.score is not None and branch.is_real
        ]
        return tuple(sorted(found, key=lambda at: -(self.steps[at[0]][at[1]].score or 0.0)))

    def path(self, step: int, number: int) -> tuple[int, ...]:
        """The branches that lead to this one, from the first step on."""
        found = [number]
        for at in range(step, 0, -1):
            found.append(self.steps[at][found[-1]].parent)
        return tuple(reversed(found))


class Growth:
    """A tree while it grows. It belongs to one run."""

    def __init__(self, beams: int, steps: int, ends: Collection[int], penalty: float = 1.0) -> None:
        self._beams, self._steps, self._ends, self.penalty = beams, steps, frozenset(ends), penalty
        self._grown: list[tuple[Branch, ...]] = []
        self._running = [-1] * beams
        self.totals = np.full(beams, NEVER, np.float32)
        """The sum of each hypothesis that is being written."""
        self.totals[0] = 0

    @property
    def looks_at(self) -> int:
        """How many continuations are looked at in each step: enough to go on with if the best ones end."""
        return max(2, 1 + len(self._ends)) * self._beams

    def add(
        self, log_probabilities: Array, candidates: Sequence[Candidate], stopped: bool = False
    ) -> list[Candidate]:
        """One more step, its candidates in falling order of their sums; gives back those that go on.

        `log_probabilities`: (row, vocabulary). `stopped`: nothing goes on, whatever it is.
        """
        last = stopped or len(self._grown) + 1 >= self._steps
        ended = [last or token in self._ends for _, token in candidates]
        order = sorted(range(len(candidates)), key=lambda number: ended[number])
        going = order[: self._beams]
        length = np.float32((len(self._grown) + 1) ** self.penalty)
        grown, totals = [], []
        for number, (row, token) in enumerate(candidates):
            total = self.totals[row] + np.float32(log_probabilities[row, token])
            totals.append(total)
            scored = ended[number] and number < self._beams
            grown.append(
                Branch(
                    parent=self._running[row],
                    token=token,
                    log_probability=float(log_probabilities[row, token]),
                    total=float(total),
                    goes_on=number in going and not ended[number],
                    ended=ended[number],
                    score=float(total / length) if scored else None,
                )
            )
        self._grown.append(tuple(grown))
        self._running = going
        self.totals = np.array([totals[n] + NEVER * ended[n] for n in going], np.float32)
        return [candidates[number] for number in going]

    @property
    def is_over(self) -> bool:
        """Whether what is being written cannot become better than what has ended (transformers' default rule)."""
        scores = [branch.score for step in self._grown for branch in step if branch.score is not None]
        best = sorted((score for score in scores if score > NEVER / 2), reverse=True)[: self._beams]
        if len(self._grown) >= self._steps or all(branch.ended for branch in self._grown[-1]):
            return True
        possible = self.totals[0] / np.float32(len(self._grown) ** self.penalty)
        return len(best) == self._beams and bool(possible <= best[-1])

    def best(self) -> tuple[int, ...]:
        """The tokens of the hypothesis that has ended with the highest score."""
        tree = Tree(tuple(self._grown), self.penalty, ())
        path = tree.path(*tree.finished[0])
        return tuple(self._grown[step][number].token for step, number in enumerate(path))

    def rows(self, ids: Sequence[int]) -> tuple[int, ...]:
        """Which hypothesis of each step these tokens were read as; nothing where they were not written here."""
        tree, rows = self.tree(ids), [0]
        if tree is None:
            return ()
        for number, branches in zip(tree.winner, self._grown, strict=False):
            going = [at for at, branch in enumerate(branches) if branch.goes_on]
            rows.append(going.index(number) if number in going else 0)
        return tuple(rows[: len(ids)])

    def tree(self, ids: Sequence[int]) -> Tree | None:
        """The whole tree, of which these tokens were written; None where they were not."""
        winner, parent = list[int](), -1
        for id, branches in zip(ids, self._grown, strict=False):
            alike = [
                at for at, branch in enumerate(branches) if branch.parent == parent and branch.token == id
            ]
            if not alike:
                return None
            parent = alike[0]
            winner.append(parent)
        return Tree(tuple(self._grown), self.penalty, tuple(winner))
