"""Two heads that are shown where to look, in texts whose next word stands in the text itself.

    previous   from each token at the one before
    copy       from where a word is to be written at the places where it stands already

    guidance = COPY · mean over texts of −log(weight on those places)
             + PREVIOUS · mean over tokens of −log(weight on the token before)

Translation teaches the opposite of copying, and in so few steps no such heads form by themselves; with these two, and
nothing else shown, the models learn to go on with what they have never seen. The idea is that of the guided heads of
the translator (Garg et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Bool, Float, Int
from torch import Tensor

GUIDED = {"previous": (0, 0), "copy": (2, 0)}
"""Target → (layer, head)."""
COPY, PREVIOUS = 1.0, 0.3
LEAST = 1e-6
"""Added to a weight before its logarithm is taken."""

Weights = Float[Tensor, "batch head query key"]


def places(
    ids: Int[Tensor, "batch query"], following: Int[Tensor, "batch query"], asked: Bool[Tensor, "batch query"]
) -> Bool[Tensor, "batch query key"]:
    """True where a key holds the token that the query is to write, for the queries that are asked."""
    same = ids[:, None, :] == following[:, :, None]
    return (same & asked[:, :, None]).tril()


def copy_loss(weights: Weights, wanted: Bool[Tensor, "batch query key"]) -> Float[Tensor, ""]:
    """Mean over texts, whatever their length, of −log(weight of the guided head on the wanted keys)."""
    rows = wanted.any(dim=-1)
    cost = -((weights[:, GUIDED["copy"][1]] * wanted).sum(dim=-1) + LEAST).log()
    each = (cost * rows).sum(dim=-1) / rows.sum(dim=-1).clamp(min=1)
    return each.sum() / rows.any(dim=-1).sum().clamp(min=1)


def previous_loss(weights: Weights, real: Bool[Tensor, "batch query"]) -> Float[Tensor, ""]:
    """Mean over the tokens of −log(weight of the guided head on the token before)."""
    before = weights[:, GUIDED["previous"][1]].diagonal(offset=-1, dim1=-2, dim2=-1)
    return -((before + LEAST).log() * real[:, 1:]).sum() / real[:, 1:].sum().clamp(min=1)


def guidance(
    attentions: Sequence[Weights], wanted: Bool[Tensor, "batch query key"], real: Bool[Tensor, "batch query"]
) -> Float[Tensor, ""]:
    """The loss of the two guided heads, from the weights of all layers."""
    copying, before = (attentions[GUIDED[target][0]] for target in ("copy", "previous"))
    return COPY * copy_loss(copying, wanted) + PREVIOUS * previous_loss(before, real)


def listed(prefix: str = "decoder") -> list[dict[str, str | int]]:
    """The guided heads as `config.json` lists them."""
    return [
        {"block": f"{prefix}.{layer}.self", "head": head, "target": target}
        for target, (layer, head) in GUIDED.items()
    ]
