"""Random words, again and again: only a head that looks for what followed last time can go on.

    A B C D A B C D        at the second B: which token came after the first B? → C

Such an induction head (Elhage et al. 2021, Olsson et al. 2022) shows in its weights: its score is the mean weight, over
the tokens of the second round, on the token after the first occurrence of the same token. A previous-token head, of
which it is built, looks from each token at the one before.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.family.texts import Text

SHORTEST, LONGEST = 5, 24
AT_FIRST = (3, 6)
"""The lengths that training begins with: where there is little to choose from, copying is learned quickly."""
MOST_WORDS = 94
"""So many words a text of them has at most; with a begin and an end it fits in 96 positions."""


class HeadScore(NamedTuple):
    """One head, and how much of its attention lies where the role says."""

    layer: int
    head: int
    score: float


def row_of(words: Sequence[str], chance: random.Random, length: int) -> list[str]:
    """Random words, all different, each of them one token."""
    return chance.sample(words, length)


def repeated(words: Sequence[str], chance: random.Random, grown: float = 1.0) -> Text:
    """A row of random words, and the same row once more or several times.

    `grown`: from 0, short rows said twice, to 1, rows of any length, said two to five times.
    """
    shortest, longest = (
        round(a + (b - a) * grown) for a, b in zip(AT_FIRST, (SHORTEST, LONGEST), strict=True)
    )
    row = row_of(words, chance, chance.randint(shortest, longest))
    times = chance.randint(1, max(1, min(round(1 + 3 * grown), MOST_WORDS // len(row) - 1)))
    return Text(" ".join(row), " ".join(row * times), "repeated", ends=False)


def twice(rows: Sequence[Sequence[int]], begin: Sequence[int] = ()) -> Int[Tensor, "batch token"]:
    """Equally long rows of ids, each two times, after the tokens that begin a text."""
    return torch.tensor([[*begin, *row, *row] for row in rows])


def following_weight(
    weights: Float[Tensor, "batch head query key"], length: int, begin: int = 0
) -> Float[Tensor, " head"]:
    """The induction score of each head: rows of `length` tokens two times, after `begin` other tokens."""
    second = torch.arange(begin + length, begin + 2 * length)
    return weights[:, :, second, second - length + 1].mean(dim=(0, 2))


def previous_weight(weights: Float[Tensor, "batch head query key"]) -> Float[Tensor, " head"]:
    """The mean weight of each head on the token just before."""
    return weights.diagonal(offset=-1, dim1=-2, dim2=-1).mean(dim=(0, 2))


@torch.no_grad()
def head_scores(
    model: Any, rows: Sequence[Sequence[int]], begin: Sequence[int] = ()
) -> Mapping[str, list[HeadScore]]:
    """`induction` and `previous` → every head, best first; the model must give its attention weights out."""
    out = model(twice(rows, begin), output_attentions=True).attentions
    scores = {
        "induction": [following_weight(weights, len(rows[0]), len(begin)) for weights in out],
        "previous": [previous_weight(weights) for weights in out],
    }
    return {role: _ranked(layers) for role, layers in scores.items()}


def _ranked(layers: Sequence[Tensor]) -> list[HeadScore]:
    found = [
        HeadScore(layer, head, score)
        for layer, row in enumerate(layers)
        for head, score in enumerate(row.tolist())
    ]
    return sorted(found, key=lambda head: -head.score)
