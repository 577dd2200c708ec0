"""Tiny models for the tracer's tests, and the proof of a capture: weights and context computed again."""

import math
from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor

from models.huggingface.capture import Capture

WORDS = 60
BERT = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 64,
}
GPT = {"vocab_size": WORDS, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "image_size": 32,
    "patch_size": 16,
}
DEBERTA = BERT | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False}
FALCON = {k: BERT[k] for k in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")}
FUNNEL = {
    "vocab_size": WORDS,
    "d_model": 32,
    "n_head": 4,
    "d_head": 8,
    "d_inner": 37,
    "num_decoder_layers": 1,
}
ENDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "sep_token_id": 3}


def text(padded: str = "right", length: int = 9) -> dict:
    ids = torch.randint(5, WORDS - 5, (1, length), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    if padded:
        mask[:, slice(2) if padded == "left" else slice(-2, None)] = 0
    return {"input_ids": ids, "attention_mask": mask}


def image(size: int = 32) -> dict:
    return {"pixel_values": torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(2))}


def boxes() -> dict:
    return {"bbox": torch.arange(36).view(1, 9, 4)}


MODELS: dict[str, tuple[str, str, dict, Callable[[], dict]]] = {
    "bloom": ("Bloom", "ForCausalLM", {k: GPT[k] for k in ("vocab_size", "n_layer", "n_head")}
              | {"hidden_size": 32}, lambda: text("left")),
    "mpt": ("Mpt", "ForCausalLM", {"vocab_size": WORDS, "d_model": 32, "n_layers": 2, "n_heads": 4,
            "max_seq_len": 64}, lambda: text("left")),
    "falcon": ("Falcon", "ForCausalLM", FALCON, lambda: text("left")),
    "falcon, grouped": ("Falcon", "ForCausalLM", FALCON | {"num_kv_heads": 2, "new_decoder_architecture": True},
                        lambda: text("left")),
    "gpt_neo": ("GPTNeo", "ForCausalLM", {"vocab_size": WORDS, "hidden_size": 32, "num_layers": 2,
                "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 4,
                "max_position_embeddings": 64}, lambda: text("left")),
    "gptj": ("GPTJ", "ForCausalLM", GPT | {"rotary_dim": 4}, lambda: text("left")),
    "codegen": ("CodeGen", "ForCausalLM", GPT | {"rotary_dim": 4}, lambda: text("left")),
    "openai-gpt": ("OpenAIGPT", "LMHeadModel", GPT, lambda: text("left")),
    "xglm": ("XGLM", "ForCausalLM", {"vocab_size": WORDS, "d_model": 32, "num_layers": 2, "attention_heads": 4,
             "ffn_dim": 37}, lambda: text("left")),
    "deberta": ("Deberta", "Model", DEBERTA, text),
    "deberta-v2": ("DebertaV2", "Model", DEBERTA, text),
    "deberta-v2, shared keys": ("DebertaV2", "Model", DEBERTA | {"share_att_key": True, "position_buckets": 4}, text),
    "xlnet": ("XLNet", "Model", {"vocab_size": WORDS, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 37},
              lambda: text() | {"token_type_ids": torch.tensor([[0] * 5 + [1] * 4])}),
    "roformer": ("RoFormer", "Model", BERT | {"embedding_size": 32}, text),
    "mpnet": ("MPNet", "Model", BERT, text),
    "convbert": ("ConvBert", "Model", BERT | {"embedding_size": 32}, text),
    "xlm": ("XLM", "Model", {"vocab_size": WORDS, "emb_dim": 32, "n_layers": 2, "n_heads": 4}, text),
    "funnel": ("Funnel", "Model", FUNNEL | {"block_sizes": [1, 1]}, text),
    "funnel, factorized": ("Funnel", "Model", FUNNEL | {"block_sizes": [1, 1], "attention_type": "factorized"}, text),
    "big_bird, full": ("BigBird", "Model", BERT | {"attention_type": "original_full"}, text),
    "longt5, local": ("LongT5", "EncoderModel", {"vocab_size": WORDS, "d_model": 32, "d_kv": 8, "num_layers": 2,
                      "num_heads": 4, "d_ff": 37, "local_radius": 3}, lambda: text(length=20)),
    "perceiver": ("Perceiver", "ForMaskedLM", {"vocab_size": WORDS, "d_model": 32, "d_latents": 24,
                  "num_latents": 6, "num_self_attends_per_block": 2, "num_self_attention_heads": 4,
                  "num_cross_attention_heads": 4, "max_position_embeddings": 9}, text),
    "blip": ("Blip", "ForConditionalGeneration", {"text_config": FALCON | {"encoder_hidden_size": 32} | ENDS,
             "vision_config": VISION, "projection_dim": 16}, lambda: text("") | image()),
    "git": ("Git", "ForCausalLM", BERT | {"vision_config": VISION} | ENDS, lambda: text("") | image()),
    "vilt": ("Vilt", "Model", BERT | {"image_size": 32, "patch_size": 16}, lambda: text() | image()),
    "swinv2": ("Swinv2", "Model", {"image_size": 64, "patch_size": 4, "embed_dim": 16, "depths": [2, 2],
               "num_heads": [2, 4], "window_size": 4}, lambda: image(64)),
    "layoutlmv3": ("LayoutLMv3", "Model", BERT | {"coordinate_size": 6, "shape_size": 4, "visual_embed": False,
                   "has_relative_attention_bias": True, "has_spatial_attention_bias": True},
                   lambda: text() | boxes()),
    "siglip": ("SiglipVision", "Model", VISION, image),
}  # fmt: skip


def build(name: str, implementation: str | None = None) -> Any:
    """A tiny model with weights so large that its attention is far from uniform."""
    family, kind, settings, _ = MODELS[name]
    config = getattr(transformers, f"{family}Config")(**settings)
    chosen = {"attn_implementation": implementation} if implementation else {}
    model = getattr(transformers, family + kind)._from_config(config, **chosen)
    draws = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.ndim > 1):
            parameter.copy_(torch.randn(parameter.shape, generator=draws) * 0.25)
    return model.eval()


def weights(capture: Capture) -> Tensor:
    """softmax(scale · Q Kᵀ + bias) where allowed, in float32; a row with nothing to attend to gives zeros."""
    key = capture.key.repeat_interleave(len(capture.query) // len(capture.key), dim=0)
    scores = capture.query @ key.mT * capture.scale
    if capture.softcap is not None:
        scores = capture.softcap * torch.tanh(scores / capture.softcap)
    if capture.bias is not None:
        scores = scores + capture.bias
    return scores.masked_fill(~allowed(capture), -math.inf).softmax(dim=-1).nan_to_num(0.0)


def allowed(capture: Capture) -> Tensor:
    shape = (len(capture.query), capture.query.shape[1], capture.key.shape[1])
    return torch.ones(shape, dtype=torch.bool) if capture.mask is None else capture.mask.expand(shape)


def live(capture: Capture) -> Tensor:
    """Rows that may attend to something: (head, q)."""
    return allowed(capture).any(dim=-1)


def context_error(capture: Capture) -> float:
    value = capture.value.repeat_interleave(len(capture.query) // len(capture.value), dim=0)
    return (weights(capture) @ value - capture.context)[live(capture)].abs().max().item()


def weight_error(call: tuple[Capture, ...], reference: Tensor) -> float:
    shown = torch.stack([weights(capture) for capture in call])
    if shown.numel() != reference.numel():
        return math.inf
    rows = torch.stack([live(capture) for capture in call])
    return (shown - reference.reshape(shown.shape))[rows].abs().max().item()
