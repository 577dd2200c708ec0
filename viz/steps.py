"""A trace and a selection → the facts of each step, without language.

These are the numbers that the lesson texts are filled with. The browser computes the same from the same arrays (it has
to answer within a frame); tests compare the two, and this is the reference. What only some models have is in
`viz/architecture.py`; which sentence reads a row, in `viz/readings.py`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.trace import Block, Head, Site, Token, Trace
from viz.architecture import architecture, turned_pair
from viz.norms import STAGES as NORMS
from viz.readings import cell_reading, reading
from viz.recurrent import facts as recurrent_facts
from viz.selection import Fact, Selection

__all__ = ["Fact", "Selection", "arguments", "cell_reading", "facts", "reading"]

SUMS = ("written", "residual", "residual_mlp")
IN_STREAM = ("embedding", "position", "encoding", "step", *NORMS, "mlp", *SUMS)
"""Stages whose vectors have d_model dimensions."""


def facts(trace: Trace, at: Selection) -> dict[str, Fact]:
    """Every fact that a text about this selection may use; those of parts that the model lacks are absent.

    Raises:
        KeyError, IndexError: the selection is not in this trace.
    """
    if at.block.endswith(".recurrent"):
        return recurrent_facts(trace, at)
    block, head = trace.block(at.block), trace.head(at.block, at.head)
    at = settled(trace, head, at)
    return (
        _names(trace, block, at)
        | _sizes(trace, block, head, at)
        | _stream(trace, block, at)
        | _vectors(head, at)
        | _cell(head, at)
        | _row(trace, block, head, at)
        | architecture(trace, block, head, at)
    )


def arguments(
    text: str,
    target: str | None = None,
    language: str | None = None,
    image: str | None = None,
    reading: str | None = None,
) -> str:
    """The fact `arguments_literal`: what `record` was given besides the model, as Python source."""
    named = {"target": target, "language": language, "image": image, "reading": reading}
    return ", ".join(
        (repr(text), *(f"{name}={value!r}" for name, value in named.items() if value is not None))
    )


def settled(trace: Trace, head: Head, at: Selection) -> Selection:
    """The selection with a channel that its stage shows: values may be narrower than queries, or wider, and rotary
    positions may turn only some channels.

    Raises:
        IndexError: no vector of this head has that channel.
    """
    d_head, d_value = head.query.shape[1], head.value.shape[1]
    if at.channel >= max(d_head, d_value):
        raise IndexError(f"no channel {at.channel}; the vectors have {max(d_head, d_value)}")
    width = min(d_head, d_value) if at.stage == "qkv" else d_value if at.stage == "context" else d_head
    channel = min(at.channel, width - 1)
    is_turned = (Site.PAIR, at.block) not in trace.arrays or turned_pair(trace, at.block, channel) is not None
    if at.stage == "rotation" and not is_turned:
        channel = int(trace.array(Site.PAIR, at.block)[0, 0])
    return replace(at, channel=channel)


def _names(trace: Trace, block: Block, at: Selection) -> dict[str, Fact]:
    predicted = trace.predictions if block.query_stream == trace.predicting else ()
    return {
        "model": trace.model.name,
        "block": block.name,
        "stream": block.query_stream,
        "head": at.head,
        "query": at.query,
        "key": at.key,
        "channel": at.dimension if at.stage in IN_STREAM else at.channel,
        "query_token": _label(trace, block.query_stream, at.query),
        "key_token": _label(trace, block.key_stream, at.key),
        "predicted_token": predicted[at.query].text if at.query < len(predicted) else "",
        "token_id": trace.tokens[block.query_stream][at.query].id,
    }


def _sizes(trace: Trace, block: Block, head: Head, at: Selection) -> dict[str, Fact]:
    d_head, d_model = head.query.shape[1], _width(trace, block, at)
    largest = float(np.abs(head.model_context).max(initial=0.0))
    return {
        "n_query": len(head.query),
        "n_key": len(head.key),
        "d_model": d_model,
        "d_head": d_head,
        "layers": trace.model.layers,
        "heads": block.heads,
        "vocabulary": trace.model.vocabulary,
        "root_d_model": d_model**0.5,
        "root_d_head": d_head**0.5,
        "scale": head.scale,
        "error": head.error,
        "tolerance": head.tolerance * max(1.0, largest),
    }


def _width(trace: Trace, block: Block, at: Selection) -> int:
    """d_model where the stage stands: Swin widens its vectors from layer to layer, ALBERT after the embedding."""
    table = (Site.TOKEN_EMBEDDING, block.query_stream)
    wanted = (table,) if at.stage in IN_STREAM else ((Site.QUERY_INPUT, block.name),)
    found = [trace.array(*place).shape[1] for place in wanted if place in trace.arrays]
    return (*found, trace.model.d_model)[0]


def _stream(trace: Trace, block: Block, at: Selection) -> dict[str, Fact]:
    """What enters the first layer, and the parts of it that the model has.

    Raises:
        IndexError: none of these vectors has that dimension.
    """
    sites = {
        "embedding": Site.TOKEN_EMBEDDING,
        "position": Site.POSITION_ENCODING,
        "segment": Site.SEGMENT_EMBEDDING,
        "sum": Site.RESIDUAL,
    }
    stream = block.query_stream
    arrays = {
        name: trace.arrays[site, stream] for name, site in sites.items() if (site, stream) in trace.arrays
    }
    widest = max((array.shape[1] for array in arrays.values()), default=at.dimension + 1)
    if at.dimension >= widest:
        raise IndexError(f"no dimension {at.dimension}; the vectors have {widest}")
    inside = {name: array for name, array in arrays.items() if at.dimension < array.shape[1]}
    said: dict[str, Fact] = {name: float(array[at.query, at.dimension]) for name, array in inside.items()}
    if "position" in said:
        said.setdefault("segment", 0.0)
    return said | (_sines(trace, at, said) if block.route == "builtin" else {})


def _sines(trace: Trace, at: Selection, said: dict[str, Fact]) -> dict[str, Fact]:
    """The built-in model: its embedding is a row of the table times √d_model, its positions are sines."""
    d_model, pair = trace.model.d_model, at.dimension // 2
    table = {"table_value": float(said["embedding"]) / d_model**0.5} if "embedding" in said else {}
    return table | {"pair": pair, "wavelength": 2 * np.pi * 10000.0 ** (2 * pair / d_model)}


def _vectors(head: Head, at: Selection) -> dict[str, Fact]:
    products = head.query[at.query].astype(float) * head.key[at.key]
    largest = int(np.abs(products).argmax())
    in_head, in_value = (min(at.channel, array.shape[1] - 1) for array in (head.query, head.value))
    made = [
        after if before is None else before
        for before, after in ((head.query_unrotated, head.query), (head.key_unrotated, head.key))
    ]
    return {
        "query_made": float(made[0][at.query, in_head]),
        "key_made": float(made[1][at.key, in_head]),
        "query_value": float(head.query[at.query, in_head]),
        "key_value": float(head.key[at.key, in_head]),
        "value_value": float(head.value[at.key, in_value]),
        "product": float(products.sum()),
        "largest_dimension": largest,
        "largest_product": float(products[largest]),
        "context": float(head.context[at.query, in_value]),
    }


def _cell(head: Head, at: Selection) -> dict[str, Fact]:
    """The way of one cell from its score to its weight. `row_max` is the row's largest score, a sink's included."""
    row = head.masked_scores[at.query].astype(float)
    sink = head.sink_at(at.query)
    row_max = max(float(row.max()), sink)
    shift = 0.0 if np.isneginf(row_max) else row_max  # a row that may look nowhere stays −∞
    exponentials = np.exp(row - shift)
    weight = float(head.weights[at.query, at.key])
    bias = 0.0 if head.bias is None else float(head.bias[at.query, at.key])
    capped = float(head.capped[at.query, at.key])
    return {
        "score": float(head.scores[at.query, at.key]),
        "capped": capped,
        "unmasked": capped + bias,
        "may": int(head.mask[at.query, at.key]),
        "masked_score": float(row[at.key]),
        "row_max": row_max,
        "shifted": float(row[at.key] - shift),
        "exponential": float(exponentials[at.key]),
        "row_sum": float(exponentials.sum() + np.exp(sink - shift)),
        "weight": weight,
        "percent": 100 * weight,
        "kept": float(head.weights[at.query].sum()),
    }


def _row(trace: Trace, block: Block, head: Head, at: Selection) -> dict[str, Fact]:
    order = np.argsort(-head.weights[at.query], kind="stable")
    second = int(order[min(1, len(order) - 1)])
    return {
        "top_token": _label(trace, block.key_stream, int(order[0])),
        "top_weight": float(head.weights[at.query, order[0]]),
        "second_token": _label(trace, block.key_stream, second),
        "second_weight": float(head.weights[at.query, second]),
    }


def _label(trace: Trace, stream: str, index: int) -> str:
    token: Token = trace.tokens[stream][index]
    return token.text
