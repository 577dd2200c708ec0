"""The built-in Transformer as a model that can be recorded: its checkpoint, its blocks, its projections."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from models.builtin.checkpoint import load_translator
from models.builtin.transformer import MultiHeadAttention, Transformer
from models.builtin.translating import (
    CHARACTER_LIMIT,
    LANGUAGES,
    PAIRS,
    TOKEN_LIMIT,
    BuiltinTranslator,
    Where,
)
from models.trace import Block, GuidedHead, ModelCard, PositionalEncoding, Site

__all__ = ["CHARACTER_LIMIT", "LANGUAGES", "PAIRS", "TOKEN_LIMIT", "Translator"]


class Translator(BuiltinTranslator):
    """The Transformer of 2017, trained to translate."""

    def __init__(self, name: str, folder: Path) -> None:
        self.transformer, tokenizer, config = load_translator(folder)
        card = _card(name, self.transformer, config)
        super().__init__(self.transformer, tokenizer, card, _blocks(self.transformer))

    def described(self, arrays: Mapping[Where, np.ndarray]) -> dict[Where, np.ndarray]:  # noqa: ARG002
        """W_Q, W_K, W_V, W_O and their biases."""
        return _projections(self.transformer)

    def positions(self, arrays: Mapping[Where, np.ndarray]) -> tuple[PositionalEncoding, ...]:
        """Sines, added to the embeddings of both streams."""
        return tuple(
            PositionalEncoding("sinusoidal", array, stream)
            for (site, stream), array in arrays.items()
            if site == Site.POSITION_ENCODING
        )


def _attentions(transformer: Transformer) -> list[tuple[str, MultiHeadAttention]]:
    """The attention sublayers with their module paths, in execution order."""
    return [
        (name, module)
        for name, module in transformer.named_modules()
        if isinstance(module, MultiHeadAttention)
    ]


def _blocks(transformer: Transformer) -> tuple[Block, ...]:
    config, blocks = transformer.config, []
    for path, module in _attentions(transformer):
        stream, _, kind = module.place.split(".")
        key_stream = "encoder" if kind == "cross" else stream
        scale = 1 / math.sqrt(config.d_head)
        blocks.append(Block(module.place, config.heads, config.heads, stream, key_stream, path, scale))
    return tuple(blocks)


def _projections(transformer: Transformer) -> dict[tuple[Site, str], np.ndarray]:
    """W_Q, W_K, W_V, W_O and their biases, per head; views of the parameters, nothing is copied."""
    sites = {
        "query": (Site.QUERY_WEIGHT, Site.QUERY_BIAS),
        "key": (Site.KEY_WEIGHT, Site.KEY_BIAS),
        "value": (Site.VALUE_WEIGHT, Site.VALUE_BIAS),
    }
    arrays: dict[tuple[Site, str], np.ndarray] = {}
    for _, module in _attentions(transformer):
        for name, (weight, bias) in sites.items():
            linear: nn.Linear = getattr(module, name)
            per_head = linear.weight.detach().unflatten(0, (module.heads, -1))  # (head, d_head, d_model)
            arrays[weight, module.place] = per_head.mT.numpy()
            arrays[bias, module.place] = linear.bias.detach().unflatten(0, (module.heads, -1)).numpy()
        output = module.output.weight.detach()  # (d_model, heads · d_value)
        arrays[Site.OUTPUT_WEIGHT, module.place] = output.T.unflatten(0, (module.heads, -1)).numpy()
        arrays[Site.OUTPUT_BIAS, module.place] = module.output.bias.detach().numpy()
    return arrays


def _card(name: str, transformer: Transformer, config: Mapping[str, Any]) -> ModelCard:
    sizes = transformer.config
    return ModelCard(
        name=name,
        architecture="Transformer (2017)",
        kind="encoder-decoder",
        layers=sizes.encoder_layers + sizes.decoder_layers,
        heads=sizes.heads,
        kv_heads=sizes.heads,
        d_model=sizes.d_model,
        d_head=sizes.d_head,
        parameters=sum(parameter.numel() for parameter in transformer.parameters()),
        positions="sinusoidal",
        d_hidden=sizes.d_hidden,
        vocabulary=sizes.vocabulary,
        context_length=TOKEN_LIMIT,
        memory=sum(parameter.nbytes for parameter in transformer.parameters()),
        routes=("builtin",),
        revision=str(config.get("revision", "")),
        guided=tuple(GuidedHead(**head) for head in config.get("guided", ())),
        pairs=PAIRS,
    )
