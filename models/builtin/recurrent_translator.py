"""The recurrent translators as models that can be recorded: checkpoint, the block of the attention if there is one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from models.builtin.checkpoint import load_seq2seq, parameters
from models.builtin.recurrent import CROSS, Attention, Seq2Seq
from models.builtin.translating import PAIRS, TOKEN_LIMIT, BuiltinTranslator, Where
from models.roles import counted
from models.trace import Block, GuidedHead, ModelCard, Site

ROLE = {"embedding": "embedding", "encoder": "recurrent", "decoder": "recurrent", "context": "attention"}
"""What the parts of the network are, by their names; the rest is the layer before the output."""


class RecurrentTranslator(BuiltinTranslator):
    """Two recurrent networks, without attention or with it. Without it a trace has no blocks."""

    readings: ClassVar[tuple[str, ...]] = ("reversed",)

    def __init__(self, name: str, folder: Path) -> None:
        self.seq2seq, tokenizer, config = load_seq2seq(folder)
        super().__init__(self.seq2seq, tokenizer, _card(name, self.seq2seq, config), _blocks(self.seq2seq))

    def described(self, arrays: Mapping[Where, np.ndarray]) -> dict[Where, np.ndarray]:
        """W_a, which makes a query of a decoder's state; keys and values are the encoder's states as they are."""
        context = self.seq2seq.context
        if not isinstance(context, Attention):
            return super().described(arrays)
        weight = context.query.weight.detach().T[None].numpy()
        return super().described(arrays) | {(Site.QUERY_WEIGHT, CROSS): weight}


def _blocks(network: Seq2Seq) -> tuple[Block, ...]:
    return (Block(CROSS, 1, 1, "decoder", "encoder", "context", 1.0),) if network.config.attention else ()


def _role(path: str, parameter: object) -> str:  # noqa: ARG001
    """What a parameter does, by the part of the network that holds it."""
    return ROLE.get(path.partition(".")[0], "other")


def _card(name: str, network: Seq2Seq, config: Mapping[str, Any]) -> ModelCard:
    sizes, heads = network.config, int(network.config.attention)
    return ModelCard(
        name=name,
        architecture=f"GRU encoder-decoder {'with attention (2015)' if heads else '(2014)'}",
        kind="encoder-decoder",
        layers=2,
        heads=heads,
        kv_heads=heads,
        d_model=sizes.d_model,
        d_head=sizes.units if heads else 0,
        parameters=parameters(network),
        positions="recurrent",
        d_hidden=sizes.units,
        vocabulary=sizes.vocabulary,
        context_length=TOKEN_LIMIT,
        memory=sum(parameter.nbytes for parameter in network.parameters()),
        routes=("builtin",) if heads else (),
        shares=counted(network, _role),
        revision=str(config.get("revision", "")),
        guided=tuple(GuidedHead(**head) for head in config.get("guided", ())),
        pairs=PAIRS,
    )
