"""What a Hugging Face model is, counted from the loaded model."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import torch
from torch import nn

from models.huggingface.assemble import Assembly
from models.huggingface.capture import Capture
from models.huggingface.device import first_device
from models.huggingface.dummy import text_config
from models.huggingface.places import Plan
from models.huggingface.positions import is_bare
from models.huggingface.roles import shares
from models.huggingface.study import Study
from models.parts import TARGETS
from models.trace import GuidedHead, ModelCard, PositionalEncoding, Site


def model_card(
    model: Any,
    name: str,
    plan: Plan | None = None,
    seen: Assembly | None = None,
    positions: Sequence[PositionalEncoding] = (),
    *,
    found: Study | None = None,
) -> ModelCard:
    """The card: sizes as a dummy forward showed them, the rest from the parameters and the configuration."""
    config, block = text_config(model), seen.blocks[0] if seen else None
    query = seen.arrays[Site.QUERY, block.name] if seen and block else None
    experts, chosen = _experts(seen)
    bare = bool(plan and found and is_bare(model, plan, found.entrances))
    return ModelCard(
        name=name,
        architecture=type(model).__name__,
        kind=_kind(model, plan),
        layers=sum(plan.depth(tower) for tower in plan.towers) if plan else 0,
        heads=block.heads if block else 0,
        kv_heads=block.kv_heads if block else 0,
        d_model=int(getattr(config, "hidden_size", 0) or 0),
        d_head=0 if query is None else query.shape[-1],
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        positions=_ways(seen, positions, bare) if seen else "",
        routes=tuple(dict.fromkeys(block.route for block in seen.blocks)) if seen else (),
        experts=experts,
        experts_chosen=chosen,
        reads=_reads(model),
        d_hidden=_first(
            config, "intermediate_size", "n_inner", "ffn_dim", "d_ff", "encoder_ffn_dim", "hidden_dim"
        ),
        vocabulary=_first(config, "vocab_size"),
        context_length=read_limit(model),
        dtype=str(model.dtype).removeprefix("torch."),
        device=str(first_device(model)),
        memory=memory(model),
        shares=shares(model, plan, found) if plan and found else (),
        without=without_attention(plan) if plan else (),
        revision=str(getattr(config, "_commit_hash", "") or ""),
        guided=_guided(model.config),
    )


def precision(model: Any, calls: Iterable[Sequence[Capture]]) -> str:
    """The coarsest type of number in a run, which `torch.autocast`, or `model.to` after wrapping, may have changed."""
    used = {one.context.dtype for call in calls for one in call} | {model.dtype}
    return str(max(used, key=lambda dtype: torch.finfo(dtype).eps)).removeprefix("torch.")


def memory(model: nn.Module) -> int:
    """Bytes of its parameters and buffers; what two modules share counts once."""
    return sum(tensor.nbytes for tensor in chain(model.parameters(), model.buffers()))


def without_attention(plan: Plan) -> tuple[str, ...]:
    """The layers that have no softmax attention, such as the Mamba layers of a hybrid: `decoder.0`."""
    having = {(place.layers, place.layer) for place in plan.places.values()}
    return tuple(
        f"{plan.tower(layers)}.{plan.count(layers, layer, 0)}"
        for layers, length in plan.lengths.items()
        for layer in range(length)
        if layers not in plan.places and (layers, layer) not in having
    )


def layer_kinds(model: nn.Module) -> str:
    """What its longest list of layers is made of: `24 × MambaBlock`."""
    lists = (module for module in model.modules() if isinstance(module, nn.ModuleList))
    layers = max(lists, key=len, default=())
    kinds = Counter(type(layer).__name__ for layer in layers)
    return ", ".join(f"{count} × {kind}" for kind, count in kinds.items()) or type(model).__name__


def read_limit(model: Any) -> int:
    """The most tokens that a model's positions reach; 0 where there is no such limit."""
    config = text_config(model)
    limit = _first(config, "max_position_embeddings")
    tables = [
        module
        for path, module in model.named_modules()
        if isinstance(module, nn.Embedding) and "position" in path.rsplit(".", 1)[-1]
    ]
    offset = next(
        (table.padding_idx + 1 for table in tables if table.padding_idx and table.num_embeddings == limit), 0
    )
    return max(limit - offset, 0)


def _ways(seen: Assembly, positions: Sequence[PositionalEncoding], bare: bool) -> str:
    """The kinds of positions; `none` too where some layers turn their queries and others do not.

    `bare`: it is known that what enters says nothing of where a token stands.
    """
    kinds = list(dict.fromkeys(encoding.kind for encoding in positions))
    turned = {
        (Site.QUERY_UNROTATED, block.name) in seen.arrays for block in seen.blocks if block.kind == "self"
    }
    if not kinds:
        return "none" if bare else "not found"
    return ", ".join([*kinds, "none"] if turned == {True, False} else kinds)


def _experts(seen: Assembly | None) -> tuple[int, int]:
    """(experts, how many of them are chosen for a token), as the routers showed them."""
    arrays = seen.arrays if seen else {}
    chosen = [array for (site, _), array in arrays.items() if site is Site.ROUTER]
    return (chosen[0].shape[1], int((chosen[0] != 0).sum(axis=1).max())) if chosen else (0, 0)


def _reads(model: Any) -> tuple[str, ...]:
    """What the model takes: `text`, `image`, both, or the name of what else it takes."""
    accepted, main = inspect.signature(model.forward).parameters, model.main_input_name
    names = {"input_ids": "text", "pixel_values": "image"}
    others = (name for name in names if name in accepted and name != main)
    return tuple(
        names.get(name, name) for name in sorted({main, *others}, key=lambda name: name != "input_ids")
    )


def _kind(model: Any, plan: Plan | None) -> str:
    if model.config.is_encoder_decoder:
        return "encoder-decoder"
    return "+".join(plan.towers) if plan else ""


def _guided(config: Any) -> tuple[GuidedHead, ...]:
    """The heads that were trained towards a target, where the configuration lists them under `guided`."""
    listed = getattr(config, "guided", None)
    heads = listed if isinstance(listed, list) else []
    return tuple(
        GuidedHead(str(head["block"]), head["head"], head["target"])
        for head in heads
        if isinstance(head, dict)
        if head.keys() >= {"block", "head", "target"}
        if isinstance(head["head"], int) and head["target"] in TARGETS
    )


def _first(config: Any, *names: str) -> int:
    """The first of these settings that is a number."""
    values = (getattr(config, name, None) for name in names)
    return next((value for value in values if isinstance(value, int)), 0)
