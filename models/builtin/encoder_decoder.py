"""What every encoder-decoder in the box does alike: read a source, then write token by token."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

Ids = Int[Tensor, "batch position"]


class Cache:
    """What a decoder need not compute again: keys and values of each block, or the state of a recurrent network.

    It belongs to one text that is being written, or to several side by side (a batch).
    """

    def __init__(self) -> None:
        self.length = 0
        """How many positions it holds."""
        self.kept: dict[str, tuple[Tensor, ...]] = {}
        """Place → (keys, values) (batch, head, position, d_head), or (state,) (batch, unit)."""

    def grown(self, place: str, *new: Tensor) -> tuple[Tensor, ...]:
        """All keys and values of a place, once these have joined."""
        old = self.kept.get(place)
        joined = new if old is None else tuple(torch.cat(pair, dim=-2) for pair in zip(old, new, strict=True))
        self.kept[place] = joined
        return joined

    def reorder(self, rows: Int[Tensor, "row"]) -> None:
        """From now on these rows of the batch go on, in this order."""
        self.kept = {place: tuple(each[rows] for each in kept) for place, kept in self.kept.items()}


class EncoderDecoder(nn.Module, ABC):
    """An encoder, which reads the source once, and a decoder, which reads what is written so far."""

    embedding: nn.Embedding

    def forward(
        self, source: Ids, target: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target vocabulary"]:
        """Logits of the token after each target position, all in one pass (teacher forcing)."""
        return self.decode(target, self.encode(source), source)

    @abstractmethod
    def encode(self, source: Ids) -> Float[Tensor, "batch position d_encoded"]:
        """One vector for each source token, made in the light of other tokens."""

    @abstractmethod
    def decode(
        self,
        target: Int[Tensor, "batch target"],
        encoded: Float[Tensor, "batch key d_encoded"],
        source: Int[Tensor, "batch key"],
        cache: Cache | None = None,
    ) -> Float[Tensor, "batch new vocabulary"]:
        """Logits of the next token at each target position; a position never sees a later one.

        With a cache, only of those positions that it does not hold yet.
        """

    @torch.no_grad()
    def greedy(
        self, source: Ids, start: Int[Tensor, "batch 1"], end: int, limit: int, *, cached: bool = True
    ) -> Int[Tensor, "batch output"]:
        """The most probable token at each step, from `start` on, until every sentence has ended or `limit` tokens.

        Without a cache every row is computed anew at each step, as edits want it that name rows.
        """
        encoded, target, cache = self.encode(source), start, Cache() if cached else None
        for _ in range(limit):
            chosen = self.decode(target, encoded, source, cache)[:, -1].argmax(dim=-1, keepdim=True)
            target = torch.cat([target, chosen], dim=1)
            if (target == end).any(dim=1).all():
                break
        return target


Network = TypeVar("Network", bound=EncoderDecoder)
"""One kind of encoder-decoder."""
