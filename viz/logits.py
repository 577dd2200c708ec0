"""The last step before the probabilities: how a row's vector becomes one number for each word or class.

    z[v] = s (h · W[v] + b[v])        with a soft cap: c tanh(z[v] ÷ c)

h is the row's vector after the last layer and its norm, W[v] the row of the output embedding that belongs to v (Press &
Wolf 2017: in many models the table of embeddings once more). Shown are the words that are most probable in one row, for
all rows. That the numbers come out as they were recorded is found by computing them again; where they do not, there is
nothing to show.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.trace import Array, Site, Trace
from viz.outputs import SHOWN, Output, output
from viz.selection import Fact, Selection
from viz.written import CLOSE, is_near, spread, tolerance

ROWS, COLUMNS = 8, 256
"""At least so many rows and columns, evenly spread, are computed again to tell whether a trace has the stage."""

NUMBERS = 65_536
"""About so many numbers of the output embeddings are fetched at once."""

VECTOR, TABLE, BIAS = ((site, "") for site in (Site.OUTPUT_VECTOR, Site.UNEMBEDDING, Site.UNEMBEDDING_BIAS))


def told(trace: Trace) -> str:
    """The text that tells how rows get their logits; "" where that cannot be computed again."""
    logits = trace.logits
    if logits is None or VECTOR not in trace.arrays or TABLE not in trace.arrays:
        return ""
    if len(trace.arrays[VECTOR]) != len(logits):
        return ""
    rows, columns = spread(len(logits), ROWS), spread(logits.shape[1], COLUMNS)
    close = tolerance(trace, trace.blocks[0].name) if trace.blocks else CLOSE
    near = is_near(finished(trace, products(trace, rows, columns)), logits[np.ix_(rows, columns)], close)
    if not near:
        return ""
    if ceiling(trace):
        return "logits_cap"
    if factor(trace) != 1:
        return "logits_scale"
    return "logits_bias" if offset(trace).any() else "logits"


def products(trace: Trace, rows: NDArray[np.integer], columns: NDArray[np.integer]) -> Array:
    """(row, column): h · W[v] + b[v] of some rows and some words."""
    vectors, table = np.asarray(trace.arrays[VECTOR])[rows], np.asarray(trace.arrays[TABLE])[columns]
    return vectors @ table.T + offset(trace)[columns]


def finished(trace: Trace, made: Array) -> Array:
    """Logits: what the model still does to the products."""
    scale, cap = factor(trace), ceiling(trace)
    made = made * np.float32(scale)
    return np.float32(cap) * np.tanh(made / np.float32(cap)) if cap else made


def offset(trace: Trace) -> Array:
    """(vocabulary,): what is added whatever a row says; zeros where a model has no such thing."""
    if BIAS in trace.arrays:
        return np.asarray(trace.arrays[BIAS])
    return np.zeros(len(trace.names), np.float32)


def factor(trace: Trace) -> float:
    """What a model multiplies its logits by; 1 in most."""
    return float(trace.arrays.get((Site.LOGIT_SCALE, ""), 1.0))


def ceiling(trace: Trace) -> float:
    """What no logit gets beyond, in size; 0 where there is no such thing."""
    return float(trace.arrays.get((Site.LOGIT_CAP, ""), 0.0))


def page(trace: Trace) -> int:
    """For how many rows the output embeddings of their words are fetched at once; 0 of none."""
    if not told(trace):
        return 0
    rows, width = trace.arrays[VECTOR].shape
    return max(1, NUMBERS // (SHOWN * max(rows, width)))


def arrays(trace: Trace, number: int) -> Mapping[str, NDArray]:
    """What the page shows of some rows, `page` of them at once: for the words that are most probable in each, their
    output embeddings (row, word, d_model), their biases where there are any, their logits in every row of the run
    (row, every row, word), their ids and `names`; which row is `first`; and `doing`: factor, cap, how many words
    there are.

    Raises:
        IndexError: no such rows.
    """
    many, logits = page(trace), trace.logits
    if not many or logits is None:
        return {}
    chosen = range(len(logits))[number * many : (number + 1) * many]
    if not chosen:
        raise IndexError(f"no row {number * many}; the run has {len(logits)} rows of logits")
    said = [output(trace, row) for row in chosen]
    ids, table, added = np.stack([one.ids for one in said]), np.asarray(trace.arrays[TABLE]), offset(trace)
    names = json.dumps([[token.text for token in one.tokens] for one in said], ensure_ascii=False)
    shown = {
        "unembedding": table[ids],
        "logits": np.stack([np.asarray(logits, np.float32)[:, one.ids] for one in said]),
        "word_ids": ids.astype(np.float32),
        "doing": np.array([factor(trace), ceiling(trace), said[0].size], np.float32),
        "first": np.array([chosen[0]], np.float32),
        "names": np.frombuffer(names.encode(), np.uint8),
    }
    return shown | ({"unembedding_bias": added[ids]} if BIAS in trace.arrays else {})


def facts(trace: Trace, said: Output, at: Selection) -> dict[str, Fact]:
    """How one logit of what a row says came to be."""
    if not told(trace):
        return {}
    row = at.query if trace.predicting else 0
    place = min(at.choice, len(said.ids) - 1)
    vector = np.asarray(trace.arrays[VECTOR])[row].astype(float)
    word = np.asarray(trace.arrays[TABLE])[said.ids[place]].astype(float)
    terms, added = vector * word, float(offset(trace)[said.ids[place]])
    length, other = float(np.linalg.norm(vector)), float(np.linalg.norm(word))
    cap, scale = ceiling(trace), factor(trace)
    return {
        "output_row": row,
        "word_id": int(said.ids[place]),
        "word_token": said.tokens[place].text,
        "output_width": len(vector),
        "outputs": said.size,
        "logit_product": float(terms.sum()),
        "logit_bias": added,
        "logit_scale": scale,
        "logit_cap": cap,
        "logit_made": (float(terms.sum()) + added) * scale,
        "logit_value": float(said.logits[place]),
        "vector_length": length,
        "word_length": other,
        "logit_cosine": float(terms.sum()) / (length * other) if length * other else 0.0,
        "largest_term": float(terms[np.abs(terms).argmax()]),
        "largest_place": int(np.abs(terms).argmax()),
    }
