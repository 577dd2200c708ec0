"""Stage → its recomputation, for the walk and for the tab of positions; a new stage needs a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch

import torch
from torch import Tensor

from tests.viz.proof import attention, layers, positions
from tests.viz.proof.page import Claims, Page, Run

CLOSE = 1e-5
"""The most that a number may differ from what is made again, relative to the largest of its matrix on the page."""

Recomputation = Callable[[Page], Claims]

WALK: Mapping[str, Recomputation] = {
    "tokens": attention.tokens,
    "embedding": attention.embedding,
    "position": attention.position,
    "norm": attention.norm,
    "qkv": attention.qkv,
    "rotation": attention.rotation,
    "shared": attention.shared,
    "scores": attention.scores,
    "scale": attention.scale,
    "softcap": attention.softcap,
    "bias": attention.bias,
    "mask_parts": attention.mask_parts,
    "mask": attention.mask,
    "softmax": attention.softmax,
    "sink": attention.sink,
    "context": attention.context,
    "written": layers.written,
    "residual": layers.residual,
    "add_norm": attention.add_norm,
    "mlp": layers.mlp,
    "router": layers.router,
    "residual_mlp": layers.residual_mlp,
    "logits": layers.logits,
    "output": layers.output,
    "choice": layers.choice,
    "next_sentence": layers.next_sentence,
    "gates": layers.gates,
    "state": layers.state,
    "bottleneck": layers.bottleneck,
}

POSITIONS: Mapping[str, Recomputation] = {
    "position": attention.position,
    "encoding": positions.encoding,
    "likeness": positions.likeness,
    "step": positions.step,
    "rotation": attention.rotation,
    "turning": positions.turning,
    "bias": attention.bias,
    "reach": positions.reach,
    "shuffle": positions.shuffle,
}

OF_STREAM = frozenset({
    *("tokens", "embedding", "position", "encoding", "likeness", "shuffle"),
    *("logits", "output", "choice", "next_sentence"),
})  # fmt: skip
"""Stages that are the same for every block of a stream: computed again once."""


def missing(run: Run, must: Mapping[str, str]) -> list[str]:
    """What blocks do not offer of what they must: patterns of their names → stages of both tabs, a bar between them."""
    found = []
    for page in run.pages():
        walk, _, tab = next(said for names, said in must.items() if fnmatch(page.name, names)).partition("|")
        lacking = {*walk.split()} - {*page.entry["stages"]} | {*tab.split()} - {*page.entry["positions"]}
        found += [f"{page.name}: {stage}" for stage in sorted(lacking)]
    return found


def faults(run: Run) -> Iterator[str]:
    """What a page shows that is not what is made again, and stages that nothing makes again."""
    pages, done = list(run.pages()), set[tuple[str, str]]()
    for tab, table in (("stages", WALK), ("positions", POSITIONS)):
        for page, stage in [(one, stage) for one in pages for stage in one.entry[tab]]:
            key = (stage, page.stream if stage in OF_STREAM else page.name)
            if key in done:
                continue
            done.add(key)
            if stage not in table:
                yield f"{page.name}: nothing makes {stage!r} of {tab} again"
                continue
            for what, made, shown in table[stage](page):
                if said := difference(made, shown):
                    yield f"{page.name}, {stage}, {what}: {said}"


def difference(made: Tensor, shown: Tensor) -> str:
    """How two arrays differ by more than rounding; −∞ must stand in the same places."""
    if made.shape != shown.shape:
        return f"{tuple(made.shape)} are made, {tuple(shown.shape)} shown"
    made, shown = made.double(), shown.double()
    endless = shown.isinf()
    if made.isnan().any() or shown.isnan().any() or not torch.equal(made[endless], shown[endless]):
        return "NaN, or −∞ in other places"
    apart = (made - shown)[~endless].abs().max().item() if (~endless).any() else 0.0
    largest = shown[~endless].abs().max().item() if (~endless).any() else 0.0
    return f"{apart:.1e} apart, of {largest:.1e}" if apart > CLOSE * largest else ""
