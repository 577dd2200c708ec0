"""The norms of a layer: before what a sublayer reads, after what it wrote, or after that was added; and the last one.

    LayerNorm   y = γ (x − mean x) ÷ √(var x + ε) + β         (Ba et al. 2016)
    RMSNorm     y = γ x ÷ √(mean x² + ε)                      (Zhang & Sennrich 2019)

Which one it is, and that these are its numbers, is found by computing it again.

Both take one token's row. BatchNorm would take a column instead, one dimension over all tokens of a batch (Ioffe &
Szegedy 2015); what it would have found in this text is told beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.trace import Array, Block, Site, Trace
from viz.outputs import has_output
from viz.selection import Fact, Selection

CLOSE = 1e-3
"""How near what is computed again must be to what the model gave, relative to its size."""

BUNDLES: Mapping[str, tuple[str, ...]] = {
    "norm": ("norm", "add_norm"),
    "written_norm": ("written_norm",),
    "mlp_norm": ("mlp_norm", "mlp_add_norm"),
    "mlp_written_norm": ("mlp_written_norm",),
    "final_norm": ("final_norm",),
}
"""Where a norm stands, by the bundle that has its numbers → its stages: before the sublayer, or after the sum."""

STAGES: Mapping[str, str] = {stage: bundle for bundle, stages in BUNDLES.items() for stage in stages}
"""Stage → its bundle."""


@dataclass(frozen=True)
class Norm:
    """One norm: what it received and what it gave, (position, d_model), and its parameters, (d_model,)."""

    given: Array
    normed: Array
    gamma: Array
    beta: Array | None
    """None in RMSNorm."""
    epsilon: float
    written: Array | None
    """What the sublayer wrote, where the norm reads the sum with it."""

    @property
    def kind(self) -> str:
        """`layer` or `rms`."""
        return "rms" if self.beta is None else "layer"


def told(trace: Trace, block: Block) -> Mapping[str, str]:
    """Stage → the text that tells it, for every norm that a block has."""
    found = {bundle: norm_of(trace, block, bundle) for bundle in BUNDLES}
    tells = {}
    for bundle, norm in found.items():
        if norm is not None:
            before, *after = BUNDLES[bundle]
            tells |= (
                {before: f"{before}_{norm.kind}"} if norm.written is None else {one: one for one in after}
            )
    return tells


def norm_of(trace: Trace, block: Block, bundle: str) -> Norm | None:
    """The norm of a block that a bundle has; None where it is not known."""
    place, sublayer = _place(trace, block, bundle), _sublayer(block, bundle)
    needed = (Site.NORM, Site.NORM_WEIGHT, Site.NORM_EPSILON)
    if not place or any((site, place) not in trace.arrays for site in needed):
        return None
    wrote = (Site.MLP_OUTPUT if sublayer.endswith(".mlp") else Site.ATTENTION_OUTPUT, sublayer)
    given = wrote if bundle.endswith("written_norm") else (Site.NORM_INPUT, place)
    total = (Site.RESIDUAL_SUM, place)
    found = [_norm(trace, place, given)] if given in trace.arrays else []
    found += [_norm(trace, place, total, wrote)] if {wrote, total} <= trace.arrays.keys() else []
    return next((norm for norm in found if _is_proved(norm) and _fits(trace, block, norm)), None)


def _sublayer(block: Block, bundle: str) -> str:
    """The place of the sublayer that a norm belongs to."""
    layer = block.name.rsplit(".", 1)[0]
    return f"{layer}.mlp" if bundle.startswith("mlp_") else block.name


def _place(trace: Trace, block: Block, bundle: str) -> str:
    """The place of a norm in the trace; "" where it belongs to another block, or has been shown before."""
    layer, sublayer = block.name.rsplit(".", 1)[0], _sublayer(block, bundle)
    if bundle == "final_norm":
        return layer.split(".")[0] if has_output(trace, block) else ""
    last = [one.name for one in trace.blocks if one.name.rsplit(".", 1)[0] == layer][-1]
    if sublayer != block.name and (block.name != last or _is_shared(trace, block.name, sublayer)):
        return ""
    return f"{sublayer}.written" if bundle.endswith("written_norm") else sublayer


def _is_shared(trace: Trace, block: str, mlp: str) -> bool:
    """Whether attention and the feed-forward network beside it read one norm, as in GPT-J."""
    places = [(Site.NORM, block), (Site.NORM, mlp)]
    if any(place not in trace.arrays for place in places):
        return False
    before, beside = (trace.array(*place) for place in places)
    return np.array_equal(before, beside)


def _fits(trace: Trace, block: Block, norm: Norm) -> bool:
    """Whether it has a row for each token of the block's queries."""
    return len(norm.given) == len(trace.tokens[block.query_stream])


def _norm(trace: Trace, place: str, given: tuple[Site, str], wrote: tuple[Site, str] | None = None) -> Norm:
    bias = (Site.NORM_BIAS, place)
    return Norm(
        given=trace.array(*given),
        normed=trace.array(Site.NORM, place),
        gamma=trace.array(Site.NORM_WEIGHT, place),
        beta=trace.array(*bias) if bias in trace.arrays else None,
        epsilon=float(trace.array(Site.NORM_EPSILON, place)),
        written=None if wrote is None else trace.array(*wrote),
    )


def _is_proved(norm: Norm) -> bool:
    if norm.given.shape != norm.normed.shape or (norm.written is not None and norm.beta is None):
        return False
    if norm.written is not None and norm.written.shape != norm.given.shape:
        return False
    made = _plain(norm) * norm.gamma + (0 if norm.beta is None else norm.beta)
    return bool(np.abs(made - norm.normed).max() <= CLOSE * max(1.0, float(np.abs(norm.normed).max())))


def _plain(norm: Norm) -> NDArray[np.floating]:
    """What was given, brought to one size."""
    x = norm.given if norm.beta is None else norm.given - norm.given.mean(axis=1, keepdims=True)
    return x / np.sqrt((x**2).mean(axis=1, keepdims=True) + norm.epsilon)


def arrays(trace: Trace, block: Block, bundle: str) -> Mapping[str, NDArray]:
    """What the page shows of a norm, each as a matrix."""
    norm = norm_of(trace, block, bundle)
    if norm is None:
        return {}
    rows = {"norm_given": norm.given, "norm": norm.normed, "gamma": norm.gamma[None]}
    rows |= {"norm_epsilon": np.array([norm.epsilon], np.float32)}
    rows |= {} if norm.beta is None else {"beta": norm.beta[None]}
    wrote = "mlp_output" if bundle == "mlp_norm" else "attention_output"
    return rows if norm.written is None else rows | {wrote: norm.written}


def facts(trace: Trace, block: Block, at: Selection) -> dict[str, Fact]:
    """How one number of the output came to be, of the norm that is in view; in any other stage, of attention's."""
    norm = norm_of(trace, block, STAGES.get(at.stage, "norm"))
    if norm is None:
        return {}
    row = norm.given[at.query].astype(float)
    place = min(at.dimension, len(row) - 1)
    mean = 0.0 if norm.beta is None else float(row.mean())
    spread = float(((row - mean) ** 2).mean())
    root = float(np.sqrt(spread + norm.epsilon))
    said: dict[str, Fact] = _column(norm, at.query, place) | {
        "norm_size": len(row),
        "norm_given": float(row[place]),
        "norm_spread": spread,
        "norm_root": root,
        "norm_plain": (float(row[place]) - mean) / root,
        "gamma": float(norm.gamma[place]),
        "normed": float(norm.normed[at.query, place]),
    }
    if norm.beta is not None:
        said |= {"norm_mean": mean, "beta": float(norm.beta[place])}
    if norm.written is not None:
        written = float(norm.written[at.query, place])
        said |= {"written": written, "before_sum": float(row[place]) - written}
    return said


def _column(norm: Norm, query: int, place: int) -> dict[str, Fact]:
    """What BatchNorm would take: the same dimension of every token, and this number brought to their size."""
    column = norm.given[:, place].astype(float)
    mean, spread = float(column.mean()), float(column.var())
    return {
        "column_size": len(column),
        "column_mean": mean,
        "column_spread": spread,
        "column_plain": (float(column[query]) - mean) / float(np.sqrt(spread + norm.epsilon)),
    }
