"""A run without its arrays, as one small JSON document: tokens, blocks, stages, and what the model is."""

from __future__ import annotations

from dataclasses import asdict
from typing import TypedDict

from models.trace import TOLERANCE, Block, ModelCard, Site, Token, Trace
from viz import logits
from viz.map import Stack, stacks
from viz.positions import last_layers, stages_of_positions
from viz.recurrent import places, stages_of_network
from viz.walk import mask_kind, predicts, stages_of
from viz.written import page

SCHEMA = 2
"""Version of the manifest; the browser refuses any other."""


class BlockEntry(TypedDict):
    """One attention block: sizes, streams, how it was recorded, its stages with the text of each, guided heads.

    `positions` are its stages in the tab of that name; `writtenRows`: how many queries a bundle of parts holds.

    A recurrent network stands among them with no heads: its kind is `recurrent`, and dHead counts its units.
    """

    name: str
    kind: str
    heads: int
    kvHeads: int
    dHead: int
    dValue: int
    queryStream: str
    keyStream: str
    scale: float
    softcap: float
    route: str
    stages: dict[str, str]
    positions: dict[str, str]
    maskKind: str
    window: int
    writtenRows: int
    guided: dict[str, str]


class StreamEntry(TypedDict):
    """One stream of tokens: the id of its label, and the grid of an image's patches (0 × 0 for text)."""

    label: str
    rows: int
    columns: int


class Manifest(TypedDict):
    """A run, without its arrays."""

    schema: int
    key: str
    model: dict
    text: str
    target: str | None
    image: str | None
    language: str
    output: str
    streams: dict[str, StreamEntry]
    tokens: dict[str, list[dict]]
    last: dict[str, str]
    predicting: str
    predicts: str
    predictions: list[str]
    positions: list[dict]
    blocks: list[BlockEntry]
    map: list[Stack]
    logitRows: int
    unknown: list[str]
    untrained: list[str]
    resized: list[int]
    tolerance: float


def manifest(trace: Trace, key: str, target: str | None = None, image: str | None = None) -> Manifest:
    """The manifest of a run; `target` is what was typed, None when the model wrote it; `image` names the picture."""
    return Manifest(
        schema=SCHEMA,
        key=key,
        model=card(trace.model),
        text=trace.text,
        target=target,
        image=image,
        language=trace.languages[1] if trace.languages else "",
        output=trace.output,
        streams={stream: _stream(trace, stream) for stream in trace.tokens},
        tokens={stream: [_token(token) for token in tokens] for stream, tokens in trace.tokens.items()},
        last=last_layers(trace),
        predicting=trace.predicting,
        predicts=predicts(trace),
        predictions=[token.text for token in trace.predictions],
        positions=[{"kind": each.kind, "where": each.where} for each in trace.positions],
        blocks=[*_networks(trace), *(_block(trace, block) for block in trace.blocks)],
        map=stacks(trace),
        logitRows=logits.page(trace),
        unknown=_unknown(trace),
        untrained=_untrained(trace),
        resized=list(trace.resized or ()),
        tolerance=TOLERANCE,
    )


def card(card: ModelCard) -> dict:
    """A model card as the browser reads it; `builtin` tells those in the box."""
    return asdict(card) | {"builtin": card.name.startswith("builtin/")}


def _stream(trace: Trace, stream: str) -> StreamEntry:
    rows, columns = trace.patches.get(stream, (0, 0))
    return StreamEntry(label=_label(trace, stream), rows=rows, columns=columns)


def _label(trace: Trace, stream: str) -> str:
    """The id of what a stream is called: `source` and `target` of a translator, the side of a pair, or its matter."""
    tower = stream.partition(":")[0]
    if any(token.row >= 0 for token in trace.tokens[stream]) or tower == "vision":
        return "patches"
    if trace.languages:
        return "source" if tower == "encoder" else "target"
    if {"encoder", "decoder"} <= {name.partition(":")[0] for name in trace.tokens}:
        return tower
    return "audio" if tower == "audio" else "text"


def _unknown(trace: Trace) -> list[str]:
    """The typed words that the model does not know, each once."""
    typed = (token for tokens in trace.tokens.values() for token in tokens if token.start >= 0)
    return list(dict.fromkeys(token.text for token in typed if token.unknown))


def _untrained(trace: Trace) -> list[str]:
    """Source and target language, where the model was never trained to translate so; else nothing."""
    pairs = trace.model.pairs
    return [] if trace.languages is None or not pairs or trace.languages in pairs else list(trace.languages)


def _token(token: Token) -> dict:
    """A token as the browser reads it: its places where it has them, and the bytes of a piece of a character."""
    said: dict[str, object] = {
        "id": token.id,
        "text": token.text,
        "start": token.start,
        "end": token.end,
        "unknown": token.unknown,
        "special": token.special,
    }
    if token.bytes:
        said["bytes"] = token.bytes.hex(" ").upper()
    if token.group >= 0:
        said |= {"group": token.group, "whole": token.whole}
    if token.row >= 0:
        said |= {"row": token.row, "column": token.column}
    if token.segment >= 0:
        said["segment"] = token.segment
    return said


def _networks(trace: Trace) -> list[BlockEntry]:
    """The recurrent networks of a run, where it has some."""
    return [
        BlockEntry(
            name=place,
            kind="recurrent",
            heads=0,
            kvHeads=0,
            dHead=trace.array(Site.STATE, stream).shape[1],
            dValue=trace.array(Site.STATE, stream).shape[1],
            queryStream=stream,
            keyStream="encoder",
            scale=1.0,
            softcap=0.0,
            route="builtin",
            stages=stages_of_network(trace, stream),
            positions={},
            maskKind="open",
            window=0,
            writtenRows=0,
            guided={},
        )
        for place, stream in places(trace)
    ]


def _block(trace: Trace, block: Block) -> BlockEntry:
    mask = mask_kind(trace, block)
    return BlockEntry(
        name=block.name,
        kind=block.kind,
        heads=block.heads,
        kvHeads=block.kv_heads,
        dHead=trace.arrays[Site.QUERY, block.name].shape[-1],
        dValue=trace.arrays[Site.VALUE, block.name].shape[-1],
        queryStream=block.query_stream,
        keyStream=block.key_stream,
        scale=block.scale,
        softcap=block.softcap or 0.0,
        route=block.route,
        stages=stages_of(trace, block),
        positions=stages_of_positions(trace, block),
        maskKind=mask.kind,
        window=mask.width,
        writtenRows=page(trace, block),
        guided={
            str(guided.head): guided.target for guided in trace.model.guided if guided.block == block.name
        },
    )
