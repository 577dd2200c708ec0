"""A generation as one JSON document: what every step chose from, by which arithmetic, and what a cache spared it.

The manifest of its trace is inside, under a key with which the page fetches attention as of any other run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from models.beams import Branch, Tree
from models.choosing import Shares, shares
from models.generation import Generation, Step, written_stream
from models.trace import Block, Site, Token, Trace
from viz.manifest import Manifest, manifest

SCHEMA = 1
"""Version of the document; the browser refuses any other."""

SHOWN = 10
"""How many tokens of each step are shown one by one; the choice always is."""


class TokenEntry(TypedDict):
    """One token of a step, on its way from its logit to its share; None for a number that is not finite."""

    id: int
    text: str
    logit: float | None
    divided: float | None
    exponential: float
    before: float
    after: float
    cut: str


class StepEntry(TypedDict):
    """One step. `rest…`: what all tokens that are not shown have together; `left`: how many tokens remain."""

    position: int
    id: int
    text: str
    forced: bool
    shown: list[TokenEntry]
    largest: float | None
    total: float
    size: int
    left: int
    restBefore: float
    restAfter: float
    computed: int
    kept: int


class CacheEntry(TypedDict):
    """How many numbers a cache holds: for each position, and whatever the length (of the source, or one state)."""

    perPosition: int
    fixed: int


class BranchEntry(TypedDict):
    """One continuation in beam search; see `models.beams.Branch`."""

    parent: int
    id: int
    text: str
    logProbability: float | None
    total: float | None
    goesOn: bool
    ended: bool
    score: float | None


class TreeEntry(TypedDict):
    """What beam search looked at; `finished`: (step, branch), the best first."""

    steps: list[list[BranchEntry]]
    penalty: float
    winner: list[int]
    finished: list[list[int]]


class Generated(TypedDict):
    """A generation."""

    schema: int
    run: Manifest
    stream: str
    first: int
    output: str
    cancelled: bool
    strategy: dict
    steps: list[StepEntry]
    cache: CacheEntry
    tree: TreeEntry | None


def generated(generation: Generation, key: str) -> Generated:
    """The document of a generation; `key` names it."""
    strategy, trace = generation.strategy, generation.trace
    return Generated(
        schema=SCHEMA,
        run=manifest(trace, key),
        stream=written_stream(trace),
        first=generation.steps[0].position,
        output=generation.text,
        cancelled=generation.cancelled,
        strategy={
            "name": strategy.name,
            "temperature": strategy.temperature,
            "topK": strategy.top_k,
            "topP": strategy.top_p,
            "seed": strategy.seed,
            "beams": strategy.beams,
        },
        steps=[_step(generation, number) for number in range(len(generation.steps))],
        cache=_cache(trace),
        tree=None if generation.tree is None else _tree(generation.tree, generation.names),
    )


def _step(generation: Generation, number: int) -> StepEntry:
    step = generation.steps[number]
    told, computed = shares(step, generation.strategy), generation.passes[number]
    shown = _shown(step)
    entries = [_token(told, step, id, generation.names[id].text) for id in shown]
    return StepEntry(
        position=step.position,
        id=step.choice.id,
        text=step.choice.text,
        forced=step.forced,
        shown=entries,
        largest=_finite(told.largest),
        total=told.total,
        size=len(told.logits),
        left=int((told.cut == 0).sum()),
        restBefore=max(0.0, 1 - float(step.before[shown].sum())),
        restAfter=max(0.0, 1 - float(told.shares[shown].sum())),
        computed=computed,
        kept=step.position + 1 - computed,
    )


def _shown(step: Step) -> list[int]:
    """The most probable tokens, and the choice, in falling order of their logits."""
    best = np.argpartition(-step.logits, min(SHOWN, len(step.logits)) - 1)[:SHOWN]
    ids = {*best.tolist(), step.choice.id}
    return sorted(ids, key=lambda id: (-step.logits[id], id))


def _token(told: Shares, step: Step, id: int, text: str) -> TokenEntry:
    return TokenEntry(
        id=id,
        text=text,
        logit=_finite(told.logits[id]),
        divided=_finite(told.divided[id]),
        exponential=float(told.exponentials[id]),
        before=float(step.before[id]),
        after=float(told.shares[id]),
        cut=told.why(id),
    )


def _cache(trace: Trace) -> CacheEntry:
    """Keys and values of every block that reads what is written, and those of the source; or a network's state."""
    stream = written_stream(trace)
    growing = fixed = 0
    for block in trace.blocks:
        if block.query_stream != stream:
            continue
        if block.key_stream == stream:
            growing += _numbers(trace, block)
        else:
            fixed += _numbers(trace, block) * len(trace.tokens[block.key_stream])
    if (Site.STATE, stream) in trace.arrays:
        fixed = trace.array(Site.STATE, stream).shape[-1]
    return CacheEntry(perPosition=growing, fixed=fixed)


def _numbers(trace: Trace, block: Block) -> int:
    """How many numbers the key and the value of one position have in a block."""
    sizes = (trace.arrays[site, block.name].shape[-1] for site in (Site.KEY, Site.VALUE))
    return block.kv_heads * sum(sizes)


def _tree(tree: Tree, names: Sequence[Token]) -> TreeEntry:
    return TreeEntry(
        steps=[[_branch(branch, names) for branch in branches] for branches in tree.steps],
        penalty=tree.penalty,
        winner=list(tree.winner),
        finished=[list(each) for each in tree.finished],
    )


def _branch(branch: Branch, names: Sequence[Token]) -> BranchEntry:
    return BranchEntry(
        parent=branch.parent,
        id=branch.token,
        text=names[branch.token].text,
        logProbability=_finite(branch.log_probability),
        total=_finite(branch.total) if branch.is_real else None,
        goesOn=branch.goes_on,
        ended=branch.ended,
        score=None if branch.score is None or not branch.is_real else _finite(branch.score),
    )


def _finite(number: float) -> float | None:
    """The number, or None: JSON knows no infinity."""
    return float(number) if math.isfinite(number) else None
