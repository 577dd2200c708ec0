"""The map of a model: its stacks, what each layer of them has in its true order, and what feeds what.

What a layer has is read from what was recorded at its places, never from a name:

    a block                   self- or cross-attention, in the order of execution
    mlp_output or router      a feed-forward network, or experts
    norm_input                a norm before the sublayer (pre-norm)
    residual_sum and norm     a norm after what the sublayer wrote was added (post-norm)
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from models.trace import Block, Site, Trace
from viz.outputs import has_output
from viz.recurrent import is_recurrent, places


class Sublayer(TypedDict):
    """One part of a layer: what it is, the block whose stages tell it, its norms, and the stack that feeds it.

    kind: self, cross, feed_forward, experts, recurrent; or rest: what else a layer does, where that was not found.
    norm: before, after, or nothing. beside: it reads what the part before it reads (parallel).
    """

    kind: str
    block: str
    norm: str
    beside: bool
    feeds: str


class Layer(TypedDict):
    """One layer: its name, and its parts in order; none where it has no softmax attention."""

    name: str
    parts: list[Sublayer]


class Stack(TypedDict):
    """One tower from the bottom up: what enters it, its layers, and whether the outputs are at its top."""

    tower: str
    entrance: list[str]
    layers: list[Layer]
    output: bool
    residual: bool


def stacks(trace: Trace) -> list[Stack]:
    """Every stack of a model, in the order of execution."""
    names = [*(place for place, _ in places(trace)), *(block.name for block in trace.blocks)]
    towers = dict.fromkeys(name.split(".")[0] for name in names)
    return [_stack(trace, tower) for tower in towers]


def _stack(trace: Trace, tower: str) -> Stack:
    return Stack(
        tower=tower,
        entrance=_entrance(trace, tower),
        layers=[_layer(trace, name) for name in _layers(trace, tower)],
        output=tower == _predicting(trace),
        residual=not is_recurrent(trace),
    )


def _layers(trace: Trace, tower: str) -> list[str]:
    """The names of all layers of a tower, with those that have no attention in their places."""
    known = [block.name.rsplit(".", 1)[0] for block in trace.blocks]
    known += [place.rsplit(".", 1)[0] for place, _ in places(trace)]
    names = {name for name in (*known, *trace.model.without) if name.split(".")[0] == tower}
    return sorted(names, key=lambda name: int(name.split(".")[1]))


def _predicting(trace: Trace) -> str:
    """The tower whose top the outputs are at; one answer for the whole comes from the tower that ran last."""
    ends = [block.name.split(".")[0] for block in trace.blocks if has_output(trace, block)]
    return ends[-1] if ends else trace.predicting if is_recurrent(trace) else ""


def _entrance(trace: Trace, tower: str) -> list[str]:
    """What stands at the bottom: the table of tokens, and what is added to its rows."""
    sites = {
        "embedding": Site.TOKEN_EMBEDDING,
        "segment": Site.SEGMENT_EMBEDDING,
        "position": Site.POSITION_ENCODING,
    }
    return ["tokens", *(name for name, site in sites.items() if (site, tower) in trace.arrays)]


def _layer(trace: Trace, name: str) -> Layer:
    blocks = [block for block in trace.blocks if block.name.rsplit(".", 1)[0] == name]
    networks = [(place, stream) for place, stream in places(trace) if place.rsplit(".", 1)[0] == name]
    parts = [
        _part("recurrent", place, feeds="" if stream == "encoder" else "encoder")
        for place, stream in networks
    ]
    parts += [_attention(trace, block) for block in blocks]
    if blocks and not is_recurrent(trace):
        parts.append(_feed_forward(trace, name, blocks[-1]))
    return Layer(name=name, parts=parts)


def _part(kind: str, block: str, *, norm: str = "", beside: bool = False, feeds: str = "") -> Sublayer:
    return Sublayer(kind=kind, block=block, norm=norm, beside=beside, feeds=feeds)


def _attention(trace: Trace, block: Block) -> Sublayer:
    feeds = block.key_stream.partition(":")[0] if block.kind == "cross" else ""
    tower = block.name.split(".")[0]
    return _part(block.kind, block.name, norm=_norm(trace, block.name), feeds=feeds if feeds != tower else "")


def _feed_forward(trace: Trace, layer: str, last: Block) -> Sublayer:
    """What follows attention, or stands beside it, as in GPT-J: then both read the same, some even through one norm."""
    place = f"{layer}.mlp"
    routed, written = ((site, place) in trace.arrays for site in (Site.ROUTER, Site.MLP_OUTPUT))
    kind = "experts" if routed else "feed_forward" if written else "rest"
    shared = _is_same(trace, (Site.MLP_INPUT, place), (Site.QUERY_INPUT, last.name))
    beside = shared or _is_same(trace, (Site.NORM_INPUT, place), (Site.NORM_INPUT, last.name))
    return _part(kind, last.name, norm="" if shared else _norm(trace, place), beside=beside)


def _norm(trace: Trace, place: str) -> str:
    has = {site for site in (Site.NORM, Site.NORM_INPUT, Site.RESIDUAL_SUM) if (site, place) in trace.arrays}
    if Site.NORM_INPUT in has:
        return "before"
    return "after" if {Site.NORM, Site.RESIDUAL_SUM} <= has else ""


def _is_same(trace: Trace, one: tuple[Site, str], other: tuple[Site, str]) -> bool:
    if one not in trace.arrays or other not in trace.arrays:
        return False
    return np.array_equal(trace.array(*one), trace.array(*other))
