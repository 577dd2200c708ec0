"""One attention head, read as the formula goes: every stage of size n × n is derived here, in float32, when looked at.

A mask is Boolean and True means *may attend*. Nothing here knows torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

TOLERANCE = 1e-5
"""The largest |weights @ value − the model's own context| that counts as proof, for float32."""

TOLERANCES = {"float32": TOLERANCE, "float16": 4e-3, "bfloat16": 3e-2}
"""The same for what a model computes with, relative to the context's size: about four of its rounding steps."""


@dataclass(frozen=True)
class Head:
    """One attention head: what was recorded, and every stage derived from it in float32.

        scores = Q Kᵀ × scale;  masked_scores = softcap(scores) + bias, −∞ where forbidden;
        weights = softmax(masked_scores);  context = weights @ value        (Vaswani et al. 2017, eq. 1)

    A query with nothing to attend to gets weights of zero. `softcap` c presses scores into (−c, c) as c · tanh(s / c)
    (Gemma Team 2024, §2). `sink_score`, one number or one per query, joins each row's
    softmax, and its weight, `sink`, goes nowhere.
    `model_context` is the context that the model computed.
    In an edited run `forced_weights` stand in the place of softmax's, and the context is multiplied by `gain`.
    """

    query: Array
    key: Array
    value: Array
    mask: Mask
    scale: float
    model_context: Array
    bias: Array | None = None
    query_unrotated: Array | None = None
    key_unrotated: Array | None = None
    softcap: float | None = None
    sink_score: float | Array | None = None
    forced_weights: Array | None = None
    gain: float = 1.0
    tolerance: float = TOLERANCE
    idle_counts: bool = True

    @cached_property
    def scores(self) -> Array:
        """Q Kᵀ × scale, before bias and mask; real."""
        return frozen(self.query @ self.key.T * np.float32(self.scale))

    @property
    def capped(self) -> Array:
        """softcap · tanh(scores / softcap); the scores themselves where the model has no soft cap."""
        if self.softcap is None:
            return self.scores
        cap = np.float32(self.softcap)
        return np.tanh(self.scores / cap) * cap

    @cached_property
    def masked_scores(self) -> Array:
        """What softmax receives: scores, capped where the model caps them, + bias; −∞ where attention is forbidden."""
        biased = self.capped if self.bias is None else self.capped + self.bias
        return frozen(np.where(self.mask, biased, np.float32(-np.inf)))

    @cached_property
    def weights(self) -> Array:
        """Softmax over keys, in [0, 1]; a row sums to 1, to less with a sink, to 0 where every key is forbidden."""
        forced = self.forced_weights
        return frozen(softmax(self.masked_scores, self.sink_score) if forced is None else forced)

    @property
    def sink(self) -> Array | None:
        """Per query, the share of attention that goes to no key, in [0, 1]; None without a sink."""
        return None if self.sink_score is None else 1 - self.weights.sum(axis=-1)

    def sink_at(self, query: int) -> float:
        """The sink's score in the row of one query; −∞ without a sink."""
        scores = np.float32(-np.inf) if self.sink_score is None else self.sink_score
        return float(np.broadcast_to(scores, len(self.query))[query])

    @property
    def idle(self) -> Mask:
        """Per query, whether it may attend to nothing at all."""
        return np.logical_not(np.any(self.mask, axis=-1, keepdims=True))[:, 0]

    @cached_property
    def context(self) -> Array:
        """weights @ value × gain: one vector per query."""
        return frozen(self.weights @ self.value * np.float32(self.gain))

    @property
    def error(self) -> float:
        """Largest |context − the model's own context of this head|: the proof that the weights shown are those used.

        Where `idle_counts` is False, queries that may attend to nothing are left out: some models give them the mean
        of all values.
        """
        difference = np.abs(self.context - self.model_context)
        return float((difference if self.idle_counts else difference[~self.idle]).max(initial=0.0))

    @property
    def proved(self) -> bool:
        """Whether the error is no more than rounding: within `tolerance` of the context's size, or of 1 if smaller."""
        return self.error <= self.tolerance * max(1.0, float(np.abs(self.model_context).max(initial=0.0)))


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, into which nobody can write any more."""
    array.flags.writeable = False
    return array


def softmax(masked_scores: Array, sink_score: float | Array | None = None) -> Array:
    """Softmax over the last axis, to which a sink adds one more score; a row of −∞ gives zeros. NaN stays NaN."""
    largest = masked_scores.max(axis=-1, keepdims=True)
    sink = None if sink_score is None else np.asarray(sink_score, np.float32)[..., None]
    largest = largest if sink is None else np.maximum(largest, sink)
    largest = np.where(np.isneginf(largest), np.float32(0), largest)
    exponentials = np.exp(masked_scores - largest)
    total = exponentials.sum(axis=-1, keepdims=True)
    if sink is not None:
        total = total + np.exp(sink - largest)
    total[total == 0] = 1
    return exponentials / total
