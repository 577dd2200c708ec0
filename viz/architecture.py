"""The facts of what models do differently: shared keys, patches, rotary positions, soft caps, sinks, experts.

Facts of a part that a model lacks are absent; `viz.facts.ONLY` says which texts may use them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.trace import Block, Head, Site, Token, Trace
from viz import choice, feedforward, memory, norms, outputs, positions, residual, written
from viz.selection import Fact, Selection
from viz.walk import is_line, mask_kind, predicts

Facts = dict[str, Fact]


def architecture(trace: Trace, block: Block, head: Head, at: Selection) -> Facts:
    """The facts of the parts that this block has, and of those that every block has in some way."""
    return (
        _sharing(block, head, at)
        | _place(trace.tokens[block.query_stream], at.query)
        | {"distance": at.query - at.key, "window": mask_kind(trace, block).width}
        | _rotation(trace, head, at)
        | _added(trace, head, at)
        | _mask_parts(trace, at)
        | _sink(head, at)
        | _router(trace, block, at)
        | outputs.facts(trace)
        | _ending(trace, block, at)
        | memory.facts(trace, block)
        | written.facts(trace, block, at)
        | residual.facts(trace, block, at)
        | norms.facts(trace, at)
        | feedforward.facts(trace, block, at)
        | positions.facts(trace, block, head, at)
    )


def _ending(trace: Trace, block: Block, at: Selection) -> Facts:
    """What the block's rows end in."""
    return choice.ending(trace, predicts(trace), at) if outputs.has_output(trace, block) else {}


def turned_pair(trace: Trace, block: str, channel: int) -> tuple[int, int] | None:
    """(number of its rotary pair, its end: 0 or 1) of a channel; None where rotary positions do not turn it."""
    if (Site.PAIR, block) not in trace.arrays:
        return None
    found = np.argwhere(trace.array(Site.PAIR, block) == channel)
    return (int(found[0, 0]), int(found[0, 1])) if len(found) else None


def _sharing(block: Block, head: Head, at: Selection) -> Facts:
    d_value = head.value.shape[1]
    return {
        "kv_heads": block.kv_heads,
        "kv_head": block.shared(at.head),
        "sharing": block.heads // block.kv_heads,
        "d_value": d_value,
        "joined": block.heads * d_value,
    }


def _place(tokens: tuple[Token, ...], query: int) -> Facts:
    """Where the query's patch stands in the grid, how many tokens spell its characters, and its sentence."""
    token = tokens[query]
    sentence: Facts = {"sentence": "AB"[min(token.segment, 1)]} if token.segment >= 0 else {}
    return sentence | {
        "row": token.row,
        "column": token.column,
        "rows": 1 + max(token.row for token in tokens),
        "columns": 1 + max(token.column for token in tokens),
        "pieces": 1 if token.group < 0 else sum(other.group == token.group for other in tokens),
    }


def _rotation(trace: Trace, head: Head, at: Selection) -> Facts:
    """The turn of the chosen channel's pair (Su et al. 2021, eq. 34); nothing where it is not turned.

    q_a = m (u_a cos θ − u_b sin θ),  q_b = m (u_b cos θ + u_a sin θ),  with θ the angle and m the stretch
    """
    found = turned_pair(trace, at.block, at.channel)
    before, key = head.query_unrotated, head.key_unrotated
    if found is None or before is None or key is None or (Site.ANGLE, at.block) not in trace.arrays:
        return {}
    number, end = found
    pairs = trace.array(Site.PAIR, at.block)
    ends, row = pairs[number], before[at.query].astype(float)
    length, turned = (
        float(np.linalg.norm(vector[ends])) for vector in (row, head.query[at.query].astype(float))
    )
    return {
        "pairs": len(pairs),
        "pair": number,
        "first_channel": int(ends[0]),
        "second_channel": int(ends[1]),
        "stretch": turned / length if length else 1.0,
        "query_before": float(row[at.channel]),
        "other_before": float(row[ends[1 - end]]),
        "product_before": float(row @ key[at.key]),
    } | _angles(trace.array(Site.ANGLE, at.block), number, at)


def _angles(table: NDArray, number: int, at: Selection) -> Facts:
    """The angle of the query's position, and how far it is turned against the key's, from (position, pair) angles.

    Along a text the angle grows by one `frequency` per position, so it is told with the whole turns that a table from
    −π to π leaves out. On a grid it stays as it is.
    """
    angles = table[:, number].astype(float)
    if not is_line(table):
        return {"angle": float(angles[at.query]), "turn": _wrapped(angles[at.query] - angles[at.key])}
    steps = np.diff(angles)
    frequency = float(np.arctan2(np.sin(steps).sum(), np.cos(steps).sum()))
    expected = angles[0] + at.query * frequency
    return {
        "angle": float(expected + _wrapped(angles[at.query] - expected)),
        "frequency": frequency,
        "turn": (at.query - at.key) * frequency,
    }


def _wrapped(angle: float) -> float:
    """The same direction as an angle in [−π, π)."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def _added(trace: Trace, head: Head, at: Selection) -> Facts:
    """The soft cap, and what is added to the scores; the slope of ALiBi is how much that grows from key to key."""
    said: Facts = {} if head.softcap is None else {"softcap": float(head.softcap)}
    if head.bias is None:
        return said
    row = head.bias[at.query].astype(float)
    said["bias"] = float(row[at.key])
    if any(encoding.kind == "alibi" for encoding in trace.positions):
        said["slope"] = float(row[-1] - row[0]) / max(1, len(row) - 1)
    return said


def _mask_parts(trace: Trace, at: Selection) -> Facts:
    """Which parts of the mask allow this look, 1 or 0; a part that is missing allows it."""
    parts = {"pattern": Site.MASK_PATTERN, "padding": Site.MASK_PADDING, "shift": Site.MASK_SHIFT}
    arrays = {
        name: trace.arrays[site, at.block] for name, site in parts.items() if (site, at.block) in trace.arrays
    }
    if arrays.keys().isdisjoint({"pattern", "shift"}):
        return {}
    return {name: int(_allowed(arrays[name], at)) if name in arrays else 1 for name in parts}


def _allowed(part: Any, at: Selection) -> bool:
    """One cell of a part: (key,) for padding, else (1 or head, query, key)."""
    one_head = part if getattr(part, "ndim", 3) == 1 else part[min(at.head, len(part) - 1)][at.query]
    return bool(one_head[at.key])


def _sink(head: Head, at: Selection) -> Facts:
    if head.sink_score is None or head.sink is None:
        return {}
    score = head.sink_at(at.query)
    largest = max(float(head.masked_scores[at.query].max()), score)
    return {
        "sink_score": score,
        "sink": float(head.sink[at.query]),
        "sink_exponential": float(np.exp(score - largest)),
    }


def _router(trace: Trace, block: Block, at: Selection) -> Facts:
    """How the layer's experts were chosen for the query's token."""
    place = f"{block.name.rsplit('.', 1)[0]}.mlp"
    if (Site.ROUTER, place) not in trace.arrays:
        return {}
    weights = trace.array(Site.ROUTER, place)[at.query]
    top = int(weights.argmax())
    said: Facts = {
        "experts": len(weights),
        "experts_chosen": int(np.count_nonzero(weights)),
        "expert": at.expert,
        "router_weight": float(weights[at.expert]),
        "router_top": top,
        "router_top_weight": float(weights[top]),
        "router_sum": float(weights.astype(float).sum()),
    }
    if (Site.ROUTER_PROBABILITIES, place) in trace.arrays:
        said["router_chance"] = float(trace.array(Site.ROUTER_PROBABILITIES, place)[at.query, at.expert])
    return said
