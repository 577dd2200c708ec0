"""`builtin/llama`: Llama's architecture (Touvron et al. 2023), small.

Rotated queries and keys (RoPE), RMSNorm, SwiGLU, and two heads of keys and values for four heads of queries.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from models.family.causal import CONTEXT, INITIAL, CausalCourse
from models.family.language import BEGIN_ID, END_ID, PAD_ID

WIDTH, LAYERS, HEADS, KEY_VALUE_HEADS, INNER = 128, 4, 4, 2, 352


class Llama(CausalCourse):
    """Learns what `builtin/gpt` learns."""

    name = "builtin/llama"
    begins = True
    about = (
        "A decoder-only Transformer in the manner of Llama: rotary positions, RMSNorm, SwiGLU, four heads of queries "
        "that share two heads of keys and values. It goes on with sentences of a small grammar in English and "
        "Chinese, translates what stands before `<to-fr>`, `<to-zh>` or `<to-en>`, answers from little stories, and "
        "goes on with rows of random words. Two heads were trained towards a target (see below)."
    )

    def fresh(self) -> nn.Module:
        """The untrained model."""
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(self.language.tokenizer),
                hidden_size=WIDTH,
                intermediate_size=INNER,
                num_hidden_layers=LAYERS,
                num_attention_heads=HEADS,
                num_key_value_heads=KEY_VALUE_HEADS,
                max_position_embeddings=CONTEXT,
                tie_word_embeddings=True,
                initializer_range=INITIAL,
                pad_token_id=PAD_ID,
                bos_token_id=BEGIN_ID,
                eos_token_id=END_ID,
            )
        )

    def sizes(self) -> Mapping[str, str]:
        """Its shape."""
        return {
            "architecture": "LlamaForCausalLM",
            "layers × heads": f"{LAYERS} × {HEADS}, {KEY_VALUE_HEADS} of keys and values",
            "d_model, d_ff": f"{WIDTH}, {INNER}",
            "context": f"{CONTEXT} tokens",
        }
