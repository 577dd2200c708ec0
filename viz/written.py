"""What attention writes: how the contexts of its heads become one vector, each through its own part of W_O.

    MultiHead = Concat(c_1, …, c_h) W_O + b = Σ_h c_h W_O[h] + b       (Vaswani et al. 2017, §3.2.2)

That this sum is what the model wrote is found by computing it again; where it is not, there is nothing to show.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.trace import Array, Block, Site, Trace
from viz.selection import Fact, Selection

CLOSE = 1e-4
"""How near a sum that is made again must be to what was recorded, relative to its size, in a model of float32."""

ROWS, COLUMNS = 8, 256
"""At least so many rows and columns, evenly spread, are computed again to tell whether a block has the stage."""

NUMBERS = 65_536
"""About so many numbers of the heads' parts are fetched at once."""


def tolerance(trace: Trace, block: str) -> float:
    """`CLOSE`, or where a model computes in fewer bits what counts as rounding there."""
    return max(CLOSE, trace.head(block, 0).tolerance)


def is_near(made: NDArray, recorded: NDArray, close: float) -> bool:
    """Whether two arrays of one shape are the same, to a tolerance relative to the size of each row."""
    if made.shape != recorded.shape:
        return False
    largest = np.maximum(1.0, np.abs(recorded).max(axis=-1, keepdims=True, initial=0.0))
    return bool((np.abs(made - recorded) <= close * largest).all())


def spread(count: int, most: int) -> NDArray[np.integer]:
    """At most so many indices below `count`, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def told(trace: Trace, block: Block) -> str:
    """The text that tells what a block wrote; "" where that cannot be computed again."""
    needed = (Site.CONTEXT, Site.OUTPUT_WEIGHT, Site.ATTENTION_OUTPUT)
    if any((site, block.name) not in trace.arrays for site in needed):
        return ""
    recorded = trace.array(Site.ATTENTION_OUTPUT, block.name)
    if len(recorded) != trace.array(Site.CONTEXT, block.name).shape[1]:
        return ""
    rows, columns = spread(len(recorded), ROWS), spread(recorded.shape[1], COLUMNS)
    made = contributions(trace, block, rows, columns).sum(axis=0) + bias(trace, block)[columns]
    return "written" if is_near(made, recorded[np.ix_(rows, columns)], tolerance(trace, block.name)) else ""


def contributions(
    trace: Trace, block: Block, rows: NDArray[np.integer], columns: NDArray[np.integer] | slice = slice(None)
) -> Array:
    """(head, row, d_model): what each head writes for some queries, in some dimensions."""
    contexts, weights = trace.arrays[Site.CONTEXT, block.name], trace.arrays[Site.OUTPUT_WEIGHT, block.name]
    return np.stack(
        [
            np.asarray(contexts[head])[rows] @ np.asarray(weights[head])[:, columns]
            for head in range(block.heads)
        ]
    )


def bias(trace: Trace, block: Block) -> Array:
    """(d_model,): what is added whatever the heads say; zeros where a model has no such thing."""
    if (Site.OUTPUT_BIAS, block.name) in trace.arrays:
        return trace.array(Site.OUTPUT_BIAS, block.name)
    return np.zeros(trace.array(Site.ATTENTION_OUTPUT, block.name).shape[1], np.float32)


def page(trace: Trace, block: Block) -> int:
    """Of how many queries the parts are fetched at once: of all in a short text, of one in a large model; 0 of none."""
    if not told(trace, block):
        return 0
    return max(1, NUMBERS // (block.heads * trace.array(Site.ATTENTION_OUTPUT, block.name).shape[1]))


def arrays(trace: Trace, block: Block, number: int) -> Mapping[str, NDArray]:
    """What the page shows of some queries, `page` of them at once: each head's part (query, head, d_model), the bias
    where there is one, the sums, what was recorded, and which query is `first`.

    Raises:
        IndexError: the block has no such queries.
    """
    many = page(trace, block)
    if not many:
        return {}
    recorded = trace.array(Site.ATTENTION_OUTPUT, block.name)
    rows = np.arange(len(recorded))[number * many : (number + 1) * many]
    if not len(rows):
        raise IndexError(f"no query {number * many} in {block.name}; it has 0 to {len(recorded) - 1}")
    parts, offset = contributions(trace, block, rows).transpose(1, 0, 2), bias(trace, block)
    shown = {
        "contributions": parts,
        "written_sum": (parts.sum(axis=1, dtype=float) + offset).astype(np.float32),
        "written_recorded": recorded[rows],
        "first": rows[:1].astype(np.float32),
    }
    return shown | ({"output_bias": offset[None]} if offset.any() else {})


def facts(trace: Trace, block: Block, at: Selection) -> dict[str, Fact]:
    """Who wrote how much of one number, and of the whole vector."""
    many = page(trace, block)
    if not many:
        return {}
    shown, offset = arrays(trace, block, at.query // many), bias(trace, block)
    parts, total, recorded = (
        shown[name][at.query % many].astype(float)
        for name in ("contributions", "written_sum", "written_recorded")
    )
    place, lengths = min(at.dimension, parts.shape[1] - 1), np.linalg.norm(parts, axis=1)
    most = int(lengths.argmax())
    return {
        "written_size": parts.shape[1],
        "head_written": float(parts[at.head, place]),
        "heads_written": float(parts[:, place].sum()),
        "output_bias": float(offset[place]),
        "written_sum": float(total[place]),
        "written_recorded": float(recorded[place]),
        "written_error": float(np.abs(total - recorded).max()),
        "head_length": float(lengths[at.head]),
        "most_head": most,
        "most_length": float(lengths[most]),
        "lengths_sum": float(lengths.sum()),
        "written_length": float(np.linalg.norm(total)),
    }
