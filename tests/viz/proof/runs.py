"""Recorded runs to compute again: tiny models from their configuration classes, and the models in the box."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from models import load
from models.catalog import CHECKPOINTS
from models.huggingface.wrap import Wrapped, wrap
from tests.viz import tiny
from tests.viz.proof import llamas, own, towers, translators
from tests.viz.proof.page import Run

PAIRS = {"t5": 0, "bart": 2, "marian": 2}
"""Encoder-decoders, and the id that their decoder begins with."""

TARGET = "w6 w30 w17 w9 w22"
"""What they are given to read there."""

PLAIN_ROTATION = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}

TINY: Mapping[str, Callable[[Any], own.Own]] = {
    "gpt2": own.Gpt2,
    "bert": towers.Bert,
    "llama": llamas.Llama,
    "qwen2": llamas.Llama,
    "qwen3": llamas.Qwen3,
    "gemma": llamas.Gemma,
    "t5": towers.T5,
    "bart": towers.Bart,
    "marian": towers.Marian,
    "mixtral": llamas.Mixtral,
    "deepseek_v3": llamas.DeepSeek,
    "vit": towers.Vit,
    "gemma2": llamas.Gemma2,
    "gpt_oss": llamas.GptOss,
    "bloom": own.Bloom,
}


@dataclass(frozen=True)
class Boxed:
    """A model in the box: how its parameters are read, what it is given, and the words that it then reads."""

    own: Callable[[Any], own.Own]
    given: Mapping[str, str]
    words: Mapping[str, str]


TYPED = "The cat sleeps."
THRICE = " ".join([TYPED] * 3)
TRANSLATED = {"text": TYPED, "target": "Le chat dort."}
READ = {"encoder": "the cat sleeps . </s>", "decoder": "<fr> le chat dort ."}

BOX: Mapping[str, Boxed] = {
    "translator": Boxed(translators.Transformer, TRANSLATED, READ),
    "translator-plain": Boxed(translators.Transformer, TRANSLATED, READ),
    "t5": Boxed(
        towers.T5,
        {"text": TYPED, "target": "猫睡觉。"},
        {"encoder": "the cat sleeps . </s>", "decoder": "<pad> 猫 睡觉 。"},
    ),
    "bert": Boxed(
        towers.Bert,
        {"text": f"{TYPED} [SEP] {TYPED}"},
        {"encoder": "[CLS] the cat sleeps . [SEP] the cat sleeps . [SEP]"},
    ),
    "gpt": Boxed(own.Gpt2, {"text": TYPED}, {"decoder": "the cat sleeps ."}),
    "llama": Boxed(llamas.Llama, {"text": TYPED}, {"decoder": "<s> the cat sleeps ."}),
    "moe": Boxed(llamas.DeepSeek, {"text": TYPED}, {"decoder": "<s> the cat sleeps ."}),
    "moe-sparse": Boxed(
        llamas.DeepSeekSparse, {"text": THRICE}, {"decoder": f"<s>{' the cat sleeps .' * 3}"}
    ),
    "vit": Boxed(towers.Vit, {}, {}),
    "swin": Boxed(towers.Swin, {}, {}),
    "seq2seq": Boxed(translators.Recurrent, TRANSLATED, READ),
    "seq2seq-attention": Boxed(translators.Recurrent, TRANSLATED, READ),
}


@cache
def tiny_run(name: str) -> Run:
    """A run of a tiny model. The parameters of its norms are drawn too: γ = 1 and β = 0 would prove little."""
    kind = tiny.kind_of(name)
    if name == "gpt_oss":
        kind = replace(kind, settings={**kind.settings, **PLAIN_ROTATION})
    module = kind.build()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    if not tiny.reads_text(name):
        return _of_pixels(module, wrap(module), TINY[name], kind.inputs()["pixel_values"])
    target = {"target": TARGET} if name in PAIRS else {}
    record = partial(wrap(module, tiny.tokenizer()).record, tiny.TEXT, **target)
    trace = record()
    read = {next(iter(trace.tokens)): _ids(tiny.TEXT.split(), tiny.WORDS)}
    if name in PAIRS:
        read["decoder"] = torch.cat([torch.tensor([PAIRS[name]]), _ids(TARGET.split(), tiny.WORDS)])
    return Run(module, TINY[name](module), trace, read, record)


@cache
def box_run(name: str) -> Run:
    """A run of a model in the box: on a sentence, or on an image of noise."""
    model, boxed = load(f"builtin/{name}"), BOX[name]
    module: Any = model.model if isinstance(model, Wrapped) else model.network
    if not boxed.given:
        size = module.config.image_size
        pixels = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
        return _of_pixels(module, model, boxed.own, pixels)
    record = partial(model.record, **boxed.given)
    known = vocabulary(name)
    read = {stream: _ids(words.split(), known) for stream, words in boxed.words.items()}
    return Run(module, boxed.own(module), record(), read, record)


def vocabulary(name: str) -> Sequence[str]:
    """The words of a model in the box by their ids, as its files have them."""
    folder = CHECKPOINTS / "builtin" / name
    if (folder / "tokenizer.json").exists():
        said = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
        return sorted(said, key=said.get)
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocabulary"]


def _ids(words: Sequence[str], known: Sequence[str]) -> Tensor:
    return torch.tensor([known.index(word) for word in words])


def _of_pixels(module: Any, model: Any, made: Callable[[Any], own.Own], pixels: Tensor) -> Run:
    record = partial(model.record, inputs={"pixel_values": pixels})
    return Run(module, made(module), record(), {"encoder": pixels.double()}, record)
