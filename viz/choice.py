"""The choice: which column a row picks, and what it gave to the token that really came next.

    greedy      the most probable column                    p[v*] = max p
    surprise    −ln p[t]         t: the token that comes next in the text that was read
    loss        the mean surprise of all rows that have a next token;  perplexity = e^loss

Only a model that predicts the next token has been given the answer: it stands in the row below.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.trace import Trace
from viz import logits
from viz.outputs import ROWS, Output, output, row_facts
from viz.selection import Fact, Selection

TRUTH = ("id", "logit", "probability", "rank", "surprise")
"""What is known of the token that really came next; −1 where there is none."""


def next_ids(trace: Trace, says: str) -> NDArray[np.integer]:
    """(row,): the token that comes after each token in the text that was read; −1 after the last, and where a model
    does not predict the next one. `says` is what `viz.walk.predicts` gives."""
    count = len(trace.predictions)
    found = np.full(count, -1)
    if says == "next":
        ids = [token.id for token in trace.tokens[trace.predicting]][1:]
        found[: len(ids)] = ids
    return found


def truth(trace: Trace, says: str, first: int = 0, last: int | None = None) -> NDArray[np.float32]:
    """(row, 5): for some rows what `TRUTH` lists; rank 1 is the most probable column."""
    ids = next_ids(trace, says)[first:last]
    found = np.full((len(ids), len(TRUTH)), -1, np.float32)
    if trace.logits is None:
        return found
    for row, id in enumerate(ids):
        if not 0 <= id < trace.logits.shape[1]:
            continue
        logits = np.asarray(trace.logits[first + row], np.float64)
        surprise = np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[id]
        found[row] = (id, logits[id], np.exp(-surprise), 1 + (logits > logits[id]).sum(), surprise)
    return found


def loss(trace: Trace, says: str) -> tuple[float, int]:
    """The mean surprise of the rows that have a next token, and how many they are; 0 of none."""
    surprises = truth(trace, says)[:, TRUTH.index("surprise")]
    judged = surprises[next_ids(trace, says) >= 0]
    return (float(judged.mean(dtype=np.float32)), len(judged)) if len(judged) else (0.0, 0)


def arrays(trace: Trace, says: str, page: int) -> Mapping[str, NDArray]:
    """What the page shows of some rows, `viz.outputs.ROWS` a page: `truth` of each, and (loss, rows judged)."""
    first = page * ROWS
    return {"truth": truth(trace, says, first, first + ROWS), "loss": np.array(loss(trace, says), np.float32)}


def ending(trace: Trace, says: str, at: Selection) -> dict[str, Fact]:
    """How a logit came to be, what its row says, and what it picks.

    Raises:
        KeyError, IndexError: as `viz.outputs.output`.
    """
    said = output(trace, at.query)
    return row_facts(said, at) | logits.facts(trace, said, at) | facts(trace, says, said, at)


def facts(trace: Trace, says: str, said: Output, at: Selection) -> dict[str, Fact]:
    """What one row picks of what it says, and how well it knew what came next."""
    row = at.query if trace.predicting else 0
    mean, judged = loss(trace, says)
    known = dict(zip(TRUTH, truth(trace, says, row, row + 1)[0].tolist(), strict=True))
    id = int(known["id"])
    return {
        "output_row": row,
        "picked_token": said.tokens[0].text,
        "picked_probability": float(said.probabilities[0]),
        "runner_up_token": said.tokens[1].text,
        "runner_up_probability": float(said.probabilities[1]),
        "truth_token": trace.tokens[trace.predicting][row + 1].text if id >= 0 else "",
        "truth_probability": known["probability"],
        "truth_logit": known["logit"],
        "truth_rank": int(known["rank"]),
        "truth_surprise": known["surprise"],
        "loss": mean,
        "perplexity": float(np.exp(mean)),
        "rows_judged": judged,
    }
