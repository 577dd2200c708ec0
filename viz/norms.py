"""The norm of an attention block: before its queries, keys and values, or after what it wrote was added.

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

from models.trace import Array, Site, Trace
from viz.selection import Fact, Selection

CLOSE = 1e-3
"""How near what is computed again must be to what the model gave, relative to its size."""


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
    """What attention wrote, where the norm reads the sum with it."""

    @property
    def told(self) -> str:
        """The text that tells it."""
        return "add_norm" if self.written is not None else "norm_rms" if self.beta is None else "norm_layer"


def norm_of(trace: Trace, block: str) -> Norm | None:
    """The norm of a block; None where it is not known."""
    needed = (Site.NORM, Site.NORM_WEIGHT, Site.NORM_EPSILON)
    if any((site, block) not in trace.arrays for site in needed):
        return None
    before, after = ((site, block) in trace.arrays for site in (Site.NORM_INPUT, Site.ATTENTION_OUTPUT))
    after = after and (Site.RESIDUAL_SUM, block) in trace.arrays
    for there, site in ((before, Site.NORM_INPUT), (after, Site.RESIDUAL_SUM)):
        found = _norm(trace, block, site) if there else None
        if found is not None and _is_proved(found):
            return found
    return None


def _norm(trace: Trace, block: str, site: Site) -> Norm:
    bias, is_after = (Site.NORM_BIAS, block), site is Site.RESIDUAL_SUM
    return Norm(
        given=trace.array(site, block),
        normed=trace.array(Site.NORM, block),
        gamma=trace.array(Site.NORM_WEIGHT, block),
        beta=trace.array(*bias) if bias in trace.arrays else None,
        epsilon=float(trace.array(Site.NORM_EPSILON, block)),
        written=trace.array(Site.ATTENTION_OUTPUT, block) if is_after else None,
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


def arrays(trace: Trace, block: str) -> Mapping[str, NDArray]:
    """What the page shows of a block's norm, each as a matrix."""
    norm = norm_of(trace, block)
    if norm is None:
        return {}
    rows = {"norm_given": norm.given, "norm": norm.normed, "gamma": norm.gamma[None]}
    rows |= {"norm_epsilon": np.array([norm.epsilon], np.float32)}
    rows |= {} if norm.beta is None else {"beta": norm.beta[None]}
    return rows if norm.written is None else rows | {"attention_output": norm.written}


def facts(trace: Trace, at: Selection) -> dict[str, Fact]:
    """How one number of the norm's output came to be."""
    norm = norm_of(trace, at.block)
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
