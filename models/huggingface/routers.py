"""Routers of experts: each expert's weight for each token, and its probability before some were chosen.

    form                                                   models
    (scores, weights of the chosen, their numbers)         Mixtral, Qwen MoE, gpt-oss, DeepSeek, Jamba, OLMoE
    (weights of all, logits)                               Llama 4

How a model turns logits into probabilities is found from the numbers: softmax or sigmoid, whichever is proportional to
the weights of the chosen experts.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.huggingface.steps import Step

PROBABILITIES = {
    "probability": lambda scores: scores,
    "softmax": lambda scores: scores.softmax(dim=-1),
    "sigmoid": lambda scores: scores.sigmoid(),
}
"""Part of a `Wanted` → what makes each expert's probability from the scores that the router gives."""


def is_router(step: Step) -> bool:
    """Whether a module gives the weights of the experts in one of the known forms; the second must prove it."""
    parts = _parts(step.whole)
    return parts is not None and (len(step.whole) == 3 or way_of(step.whole) is not None)


def router(output: Any) -> Tensor | None:
    """(position, expert): the weight of each expert for each token, 0 where it was not chosen."""
    parts = _parts(output)
    return None if parts is None else parts[1]


def probabilities(output: Any, way: str) -> Tensor | None:
    """(position, expert): the probability of each expert for each token, in [0, 1], before some were chosen."""
    parts = _parts(output)
    return None if parts is None else PROBABILITIES[way](parts[0].float())


def way_of(output: Any) -> str | None:
    """How the router makes probabilities: the way that gives the weights of the chosen experts, or multiples."""
    parts = _parts(output)
    if parts is None:
        return None
    scores, weights = parts[0].float(), parts[1].float()
    ways = [way for way in PROBABILITIES if way != "probability" or _are_probabilities(scores)]
    made = {way: PROBABILITIES[way](scores) * (weights != 0) for way in ways}
    exact = [way for way in ways if torch.allclose(made[way], weights, rtol=1e-2, atol=1e-3)]
    several = bool(((weights != 0).sum(dim=-1) > 1).all())
    multiples = [way for way in ways if several and _proportional(made[way], weights)]
    return (*exact, *multiples, None)[0]


def _parts(output: Any) -> tuple[Tensor, Tensor] | None:
    """(scores, weights), both (position, expert)."""
    if not isinstance(output, tuple) or not all(isinstance(part, Tensor) for part in output):
        return None
    if len(output) == 3:
        return _spread(*output)
    if len(output) == 2 and output[0].shape == output[1].shape and output[0].ndim == 2:
        weights, scores = output
        fits = weights.is_floating_point() and bool(((weights >= 0) & (weights <= 1)).all())
        return (scores, weights) if fits and bool((weights == 0).any()) else None
    return None


def _spread(scores: Tensor, weights: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor] | None:
    if not (chosen.dtype == torch.long and weights.shape == chosen.shape and scores.ndim == 2 == chosen.ndim):
        return None
    return scores, torch.zeros_like(scores, dtype=weights.dtype).scatter_(1, chosen, weights)


def _are_probabilities(scores: Tensor) -> bool:
    return bool((scores >= 0).all()) and torch.allclose(scores.sum(dim=-1), scores.new_ones(()), atol=1e-2)


def _proportional(made: Tensor, weights: Tensor) -> bool:
    """Whether each row is a multiple of the other's."""
    size = made.norm(dim=-1) * weights.norm(dim=-1)
    return bool(((made * weights).sum(dim=-1) >= size * (1 - 1e-4)).all())
