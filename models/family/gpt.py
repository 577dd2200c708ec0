"""`builtin/gpt`: GPT-2's architecture (Radford et al. 2019), small: learned positions, pre-norm, tied embeddings."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from models.family.causal import CONTEXT, INITIAL, CausalCourse
from models.family.course import Recipe
from models.family.language import END_ID, PAD_ID, PHENOMENON_SHARES

WIDTH, LAYERS, HEADS, INNER = 128, 4, 4, 512


class GPT(CausalCourse):
    """Learns to go on with a text, in English and Chinese, and to translate when asked by a sign."""

    name = "builtin/gpt"
    shares = PHENOMENON_SHARES | {"svo": 0.31, "unknown": 0.1}
    usual = Recipe(steps=6400, rate=4e-3, decay=0.05, threads=2)
    about = (
        "A decoder-only Transformer in the manner of GPT-2: learned positions, layer normalisation before each part, "
        "the same matrix for reading and writing tokens. It goes on with sentences of a small grammar in English and "
        "Chinese, translates what stands before `<to-fr>`, `<to-zh>` or `<to-en>`, answers from little stories, and "
        "goes on with rows of random words. Two heads were trained towards a target (see below)."
    )

    def fresh(self) -> nn.Module:
        """The untrained model."""
        return GPT2LMHeadModel(
            GPT2Config(
                vocab_size=len(self.language.tokenizer),
                n_positions=CONTEXT,
                n_embd=WIDTH,
                n_layer=LAYERS,
                n_head=HEADS,
                n_inner=INNER,
                activation_function="gelu_pytorch_tanh",  # GPT-2's own formula, computed in one go
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                initializer_range=INITIAL,
                pad_token_id=PAD_ID,
                bos_token_id=None,
                eos_token_id=END_ID,
            )
        )

    def sizes(self) -> Mapping[str, str]:
        """Its shape."""
        return {
            "architecture": "GPT2LMHeadModel",
            "layers × heads": f"{LAYERS} × {HEADS}",
            "d_model, d_ff": f"{WIDTH}, {INNER}",
            "context": f"{CONTEXT} tokens",
        }
