"""`builtin/moe-sparse`: the architecture of DeepSeek-V3.2 (DeepSeek-AI 2025), small: `moe` with sparse attention.

In every layer a lightning indexer, a small attention of its own, chooses for each query the eight keys that are worth
looking at; the heads see only these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn
from transformers import DeepseekV32Config, DeepseekV32ForCausalLM

from models.family.course import Recipe
from models.family.examining import Batch
from models.family.indexer import EVERY_KEY, choose, watched
from models.family.moe import MoE

KEYS, INDEX_HEADS, INDEX_WIDTH = 8, 4, 32
DENSE_SHARE = 0.5
"""So long every key is seen, while the indexers learn where attention goes."""


class Dated(NamedTuple):
    """A batch and the step that it belongs to."""

    step: int
    batch: Batch


class SparseMoE(MoE):
    """Learns what `builtin/moe` learns, then to make do with a few keys."""

    name = "builtin/moe-sparse"
    about = ""

    def fresh(self) -> nn.Module:
        """The untrained model; in eager attention, which gives its weights to the indexers."""
        config = DeepseekV32Config(
            **self.shape(), index_topk=KEYS, index_n_heads=INDEX_HEADS, index_head_dim=INDEX_WIDTH
        )
        return DeepseekV32ForCausalLM._from_config(config, attn_implementation="eager")

    def batches(self, start: int) -> Iterator[Any]:
        """The batches, with their steps."""
        for step, batch in enumerate(super().batches(start), start):
            yield Dated(step, batch)

    def loss(self, model: Any, batch: Any) -> Tensor:
        """That of the language, and the indexers' own, which nothing else learns from."""
        step, batch = batch
        choose(model, KEYS if step >= DENSE_SHARE * self.recipe.steps else EVERY_KEY)
        with watched(model, self.read(batch)) as losses:
            language = super().loss(model, batch)
        return language + sum(losses) / len(losses)
