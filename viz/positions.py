"""How positions enter a model: the stages of their own tab, the arrays that it shows, and the facts of a selection.

    PE(p, 2i) = sin(p ω_i),  PE(p, 2i+1) = cos(p ω_i),  ω_i = 10000^(−2i/d)       (Vaswani et al. 2017, §3.5)
    PE(p) · PE(p + k) = Σ_i cos(k ω_i);  a pair of PE(p + k) is that of PE(p), turned by k ω_i

Everything is made from what the run recorded. Only rows of sines beyond the end of the sentence come from the formula,
and only where it gives the recorded rows again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.trace import Array, Block, Head, Site, Trace
from viz.selection import Fact, Selection
from viz.walk import EARLIER, is_line, mask_kind, stages_of

SHOWN = 50
"""So many rows of sines are shown at least."""

CLOSE = 1e-4
"""How near recorded rows must be to the formula's to be called those: they are float32, of sizes up to 1."""

ADDED = ("sinusoidal", "learned", "convolution")
"""Kinds of positions that are added to the embeddings."""

MOVABLE = 2
"""So many words have more than one order."""

Rows = NDArray[np.float64]


def stages_of_positions(trace: Trace, block: Block) -> dict[str, str]:
    """Stage id → id of the text that tells it, for every stage that a block has in the tab, in order."""
    walk = stages_of(trace, block)
    added = recorded(trace, block.query_stream) if "position" in walk else None
    is_fixed = added is not None and is_sines(added)
    turned = walk.get("rotation") == "rotation"
    biased = "" if any(token.row >= 0 for token in trace.tokens[block.query_stream]) else walk.get("bias", "")
    there = {
        "position": walk.get("position", ""),
        "encoding": "" if added is None else "encoding" if is_fixed else "encoding_table",
        "likeness": "" if added is None else "likeness" if is_fixed else "likeness_cosine",
        "step": "step" if is_fixed else "",
        "rotation": walk.get("rotation", ""),
        "turning": "turning" if turned else "",
        "bias": walk.get("bias", ""),
        "reach": "reach_alibi" if biased == "bias_alibi" else "reach" if biased else "",
        "shuffle": _shuffles(trace, block),
    }
    return {stage: text for stage, text in there.items() if text}


def last_layers(trace: Trace) -> dict[str, str]:
    """Stream → the last of its layers whose output was recorded, one vector for each of its tokens."""
    found: dict[str, str] = {}
    for stream, tokens in trace.tokens.items():
        layers = {
            int(place.rpartition(".")[2]): place
            for site, place in trace.arrays
            if site == Site.RESIDUAL and re.fullmatch(rf"{re.escape(stream)}\.\d+", place)
        }
        if layers and len(trace.array(Site.RESIDUAL, layers[max(layers)])) == len(tokens):
            found[stream] = layers[max(layers)]
    return found


def _shuffles(trace: Trace, block: Block) -> str:
    """Whether the words of a block's stream can be put in another order: those of a text that was typed."""
    stream = block.query_stream
    is_first = stream == next(iter(trace.tokens)) and block.kind == "self" and trace.picture is None
    typed = [token for token in trace.tokens[stream] if not token.special and token.row < 0]
    if not is_first or len(typed) < MOVABLE or stream not in last_layers(trace):
        return ""
    return "shuffle_causal" if mask_kind(trace, block).kind in EARLIER else "shuffle"


def recorded(trace: Trace, stream: str) -> Array | None:
    """(position, d_model): what was added to say where each token of a stream stands; None where nothing was."""
    count = len(trace.tokens[stream])
    rows = (each.values for each in trace.positions if each.kind in ADDED and each.where == stream)
    return next((one for one in rows if one.ndim == 2 and len(one) == count), None)


def sines(count: int, width: int) -> Rows:
    """(position, d_model): the formula, in float64."""
    angle = np.arange(count)[:, None] * frequencies(width)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(count, -1)[:, :width]


def frequencies(width: int) -> NDArray[np.float64]:
    """(pair,): ω, by how many radians each pair turns from one position to the next."""
    return 10000.0 ** (-np.arange(0, width, 2) / width)


def is_sines(rows: Array) -> bool:
    """Whether recorded rows, from position 0 on, are those of the formula."""
    return rows.shape[1] % 2 == 0 and bool(np.abs(rows - sines(*rows.shape)).max(initial=0.0) < CLOSE)


def encoding(trace: Trace, stream: str) -> Rows:
    """(position, d_model): the recorded rows; sines go on to `SHOWN` rows.

    Raises:
        KeyError: nothing is added to this stream.
    """
    rows = recorded(trace, stream)
    if rows is None:
        raise KeyError(f"no positions are added to the stream {stream!r}")
    exact = rows.astype(float)
    if not is_sines(rows):
        return exact
    return np.concatenate([exact, sines(max(SHOWN, len(rows)), rows.shape[1])[len(rows) :]])


def likeness(rows: Rows, *, cosine: bool) -> Rows:
    """(position, other): the dot product of every two rows, or its share of their lengths, the cosine in [−1, 1]."""
    length = np.linalg.norm(rows, axis=1, keepdims=True) if cosine else np.ones((len(rows), 1))
    ready = rows / np.where(length == 0, 1, length)
    return ready @ ready.T


def by_distance(grid: Rows) -> NDArray[np.float64]:
    """(distance,): the mean of a square grid over all cells so far from its diagonal."""
    return np.array([np.diagonal(grid, k).mean() for k in range(len(grid))])


def arrays(trace: Trace, stream: str) -> Mapping[str, NDArray]:
    """What the tab shows of positions that are added.

    Raises:
        KeyError: none are.
    """
    rows = encoding(trace, stream)
    is_fixed = is_sines(rows.astype(np.float32))
    grid = likeness(rows, cosine=not is_fixed)
    return {
        "encoding": rows.astype(np.float32),
        "likeness": grid.astype(np.float32),
        "by_distance": by_distance(grid)[None].astype(np.float32),
        "sines": np.array([float(is_fixed)], np.float32),
    }


def relative(trace: Trace, block: Block, head: int) -> Rows | None:
    """(query, key): what a head adds to the scores for position, −∞ to ∞; None where it adds nothing.

    ALiBi counts from the first key: it adds one number to a whole row, which softmax does not notice. That is taken off
    here, so that a key at distance 0 gets 0, as in the paper (Press et al. 2022).
    """
    bias = trace.head(block.name, head).bias
    if bias is None:
        return None
    exact = np.asarray(bias, float)
    is_linear = any(each.kind == "alibi" for each in trace.positions)
    return exact - np.diagonal(exact)[:, None] if is_linear and exact.shape[0] == exact.shape[1] else exact


def curves(trace: Trace, block: Block) -> Mapping[str, NDArray]:
    """`by_head` (head, distance): what each head adds at each distance key − query, on average over what the mask
    allows, NaN where it allows nothing; `first`: the distance of the first column.

    Raises:
        KeyError: the block adds nothing.
    """
    grids = [relative(trace, block, head) for head in range(block.heads)]
    if any(grid is None for grid in grids):
        raise KeyError(f"{block.name} adds nothing to its scores")
    rows = [_along(np.asarray(grid), trace.head(block.name, head).mask) for head, grid in enumerate(grids)]
    first = 1 - len(np.asarray(grids[0]))
    return {"by_head": np.stack(rows).astype(np.float32), "first": np.array([first], np.float32)}


def _along(grid: Rows, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(distance,): the mean of each diagonal over the allowed cells."""
    queries, keys = grid.shape
    allowed = np.where(mask, grid, np.nan)
    diagonals = (np.diagonal(allowed, k) for k in range(1 - queries, keys))
    return np.array(
        [cells[~np.isnan(cells)].mean() if (~np.isnan(cells)).any() else np.nan for cells in diagonals]
    )


def facts(trace: Trace, block: Block, head: Head, at: Selection) -> dict[str, Fact]:
    """The facts of positions: those of rows that are added, of pairs that turn, of what is added to the scores."""
    return {"step": at.shift} | _rows(trace, block, at) | _turned(trace, head, at) | _reach(trace, block, at)


def _rows(trace: Trace, block: Block, at: Selection) -> dict[str, Fact]:
    """One number of a row, how like the rows of query and key are, and, of sines, the row some steps on."""
    if recorded(trace, block.query_stream) is None:
        return {}
    rows = encoding(trace, block.query_stream)
    dimension, other = min(at.dimension, rows.shape[1] - 1), min(at.key, len(rows) - 1)
    is_fixed = is_sines(rows.astype(np.float32))
    grid = likeness(rows, cosine=not is_fixed)
    row, lengths = rows[at.query], np.linalg.norm(rows, axis=1)
    said: dict[str, Fact] = {
        "pe": float(row[dimension]),
        "pe_norm": float(lengths[at.query]),
        "pe_norm_other": float(lengths[other]),
        "pe_product": float(rows[at.query] @ rows[other]),
        "other_place": other,
        "apart": abs(at.query - other),
        "likeness": float(grid[at.query, other]),
        "likeness_mean": float(np.diagonal(grid, abs(at.query - other)).mean()),
    }
    return said | (_stepped(rows, at.query, dimension, at.shift) if is_fixed else {})


def _stepped(rows: Rows, place: int, dimension: int, shift: int) -> dict[str, Fact]:
    """A pair some steps on: sin(a + δ) = sin a cos δ + cos a sin δ;  cos(a + δ) = cos a cos δ − sin a sin δ."""
    pair = dimension // 2
    frequency = float(frequencies(rows.shape[1])[pair])
    turn, sign = shift * frequency, -1 if dimension % 2 else 1
    own, partner = float(rows[place, dimension]), float(rows[place, dimension ^ 1])
    return {
        "pe_pair": pair,
        "pe_frequency": frequency,
        "pe_wave": 2 * np.pi / frequency,
        "pe_angle": place * frequency,
        "pe_partner": partner,
        "moved_to": place + shift,
        "step_turn": turn,
        "step_cos": float(np.cos(turn)),
        "step_sin": sign * float(np.sin(turn)),
        "pe_moved": own * float(np.cos(turn)) + partner * sign * float(np.sin(turn)),
    }


def _turned(trace: Trace, head: Head, at: Selection) -> dict[str, Fact]:
    """Query and key both moved on by some positions, and their product there; only along a text."""
    before, key = head.query_unrotated, head.key_unrotated
    if (
        before is None
        or key is None
        or not {(Site.ANGLE, at.block), (Site.PAIR, at.block)} <= trace.arrays.keys()
    ):
        return {}
    angles = trace.array(Site.ANGLE, at.block).astype(float)
    if not is_line(angles):
        return {}
    pairs = trace.array(Site.PAIR, at.block)
    steps = np.exp(1j * np.diff(angles, axis=0)).sum(axis=0)
    omega = np.angle(steps) if len(angles) > 1 else np.zeros(len(pairs))
    square = _stretch(head.query[0], before[0], pairs) ** 2
    ends = [
        _moved(vector.astype(float), pairs, angles[0] + (place + at.shift) * omega)
        for vector, place in ((before[at.query], at.query), (key[at.key], at.key))
    ]
    whole = pairs.reshape(-1)
    rest = np.setdiff1d(np.arange(len(ends[0])), whole)
    product = square * float(ends[0][whole] @ ends[1][whole]) + float(ends[0][rest] @ ends[1][rest])
    return {"query_moved": at.query + at.shift, "key_moved": at.key + at.shift, "product_moved": product}


def _stretch(after: Array, before: Array, pairs: NDArray) -> float:
    """Length after ÷ length before of the turned channels."""
    whole = pairs.reshape(-1)
    length = float(np.linalg.norm(before[whole].astype(float)))
    return float(np.linalg.norm(after[whole].astype(float))) / length if length else 1.0


def _moved(vector: Rows, pairs: NDArray, angle: NDArray[np.float64]) -> Rows:
    """A vector with its pairs turned by these angles (Su et al. 2021, eq. 34)."""
    turned = vector.copy()
    a, b = vector[pairs[:, 0]], vector[pairs[:, 1]]
    turned[pairs[:, 0]] = a * np.cos(angle) - b * np.sin(angle)
    turned[pairs[:, 1]] = b * np.cos(angle) + a * np.sin(angle)
    return turned


def _reach(trace: Trace, block: Block, at: Selection) -> dict[str, Fact]:
    """What a head adds from this query to this key, and what that does to the key's share."""
    grid = relative(trace, block, at.head)
    if grid is None:
        return {}
    added = float(grid[at.query, at.key])
    return {"reach": added, "reach_factor": float(np.exp(added))}
