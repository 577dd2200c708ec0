"""What a row of logits says: its most probable columns, and the rest summed. Nothing here knows language.

    p = exp(z − max z) ÷ Σ exp(z − max z)        z: the logits of one row, all of its columns

Computed in float32, as the model would; `viz/steps.py` takes its facts from here and `viz/payload.py` its bundle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.trace import Block, Site, Token, Trace
from viz.selection import Fact, Selection

SHOWN = 10
"""How many columns are shown one by one."""

ROWS = 64
"""How many rows are fetched at once."""


@dataclass(frozen=True)
class Output:
    """The best columns of one row, the most probable first, and what all the others get together."""

    tokens: tuple[Token, ...]
    ids: NDArray[np.integer]
    logits: NDArray[np.float32]
    exponentials: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    total: float
    """The sum of all exponentials."""
    size: int
    """How many columns there are."""
    rest: float
    """The probability of all columns that are not shown."""


def has_output(trace: Trace, block: Block) -> bool:
    """Whether the rows of this block end in logits: each row in its own, or all together in one."""
    logits = trace.logits
    if logits is None or logits.ndim != 2 or logits.shape[1] < 2 or not len(trace.names):
        return False
    return block.query_stream == trace.predicting if trace.predicting else len(logits) == 1


def output(trace: Trace, row: int) -> Output:
    """What one row says; where the model says one thing of the whole, any row will do.

    Raises:
        KeyError: the run has no logits.
        IndexError: no such row.
    """
    row = row if trace.predicting else 0
    if trace.logits is None or trace.logits.ndim != 2:
        raise KeyError("this run has no logits")
    if row >= len(trace.logits):
        raise IndexError(f"no row {row}; there are {len(trace.logits)} rows of logits")
    logits = np.asarray(trace.logits[row], np.float32)
    best = np.argpartition(-logits, min(SHOWN, len(logits)) - 1)[:SHOWN]
    best = best[np.lexsort((best, -logits[best]))]
    exponentials = np.exp(logits - logits[best[0]])
    total = exponentials.sum()
    others = np.delete(exponentials, best)
    return Output(
        tokens=tuple(trace.names[int(id)] for id in best),
        ids=best,
        logits=logits[best],
        exponentials=exponentials[best],
        probabilities=exponentials[best] / total,
        total=float(total),
        size=len(logits),
        rest=float(others.sum() / total),
    )


def follows(trace: Trace) -> NDArray[np.float32] | None:
    """(2,) logits: B follows A, B does not; None where the model was not trained to say so."""
    return trace.arrays.get((Site.NEXT_SENTENCE, ""))


def facts(trace: Trace) -> dict[str, Fact]:
    """Whether sentence B follows sentence A, where a model says so."""
    logits = follows(trace)
    return {} if logits is None else _follows(logits)


def row_facts(said: Output, at: Selection) -> dict[str, Fact]:
    """The facts of one column of what a row says."""
    place = min(at.choice, len(said.ids) - 1)
    return {
        "choice_id": int(said.ids[place]),
        "choice_token": said.tokens[place].text,
        "choice_logit": float(said.logits[place]),
        "choice_shifted": float(said.logits[place] - said.logits[0]),
        "choice_exponential": float(said.exponentials[place]),
        "choice_probability": float(said.probabilities[place]),
        "best_token": said.tokens[0].text,
        "best_logit": float(said.logits[0]),
        "best_probability": float(said.probabilities[0]),
        "output_sum": said.total,
        "outputs": said.size,
        "others": said.size - len(said.ids),
        "others_probability": said.rest,
    }


def _follows(logits: NDArray[np.float32]) -> dict[str, Fact]:
    """Column 0 says that B follows A, column 1 that it does not (Devlin et al. 2019, as transformers has it)."""
    exponentials = np.exp(logits - logits.max())
    first, second = exponentials / exponentials.sum()
    return {
        "follows_logit": float(logits[0]),
        "random_logit": float(logits[1]),
        "pair_logit": float(logits.max()),
        "follows_exponential": float(exponentials[0]),
        "random_exponential": float(exponentials[1]),
        "pair_sum": float(exponentials.sum()),
        "follows_probability": float(first),
        "random_probability": float(second),
    }
