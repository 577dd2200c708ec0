"""The line that everything is written to: what stood in it before a sublayer, what the sublayer wrote, and the sum.

    post-norm   E′ = E + f(E), and the norm of E′ goes on          (Vaswani et al. 2017, §3.1)
    pre-norm    E′ = E + f(norm E), and E′ itself goes on          (Xiong et al. 2020)
    normed      E′ = E + norm(f(…)), and E′ itself goes on         (Gemma Team 2024; OLMo Team 2025)

Which arrays of a trace are E, ΔE and E′ is found by adding them; where no sum comes out, there is nothing to show.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.trace import Array, Block, Site, Trace
from viz.selection import Fact, Selection
from viz.written import is_near, spread, tolerance

ROWS = 32
"""So many rows, evenly spread, are added again to tell whether a block has the stage."""

Place = tuple[Site, str]
SUBLAYERS = ("attention", "mlp")


@dataclass(frozen=True)
class Sum:
    """E, ΔE and E′, each (query, d_model), and where in the trace E is."""

    before: Array
    added: Array
    after: Array
    before_at: Place
    kind: str
    """`post`: the sublayer reads E itself, and a norm of E′ goes on; `pre`: it reads a norm of E; `normed`: what it
    wrote passes a norm before it is added."""


def told(trace: Trace, block: Block, sublayer: str) -> str:
    """The text that tells a sublayer's sum; "" where it has none."""
    found = sum_of(trace, block, sublayer)
    name = "residual" if sublayer == "attention" else "residual_mlp"
    return "" if found is None else name if found.kind == "post" else f"{name}_{found.kind}"


def sum_of(trace: Trace, block: Block, sublayer: str) -> Sum | None:
    """E + ΔE = E′ of a block's attention, or of the feed-forward network after it; None where it is not found."""
    layer, last = _layer(trace, block)
    if sublayer == "mlp" and block.name != last:
        return None
    place = block.name if sublayer == "attention" else f"{layer}.mlp"
    written = Site.ATTENTION_OUTPUT if sublayer == "attention" else Site.MLP_OUTPUT
    read = Site.QUERY_INPUT if sublayer == "attention" else Site.MLP_INPUT
    befores = [(read, place), *_befores(trace, block, sublayer)]
    normed = (Site.NORM, f"{place}.written")
    added = normed if normed in trace.arrays else (written, place)
    for before in _known(trace, befores, block):
        for after in _known(trace, list(_afters(trace, block, sublayer)), block):
            found = added in trace.arrays and _is_sum(trace, before, added, after)
            kind = "normed" if added == normed else "post" if before == (read, place) else "pre"
            if found and (kind != "post" or (Site.NORM, place) in trace.arrays):
                e, delta, total = (trace.array(*one) for one in (before, added, after))
                return Sum(e, delta, total, before, kind)
    return None


def _befores(trace: Trace, block: Block, sublayer: str) -> Iterator[Place]:
    """Where what stood in the stream may be found, where the sublayer does not read it as it is."""
    layer, _ = _layer(trace, block)
    if sublayer == "mlp":
        yield from ((Site.NORM_INPUT, f"{layer}.mlp"), (Site.RESIDUAL_SUM, block.name))
        return
    yield Site.NORM_INPUT, block.name
    tower, _, number = layer.rpartition(".")
    yield (Site.RESIDUAL, f"{tower}.{int(number) - 1}") if number.isdigit() else (Site.RESIDUAL, layer)
    yield Site.RESIDUAL, block.query_stream


def _afters(trace: Trace, block: Block, sublayer: str) -> Iterator[Place]:
    """Where the sum may be found: where it is noted, or where the next sublayer reads it."""
    layer, _ = _layer(trace, block)
    yield Site.RESIDUAL_SUM, block.name if sublayer == "attention" else f"{layer}.mlp"
    if sublayer == "attention":
        names = [one.name for one in trace.blocks if one.name.rsplit(".", 1)[0] == layer]
        later = names[names.index(block.name) + 1 :]
        yield from ((Site.NORM_INPUT, name) for name in (*later, f"{layer}.mlp"))
        yield from ((Site.QUERY_INPUT, name) for name in later)
        yield Site.MLP_INPUT, f"{layer}.mlp"
    yield Site.RESIDUAL, layer


def _layer(trace: Trace, block: Block) -> tuple[str, str]:
    """A block's layer, and the last attention in it."""
    layer = block.name.rsplit(".", 1)[0]
    return layer, [one.name for one in trace.blocks if one.name.rsplit(".", 1)[0] == layer][-1]


def _known(trace: Trace, places: Sequence[Place], block: Block) -> list[Place]:
    """Those that were recorded, with a row for each token of the block's queries."""
    rows = len(trace.tokens[block.query_stream])
    return [place for place in places if place in trace.arrays and len(trace.arrays[place]) == rows]


def _is_sum(trace: Trace, before: Place, added: Place, after: Place) -> bool:
    parts = [trace.array(*place) for place in (before, added, after)]
    if len({part.shape for part in parts}) > 1:
        return False
    rows = spread(len(parts[0]), ROWS)
    e, delta, total = (part[rows] for part in parts)
    return is_near(e + delta, total, tolerance(trace, trace.blocks[0].name))


def arrays(trace: Trace, block: Block, sublayer: str) -> Mapping[str, NDArray]:
    """What the page shows of a sublayer's sum; `before_<sublayer>_at` is where E is, as JSON."""
    found = sum_of(trace, block, sublayer)
    if found is None:
        return {}
    said = json.dumps([found.before_at[0].name, found.before_at[1]])
    return {
        f"before_{sublayer}": found.before,
        f"added_{sublayer}": found.added,
        f"after_{sublayer}": found.after,
        f"before_{sublayer}_at": np.frombuffer(said.encode(), np.uint8),
    }


def facts(trace: Trace, block: Block, at: Selection) -> dict[str, Fact]:
    """One number of each sum, the lengths of its rows, and how far the sum still points where it did."""
    said: dict[str, Fact] = {}
    for sublayer in SUBLAYERS:
        found = sum_of(trace, block, sublayer)
        if found is not None:
            said |= _facts(found, at, sublayer)
    return said


def _facts(found: Sum, at: Selection, sublayer: str) -> dict[str, Fact]:
    place = min(at.dimension, found.after.shape[1] - 1)
    rows = {name: getattr(found, name)[at.query].astype(float) for name in ("before", "added", "after")}
    lengths = {name: float(np.linalg.norm(row)) for name, row in rows.items()}
    both = lengths["before"] * lengths["after"]
    return (
        {f"{sublayer}_{name}": float(row[place]) for name, row in rows.items()}
        | {f"{sublayer}_{name}_length": length for name, length in lengths.items()}
        | {
            f"{sublayer}_cosine": float(rows["before"] @ rows["after"]) / both if both else 0.0,
            f"{sublayer}_width": found.after.shape[1],
            f"{sublayer}_before_site": found.before_at[0].name,
            f"{sublayer}_before_place": found.before_at[1],
        }
    )
