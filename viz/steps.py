"""A trace and a selection → the facts of each step, without language.

These are the numbers that the lesson texts are filled with. The browser computes the same from the same arrays (it has
to answer within a frame); tests compare the two, and this is the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.trace import TOLERANCE, Block, Head, Site, Token, Trace

Fact = str | int | float

SHARP = 0.5
"""From this weight on one key is said to be looked at, rather than several."""

UNIFORM = 1.5
"""Below this many even shares the largest weight is said to be no choice at all."""


@dataclass(frozen=True)
class Selection:
    """One number of one head: which query, which key, which channel of the vectors. `dimension` is one of d_model."""

    block: str
    head: int
    query: int = 0
    key: int = 0
    channel: int = 0
    dimension: int = 0
    stage: str = "softmax"


def facts(trace: Trace, at: Selection) -> dict[str, Fact]:
    """Every fact that a text about this selection may use.

    Raises:
        KeyError, IndexError: the selection is not in this trace.
    """
    block, head = trace.block(at.block), trace.head(at.block, at.head)
    return (
        _names(trace, block, at)
        | _sizes(trace, head)
        | _stream(trace, block, at)
        | _vectors(head, at)
        | _cell(head, at)
        | _row(trace, block, head, at)
    )


def _names(trace: Trace, block: Block, at: Selection) -> dict[str, Fact]:
    decoder = block.query_stream == "decoder"
    return {
        "text_literal": repr(trace.text),
        "model": trace.model.name,
        "block": block.name,
        "stream": block.query_stream,
        "head": at.head,
        "query": at.query,
        "key": at.key,
        "channel": at.dimension if at.stage in ("embedding", "position") else at.channel,
        "query_token": _label(trace, block.query_stream, at.query),
        "key_token": _label(trace, block.key_stream, at.key),
        "predicted_token": trace.predictions[at.query].text if decoder else "",
        "token_id": trace.tokens[block.query_stream][at.query].id,
    }


def _sizes(trace: Trace, head: Head) -> dict[str, Fact]:
    d_head = head.query.shape[1]
    return {
        "n_query": len(head.query),
        "n_key": len(head.key),
        "d_model": trace.model.d_model,
        "d_head": d_head,
        "layers": trace.model.layers,
        "heads": trace.model.heads,
        "vocabulary": trace.model.vocabulary,
        "root_d_model": trace.model.d_model**0.5,
        "root_d_head": d_head**0.5,
        "scale": head.scale,
        "error": head.error,
        "tolerance": TOLERANCE,
    }


def _stream(trace: Trace, block: Block, at: Selection) -> dict[str, Fact]:
    place = (at.query, at.dimension)
    embedding = float(trace.array(Site.TOKEN_EMBEDDING, block.query_stream)[place])
    position = float(trace.array(Site.POSITION_ENCODING, block.query_stream)[place])
    pair = at.dimension // 2
    return {
        "embedding": embedding,
        "table_value": embedding / trace.model.d_model**0.5,
        "position": position,
        "sum": embedding + position,
        "pair": pair,
        "wavelength": 2 * np.pi * 10000.0 ** (2 * pair / trace.model.d_model),
    }


def _vectors(head: Head, at: Selection) -> dict[str, Fact]:
    products = head.query[at.query].astype(float) * head.key[at.key]
    largest = int(np.abs(products).argmax())
    return {
        "query_value": float(head.query[at.query, at.channel]),
        "key_value": float(head.key[at.key, at.channel]),
        "value_value": float(head.value[at.key, at.channel]),
        "product": float(products.sum()),
        "largest_dimension": largest,
        "largest_product": float(products[largest]),
        "context": float(head.context[at.query, at.channel]),
    }


def _cell(head: Head, at: Selection) -> dict[str, Fact]:
    row = head.masked_scores[at.query].astype(float)
    row_max = float(row.max())
    shifted = row - (0.0 if np.isneginf(row_max) else row_max)  # a row that may look nowhere stays −∞
    exponentials = np.exp(shifted)
    weight = float(head.weights[at.query, at.key])
    return {
        "score": float(head.scores[at.query, at.key]),
        "masked_score": float(row[at.key]),
        "row_max": row_max,
        "shifted": float(shifted[at.key]),
        "exponential": float(exponentials[at.key]),
        "row_sum": float(exponentials.sum()),
        "weight": weight,
        "percent": 100 * weight,
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


def reading(trace: Trace, at: Selection) -> str:
    """The id of the sentence that reads this row, chosen by the block and by how the row's weights lie."""
    block, weights = trace.block(at.block), trace.head(at.block, at.head).weights[at.query]
    sharp = float(weights.max()) >= SHARP
    if block.kind == "cross":
        return "cross_sharp" if sharp else "cross_broad"
    if block.query_stream == "decoder":
        return "decoder_first" if at.query == 0 else "decoder_sharp" if sharp else "decoder_broad"
    if sharp:
        return "self_sharp" if int(weights.argmax()) == at.query else "sharp"
    return "uniform" if float(weights.max()) < UNIFORM / len(weights) else "broad"
