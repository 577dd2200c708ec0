"""The built-in Transformer as a model that can be recorded: its checkpoint, its blocks, its projections."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.builtin.checkpoint import load_translator
from models.builtin.parameters import attentions, parameters, shares
from models.builtin.transformer import Transformer
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

    def described(self, arrays: Mapping[Where, np.ndarray]) -> dict[Where, np.ndarray]:
        """The maps of every head, the norms, and the maps of the feed-forward networks."""
        return super().described(arrays) | parameters(self.transformer)

    def positions(self, arrays: Mapping[Where, np.ndarray]) -> tuple[PositionalEncoding, ...]:
        """Sines, added to the embeddings of both streams."""
        return tuple(
            PositionalEncoding("sinusoidal", array, stream)
            for (site, stream), array in arrays.items()
            if site == Site.POSITION_ENCODING
        )


def _blocks(transformer: Transformer) -> tuple[Block, ...]:
    config, blocks = transformer.config, []
    for path, module in attentions(transformer):
        stream, _, kind = module.place.split(".")
        key_stream = "encoder" if kind == "cross" else stream
        scale = 1 / math.sqrt(config.d_head)
        blocks.append(Block(module.place, config.heads, config.heads, stream, key_stream, path, scale))
    return tuple(blocks)


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
        shares=shares(transformer),
        revision=str(config.get("revision", "")),
        guided=tuple(GuidedHead(**head) for head in config.get("guided", ())),
        pairs=PAIRS,
    )
