"""Tiny random models, from their configuration classes, with weights large enough that attention is not uniform."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
import transformers
from transformers import logging

logging.set_verbosity_error()

IDS = torch.tensor([[7, 12, 3, 29, 18, 5, 41, 9, 22, 30]])
TARGET = torch.tensor([[2, 17, 8, 33, 11, 26]])
SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED: dict[str, Any] = {**SIZES, "num_key_value_heads": 2, "head_dim": 8}
IMAGE: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
PAIR: dict[str, Any] = {
    "vocab_size": 64,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_ffn_dim": 48,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 48,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "max_position_embeddings": 64,
    "forced_eos_token_id": None,
}
T5: dict[str, Any] = {
    "vocab_size": 64,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 48,
    "num_layers": 2,
    "num_heads": 4,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
}
LATENT: dict[str, Any] = {
    **SIZES,
    "num_key_value_heads": 4,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 12,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "moe_intermediate_size": 16,
}
GPT2: dict[str, Any] = {
    "vocab_size": 64,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
ALIBI: dict[str, Any] = {"vocab_size": 64, "hidden_size": 32}
MPT: dict[str, Any] = {"vocab_size": 64, "d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 64}
EXPERTS: dict[str, Any] = {"num_local_experts": 4, "num_experts_per_tok": 2}
TWO_KINDS: dict[str, Any] = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 4}


@dataclass(frozen=True)
class Kind:
    """One architecture: its model and configuration classes, and its settings."""

    model: str
    config: str
    settings: dict[str, Any] = field(default_factory=dict)
    inputs: Callable[[], dict[str, Any]] = lambda: {"input_ids": IDS}

    spread: float = 0.3

    def build(self, attention: str | None = None) -> Any:
        torch.manual_seed(0)
        config = getattr(transformers, self.config)(
            **self.settings, **({"attn_implementation": attention} if attention else {})
        )
        model = getattr(transformers, self.model)(config).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim > 1 and parameter.requires_grad:
                    parameter.normal_(0, self.spread if "patch" not in name else 0.05)
                elif "sink" in name or "bias" in name:
                    parameter.normal_(0, 0.3)
        return model


def pair() -> dict[str, Any]:
    return {"input_ids": IDS, "decoder_input_ids": TARGET}


def image() -> dict[str, Any]:
    return {"pixel_values": torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))}


def both() -> dict[str, Any]:
    return {"input_ids": torch.cat([IDS[:, :9], torch.tensor([[2]])], dim=1), **image()}


def wave() -> dict[str, Any]:
    return {"input_values": torch.randn(1, 400, generator=torch.Generator().manual_seed(1))}


def sound() -> dict[str, Any]:
    features = torch.randn(1, 8, 60, generator=torch.Generator().manual_seed(1))
    return {"input_features": features, "decoder_input_ids": TARGET}


ZOO = {
    "gpt2": Kind("GPT2LMHeadModel", "GPT2Config", GPT2),
    "gpt2 per layer": Kind(
        "GPT2LMHeadModel", "GPT2Config", {**GPT2, "scale_attn_by_inverse_layer_idx": True}
    ),
    "gpt2 upcast": Kind("GPT2LMHeadModel", "GPT2Config", {**GPT2, "reorder_and_upcast_attn": True}),
    "bert": Kind("BertForMaskedLM", "BertConfig", SIZES),
    "roberta": Kind("RobertaForMaskedLM", "RobertaConfig", SIZES),
    "electra": Kind("ElectraModel", "ElectraConfig", {**SIZES, "embedding_size": 32}),
    "albert": Kind("AlbertModel", "AlbertConfig", {**SIZES, "embedding_size": 16, "num_hidden_layers": 3}),
    "distilbert": Kind(
        "DistilBertForMaskedLM",
        "DistilBertConfig",
        {"vocab_size": 64, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48},
    ),
    "llama": Kind("LlamaForCausalLM", "LlamaConfig", GROUPED),
    "mistral window": Kind("MistralForCausalLM", "MistralConfig", {**GROUPED, "sliding_window": 4}),
    "mixtral": Kind("MixtralForCausalLM", "MixtralConfig", {**GROUPED, **EXPERTS}),
    "qwen2": Kind("Qwen2ForCausalLM", "Qwen2Config", GROUPED),
    "qwen3": Kind("Qwen3ForCausalLM", "Qwen3Config", GROUPED),
    "qwen3_moe": Kind(
        "Qwen3MoeForCausalLM",
        "Qwen3MoeConfig",
        {**GROUPED, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
    ),
    "gemma": Kind("GemmaForCausalLM", "GemmaConfig", GROUPED),
    "gemma2": Kind(
        "Gemma2ForCausalLM", "Gemma2Config", {**GROUPED, "attn_logit_softcapping": 5.0, "sliding_window": 4}
    ),
    "gemma3": Kind("Gemma3ForCausalLM", "Gemma3TextConfig", {**GROUPED, **TWO_KINDS}),
    "phi": Kind("PhiForCausalLM", "PhiConfig", SIZES),
    "phi3": Kind("Phi3ForCausalLM", "Phi3Config", {**SIZES, "num_key_value_heads": 2}),
    "gpt_neox": Kind("GPTNeoXForCausalLM", "GPTNeoXConfig", SIZES),
    "opt": Kind(
        "OPTForCausalLM",
        "OPTConfig",
        {**SIZES, "ffn_dim": 48, "word_embed_proj_dim": 32},
    ),
    "cohere": Kind("CohereForCausalLM", "CohereConfig", GROUPED),
    "olmo2": Kind("Olmo2ForCausalLM", "Olmo2Config", GROUPED),
    "smollm3": Kind("SmolLM3ForCausalLM", "SmolLM3Config", {**GROUPED, "no_rope_layers": [1, 0]}),
    "granite": Kind("GraniteForCausalLM", "GraniteConfig", GROUPED),
    "starcoder2": Kind("Starcoder2ForCausalLM", "Starcoder2Config", GROUPED),
    "stablelm": Kind("StableLmForCausalLM", "StableLmConfig", GROUPED),
    "glm": Kind("GlmForCausalLM", "GlmConfig", GROUPED),
    "gpt_bigcode": Kind("GPTBigCodeForCausalLM", "GPTBigCodeConfig", GPT2),
    "deepseek_v2": Kind("DeepseekV2ForCausalLM", "DeepseekV2Config", LATENT),
    "deepseek_v3": Kind("DeepseekV3ForCausalLM", "DeepseekV3Config", LATENT),
    "gpt_oss": Kind("GptOssForCausalLM", "GptOssConfig", {**GROUPED, **EXPERTS, **TWO_KINDS}),
    "llama4": Kind(
        "Llama4ForCausalLM",
        "Llama4TextConfig",
        {
            **GROUPED,
            **EXPERTS,
            "intermediate_size_mlp": 48,
            "attention_chunk_size": 4,
            "no_rope_layers": [1, 0],
        },
    ),
    "modernbert": Kind(
        "ModernBertForMaskedLM",
        "ModernBertConfig",
        {
            **SIZES,
            "local_attention": 4,
            "global_attn_every_n_layers": 2,
            "cls_token_id": 1,
            "sep_token_id": 2,
        },
    ),
    "esm": Kind(
        "EsmForMaskedLM", "EsmConfig", {**SIZES, "position_embedding_type": "rotary", "mask_token_id": 4}
    ),
    "t5": Kind("T5ForConditionalGeneration", "T5Config", T5, pair, 0.2),
    "mt5": Kind("MT5ForConditionalGeneration", "MT5Config", T5, pair, 0.2),
    "umt5": Kind("UMT5ForConditionalGeneration", "UMT5Config", T5, pair, 0.2),
    "bart": Kind("BartForConditionalGeneration", "BartConfig", PAIR, pair),
    "mbart": Kind("MBartForConditionalGeneration", "MBartConfig", PAIR, pair),
    "marian": Kind("MarianMTModel", "MarianConfig", PAIR, pair),
    "pegasus": Kind("PegasusForConditionalGeneration", "PegasusConfig", PAIR, pair),
    "m2m_100": Kind("M2M100ForConditionalGeneration", "M2M100Config", PAIR, pair),
    "whisper": Kind(
        "WhisperForConditionalGeneration",
        "WhisperConfig",
        {
            **PAIR,
            "num_mel_bins": 8,
            "max_source_positions": 30,
            "max_target_positions": 32,
            "suppress_tokens": None,
            "begin_suppress_tokens": None,
        },
        sound,
    ),
    "vit": Kind("ViTForImageClassification", "ViTConfig", IMAGE, image),
    "deit": Kind("DeiTModel", "DeiTConfig", IMAGE, image),
    "dinov2": Kind("Dinov2Model", "Dinov2Config", {**IMAGE, "mlp_ratio": 2}, image),
    "beit": Kind("BeitModel", "BeitConfig", {**IMAGE, "use_relative_position_bias": True}, image),
    "clip": Kind(
        "CLIPModel",
        "CLIPConfig",
        {"text_config": SIZES, "vision_config": IMAGE, "projection_dim": 16},
        both,
    ),
    "siglip": Kind(
        "SiglipModel",
        "SiglipConfig",
        {"text_config": {**SIZES, "projection_size": 32}, "vision_config": IMAGE},
        both,
    ),
    "granite_swa": Kind("GraniteSWAForCausalLM", "GraniteSWAConfig", GROUPED),
    "doge": Kind("DogeForCausalLM", "DogeConfig", GROUPED),
    "deepseek_v32": Kind(
        "DeepseekV32ForCausalLM",
        "DeepseekV32Config",
        {**LATENT, "index_n_heads": 2, "index_head_dim": 16, "index_topk": 4},
    ),
    "mimo_v2_flash": Kind("MiMoV2FlashForCausalLM", "MiMoV2FlashConfig", GROUPED),
    "olmo": Kind("OlmoForCausalLM", "OlmoConfig", GROUPED),
    "olmo3": Kind("Olmo3ForCausalLM", "Olmo3Config", {**GROUPED, **TWO_KINDS}),
    "nemotron": Kind("NemotronForCausalLM", "NemotronConfig", GROUPED),
    "exaone4": Kind("Exaone4ForCausalLM", "Exaone4Config", {**GROUPED, **TWO_KINDS}),
    "hunyuan": Kind("HunYuanDenseV1ForCausalLM", "HunYuanDenseV1Config", GROUPED),
    "cohere2": Kind("Cohere2ForCausalLM", "Cohere2Config", {**GROUPED, **TWO_KINDS}),
    "glm4": Kind("Glm4ForCausalLM", "Glm4Config", GROUPED),
    "apertus": Kind("ApertusForCausalLM", "ApertusConfig", GROUPED),
    "phimoe": Kind("PhimoeForCausalLM", "PhimoeConfig", {**GROUPED, **EXPERTS}),
    "granitemoe": Kind("GraniteMoeForCausalLM", "GraniteMoeConfig", {**GROUPED, **EXPERTS}),
    "olmoe": Kind("OlmoeForCausalLM", "OlmoeConfig", {**GROUPED, "num_experts": 4, "num_experts_per_tok": 2}),
    "lfm2": Kind("Lfm2ForCausalLM", "Lfm2Config", {**GROUPED, "layer_types": ["conv", "full_attention"]}),
    "jamba": Kind(
        "JambaForCausalLM",
        "JambaConfig",
        {
            **GROUPED,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "mamba_d_state": 4,
            "mamba_d_conv": 2,
            "use_mamba_kernels": False,
            "expert_layer_period": 2,
            "num_experts": 2,
        },
    ),
    "bert decoder": Kind("BertLMHeadModel", "BertConfig", {**SIZES, "is_decoder": True}),
    "biogpt": Kind("BioGptForCausalLM", "BioGptConfig", SIZES),
    "blenderbot": Kind("BlenderbotForConditionalGeneration", "BlenderbotConfig", PAIR, pair),
    "wav2vec2": Kind(
        "Wav2Vec2Model",
        "Wav2Vec2Config",
        {
            **SIZES,
            "conv_dim": (32, 32),
            "conv_stride": (5, 2),
            "conv_kernel": (10, 3),
            "num_feat_extract_layers": 2,
            "num_conv_pos_embeddings": 16,
            "num_conv_pos_embedding_groups": 2,
        },
        wave,
    ),
    "dinov2 registers": Kind(
        "Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", {**IMAGE, "mlp_ratio": 2}, image
    ),
    "dinov3": Kind("DINOv3ViTModel", "DINOv3ViTConfig", IMAGE, image),
    "chinese_clip": Kind(
        "ChineseCLIPModel", "ChineseCLIPConfig", {"text_config": SIZES, "vision_config": IMAGE}, both
    ),
}
"""Architectures that reach transformers' attention interface."""

ZOO |= {
    "bloom": Kind("BloomForCausalLM", "BloomConfig", {**ALIBI, "n_layer": 2, "n_head": 4}),
    "mpt": Kind("MptForCausalLM", "MptConfig", MPT),
    "falcon": Kind("FalconForCausalLM", "FalconConfig", SIZES),
    "gpt_neo": Kind(
        "GPTNeoForCausalLM",
        "GPTNeoConfig",
        {
            "vocab_size": 64,
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "window_size": 4,
            "attention_types": [[["global", "local"], 1]],
            "max_position_embeddings": 64,
        },
    ),
    "gptj": Kind("GPTJForCausalLM", "GPTJConfig", {**GPT2, "rotary_dim": 4}),
    "codegen": Kind("CodeGenForCausalLM", "CodeGenConfig", {**GPT2, "rotary_dim": 4}),
    "deberta_v2": Kind(
        "DebertaV2ForMaskedLM",
        "DebertaV2Config",
        {**SIZES, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    ),
    "xlnet": Kind(
        "XLNetLMHeadModel",
        "XLNetConfig",
        {"vocab_size": 64, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48},
    ),
    "mpnet": Kind("MPNetForMaskedLM", "MPNetConfig", SIZES),
    "roformer": Kind("RoFormerForMaskedLM", "RoFormerConfig", SIZES, spread=0.4),
    "openai-gpt": Kind("OpenAIGPTLMHeadModel", "OpenAIGPTConfig", GPT2),
}
"""Those with attention code of their own, which the operation tracer follows."""


@cache
def built(name: str) -> Any:
    return ZOO[name].build()
