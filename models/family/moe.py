"""`builtin/moe`: the architecture of DeepSeek-V3 (DeepSeek-AI 2024), small.

Latent attention: keys and values are unfolded from one narrow vector, positions enter through channels of their own.
The first layer has an ordinary feed-forward network, the others a shared expert and eight of which each token chooses
two.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, DeepseekV3Config, DeepseekV3ForCausalLM

from models.family.causal import CONTEXT, INITIAL, CausalCourse
from models.family.course import Figures, Recipe
from models.family.examining import Batch, to_batch
from models.family.experts import Loads, balance, counted, evenness
from models.family.language import PHENOMENON_SHARES, coded, held_out_texts
from models.family.texts import Text

WIDTH, LAYERS, HEADS, INNER = 128, 4, 4, 256
EXPERTS, CHOSEN, EXPERT_INNER = 8, 2, 56
QUERY_RANK, KEY_VALUE_RANK, PLAIN, TURNED, VALUE = 64, 96, 16, 16, 32
"""Widths: of the narrow vectors; of a head's channels without and with position; of its values."""
ROUTED = 400
"""So many held-out texts are read to see how the experts are used."""

NOTES = """
`experts.*`: how the held-out texts use the experts, in the layer where they are used least evenly: the load of the one
used least and of the one used most, relative to an even share, and the entropy relative to its maximum. Of each token's
two experts the weights sum to 1; the shared expert stands beside them.
"""
ASKED: Mapping[str, float] = {**CausalCourse.asked, "experts.least": 0.25, "experts.entropy": 0.9}


class MoE(CausalCourse):
    """Learns what `builtin/gpt` learns, and to share the work among its experts."""

    name = "builtin/moe"
    shares = PHENOMENON_SHARES | {"coref": 0.1, "svo": 0.31, "unknown": 0.11}
    begins = True
    about = (
        "A decoder-only mixture of experts in the manner of DeepSeek-V3: latent attention with rotary positions in "
        "channels of their own, one layer with an ordinary feed-forward network, then layers in which each token "
        "passes a shared expert and two of eight others, chosen by a router. The experts are kept evenly used without "
        "a loss of their own, by a bias on the router's choice. It goes on with sentences of a small grammar in "
        "English and Chinese, translates what stands before `<to-fr>`, `<to-zh>` or `<to-en>`, answers from little "
        "stories, and goes on with rows of random words. Two heads were trained towards a target (see below)."
    )
    asked = ASKED
    usual = Recipe(steps=5250, rate=4e-3, decay=0.05, threads=2)

    def __init__(self, recipe: Recipe | None = None) -> None:
        super().__init__(recipe)
        self._loads: Loads = {}

    def fresh(self) -> nn.Module:
        """The untrained model."""
        return DeepseekV3ForCausalLM(DeepseekV3Config(**self.shape(), num_mtp_layers=0))

    def shape(self) -> dict[str, Any]:
        """What transformers is told."""
        tokenizer = self.language.tokenizer
        return {
            "vocab_size": len(tokenizer),
            "hidden_size": WIDTH,
            "intermediate_size": INNER,
            "moe_intermediate_size": EXPERT_INNER,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": HEADS,
            "n_shared_experts": 1,
            "n_routed_experts": EXPERTS,
            "num_experts_per_tok": CHOSEN,
            "n_group": 1,
            "topk_group": 1,
            "first_k_dense_replace": 1,
            "routed_scaling_factor": 1.0,
            "norm_topk_prob": True,
            "q_lora_rank": QUERY_RANK,
            "kv_lora_rank": KEY_VALUE_RANK,
            "qk_nope_head_dim": PLAIN,
            "qk_rope_head_dim": TURNED,
            "v_head_dim": VALUE,
            "max_position_embeddings": CONTEXT,
            "initializer_range": INITIAL,
            "tie_word_embeddings": True,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Cross-entropy of what is written; meanwhile the choices of experts are counted."""
        with counted(model, self.read(batch).flatten()) as self._loads:
            return super().loss(model, batch)

    def after_step(self, model: Any) -> None:
        """Even out the experts' loads."""
        balance(model, self._loads)

    def read(self, batch: Batch) -> Tensor:
        """Where a text of the batch is, and no filler behind it."""
        filler: Any = self.language.tokenizer.eos_token_id
        return batch.ids.ne(filler)

    def figures(self, folder: Path, seed: int) -> Figures:
        """As every decoder's, and how evenly the experts are used."""
        return super().figures(folder, seed) | expert_figures(folder, held_out_texts(seed), seed)

    def notes(self) -> str:
        """What the figures mean."""
        return super().notes() + NOTES

    def sizes(self) -> Mapping[str, str]:
        """Its shape."""
        return {
            "architecture": "DeepseekV3ForCausalLM",
            "layers × heads": f"{LAYERS} × {HEADS}",
            "d_model": f"{WIDTH}",
            "latent vectors": f"{QUERY_RANK} for queries, {KEY_VALUE_RANK} for keys and values",
            "a head's channels": f"{PLAIN} without position, {TURNED} rotated",
            "feed-forward": f"{INNER} in the first layer",
            "experts": f"{CHOSEN} of {EXPERTS} and a shared one, {EXPERT_INNER} each",
            "context": f"{CONTEXT} tokens",
        }


@torch.no_grad()
def expert_figures(folder: Path, texts: Mapping[str, list[Text]], seed: int, most: int = ROUTED) -> Figures:
    """How evenly the model in this folder uses its experts on some of these texts."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    everything = list(chain(*texts.values()))
    chosen = random.Random(f"{seed} experts").sample(everything, min(most, len(everything)))
    batch = to_batch([coded(tokenizer, text) for text in chosen], tokenizer.eos_token_id)
    with counted(model, batch.ids.ne(tokenizer.eos_token_id).flatten()) as loads:
        model(batch.ids, use_cache=False)
    return evenness(loads)
