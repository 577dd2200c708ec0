"""A translator on disk.

model.safetensors    weights in half precision
config.json          sizes, vocabulary, words of each language, guided heads
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from models.builtin import recurrent, transformer
from models.builtin.encoder_decoder import Network
from models.builtin.recurrent import Seq2Seq
from models.builtin.tokenizer import Tokenizer
from models.builtin.transformer import Transformer

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def load_translator(folder: Path) -> tuple[Transformer, Tokenizer, dict[str, Any]]:
    """The Transformer in float32 and ready to run, its tokenizer, and everything its `config.json` says."""
    return _load(folder, lambda sizes: Transformer(transformer.Config(**sizes)))


def load_seq2seq(folder: Path) -> tuple[Seq2Seq, Tokenizer, dict[str, Any]]:
    """The same for a recurrent translator."""
    return _load(folder, lambda sizes: Seq2Seq(recurrent.Config(**sizes)))


def _load(
    folder: Path, made: Callable[[Mapping[str, Any]], Network]
) -> tuple[Network, Tokenizer, dict[str, Any]]:
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    model = made(config["sizes"])
    model.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()})
    return model.eval(), Tokenizer(tuple(config["vocabulary"]), config["words"]), config


def save_translator(
    folder: Path,
    model: Transformer | Seq2Seq,
    tokenizer: Tokenizer,
    guided: list[dict[str, Any]],
    *,
    name: str,
) -> dict[str, Any]:
    """Write the folder, weights rounded to half precision; returns what was written to `config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = save({name: tensor.half().contiguous() for name, tensor in model.state_dict().items()})
    (folder / WEIGHTS).write_bytes(weights)
    config = {
        "name": name,
        "revision": hashlib.sha256(weights).hexdigest()[:12],
        "sizes": asdict(model.config),
        "guided": guided,
        "languages": [["en", "fr"], ["en", "zh"], ["zh", "en"]],
        "vocabulary": list(tokenizer.vocabulary),
        "words": {language: list(tokenizer.words(language)) for language in ("en", "fr", "zh")},
    }
    (folder / CONFIG).write_text(json.dumps(config, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return config


def parameters(model: torch.nn.Module) -> int:
    """How many numbers the model learned."""
    return sum(parameter.numel() for parameter in model.parameters())
