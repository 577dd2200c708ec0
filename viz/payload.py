"""What crosses to the browser: one small JSON manifest per run, then binary bundles by content key.

A bundle is a safetensors file in memory, which the browser reads with a few lines:

    thumbnails      weights of all heads of all blocks as uint8, 0–255 for 0–1: one array per block (head, query, key)
    head            one head in float32: query key value product scores mask masked_scores weights context
    stream          token_embedding position_encoding residual (what enters the first layer)
    projection      one head's inputs and W_Q W_K W_V with their biases
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from models.trace import TOLERANCE, Block, ModelCard, Site, Token, Trace

SCHEMA = 1
"""Version of the manifest; the browser refuses any other."""


class BlockEntry(TypedDict):
    """One attention block: sizes, streams, the proof of each head, and which heads were guided towards what."""

    name: str
    kind: str
    heads: int
    queryStream: str
    keyStream: str
    scale: float
    errors: list[float]
    guided: dict[str, str]


class Manifest(TypedDict):
    """A run, without its arrays."""

    schema: int
    key: str
    model: dict
    text: str
    target: str | None
    language: str
    output: str
    tokens: dict[str, list[dict]]
    predictions: list[str]
    blocks: list[BlockEntry]
    unknown: list[str]
    untrained: list[str]
    tolerance: float


def manifest(trace: Trace, key: str, target: str | None) -> Manifest:
    """The manifest of a run; `target` is what was typed, None when the model wrote it."""
    tokens = {stream: [_token(token) for token in tokens] for stream, tokens in trace.tokens.items()}
    return Manifest(
        schema=SCHEMA,
        key=key,
        model=card(trace.model),
        text=trace.text,
        target=target,
        language=trace.tokens["decoder"][0].text.strip("<>"),
        output=trace.output,
        tokens=tokens,
        predictions=[token.text for token in trace.predictions],
        blocks=[_block(trace, block) for block in trace.blocks],
        unknown=_unknown(trace),
        untrained=_untrained(trace),
        tolerance=TOLERANCE,
    )


def card(card: ModelCard) -> dict:
    """A model card as the browser reads it."""
    return asdict(card)


def thumbnails(trace: Trace) -> bytes:
    """The weights of every head, 0–255."""
    return _bundle(
        {block.name: np.rint(trace.weights(block.name) * 255).astype(np.uint8) for block in trace.blocks}
    )


def head(trace: Trace, block: str, head: int) -> bytes:
    """Every stage of one head. `product` is q · k before the scale."""
    one = trace.head(block, head)
    return _bundle(
        {
            "query": one.query,
            "key": one.key,
            "value": one.value,
            "product": one.query @ one.key.T,
            "scores": one.scores,
            "mask": one.mask,
            "masked_scores": one.masked_scores,
            "weights": one.weights,
            "context": one.context,
            "model_context": one.model_context,
        }
    )


def stream(trace: Trace, name: str) -> bytes:
    """What enters the first layer of a stream, and the two arrays it is the sum of."""
    sites = (Site.TOKEN_EMBEDDING, Site.POSITION_ENCODING, Site.RESIDUAL)
    return _bundle({site.value: trace.array(site, name) for site in sites})


def projection(trace: Trace, block: str, head: int) -> bytes:
    """What one head's queries, keys and values are computed from."""
    per_head = (
        Site.QUERY_WEIGHT,
        Site.KEY_WEIGHT,
        Site.VALUE_WEIGHT,
        Site.QUERY_BIAS,
        Site.KEY_BIAS,
        Site.VALUE_BIAS,
    )
    trace.head(block, head)  # raises what a wrong place deserves
    arrays = {site.value: trace.array(site, block) for site in (Site.QUERY_INPUT, Site.KEY_INPUT)}
    return _bundle(arrays | {site.value: trace.array(site, block)[head] for site in per_head})


def _bundle(arrays: Mapping[str, NDArray]) -> bytes:
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _unknown(trace: Trace) -> list[str]:
    """The typed words that the model does not know, each once."""
    typed = (token for tokens in trace.tokens.values() for token in tokens if token.start >= 0)
    return list(dict.fromkeys(token.text for token in typed if token.unknown))


def _untrained(trace: Trace) -> list[str]:
    """Source and target language, where the model was never trained to translate so; else nothing."""
    pairs = trace.model.pairs
    return [] if trace.languages is None or not pairs or trace.languages in pairs else list(trace.languages)


def _token(token: Token) -> dict:
    return {
        "id": token.id,
        "text": token.text,
        "start": token.start,
        "end": token.end,
        "unknown": token.unknown,
        "special": token.special,
    }


def _block(trace: Trace, block: Block) -> BlockEntry:
    return BlockEntry(
        name=block.name,
        kind=block.kind,
        heads=block.heads,
        queryStream=block.query_stream,
        keyStream=block.key_stream,
        scale=block.scale,
        errors=[trace.head(block.name, head).error for head in range(block.heads)],
        guided={
            str(guided.head): guided.target for guided in trace.model.guided if guided.block == block.name
        },
    )
