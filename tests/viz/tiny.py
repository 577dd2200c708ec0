"""Tiny models of other architectures, saved with a tokenizer as a user's own folder would be.

`completed` adds to a trace, from the model's own parameters and the papers' definitions, what it does not hold yet:
which embeddings enter, by which angles queries are turned, which matrices make them, how likely an expert was.
"""

import atexit
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from models import Site, Trace, load
from models.huggingface.wrap import Wrapped
from tests.huggingface.zoo import SIZES, ZOO, Kind, image

SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "[MASK]"]
WORDS = [*SPECIAL, *(f"w{id}" for id in range(len(SPECIAL), 64))]
TEXT = "w7 w12 w8 w29 w18 w5 w41 w9"

_SWIN = {
    "image_size": 32,
    "patch_size": 4,
    "embed_dim": 16,
    "depths": [2, 2],
    "num_heads": [2, 4],
    "window_size": 4,
}
SWINS = {
    "swin": Kind("SwinModel", "SwinConfig", _SWIN, image),
    "swinv2": Kind("Swinv2Model", "Swinv2Config", _SWIN, image),
}
BERTS = {
    "labels": Kind("BertForTokenClassification", "BertConfig", {**SIZES, "num_labels": 5}),
    "classes": Kind("BertForSequenceClassification", "BertConfig", {**SIZES, "num_labels": 5}),
    "pretraining": Kind("BertForPreTraining", "BertConfig", SIZES),
}
Arrays = dict[tuple[Site, str], Any]


def kind_of(name: str) -> Kind:
    return (BERTS | SWINS | ZOO)[name]


def reads_text(name: str) -> bool:
    return "input_ids" in kind_of(name).inputs()


@cache
def tokenizer() -> Any:
    known = Tokenizer(WordLevel({word: id for id, word in enumerate(WORDS)}, unk_token="<unk>"))
    known.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = ("pad_token", "bos_token", "eos_token", "unk_token", "mask_token")
    return PreTrainedTokenizerFast(tokenizer_object=known, **dict(zip(names, SPECIAL, strict=True)))


@cache
def folder(name: str) -> str:
    """A folder with the model, and a tokenizer where it reads text."""
    place = mkdtemp(prefix="tiny-model-")
    atexit.register(rmtree, place, ignore_errors=True)
    kind_of(name).build().save_pretrained(place)
    if reads_text(name):
        tokenizer().save_pretrained(place)
    return place


def wrapped(name: str) -> Wrapped:
    """The model as it is loaded from its folder."""
    model = load(folder(name))
    assert isinstance(model, Wrapped)
    return model


@cache
def trace_of(name: str) -> Trace:
    """A run on a text, or on an image, with everything that the walk can tell of it."""
    model = wrapped(name)
    run = model.record(TEXT) if reads_text(name) else model.record(inputs=kind_of(name).inputs())
    return completed(run, name)


def completed(trace: Trace, name: str) -> Trace:
    """The trace with what it lacks; what was recorded stays."""
    add = ADDED.get(name)
    return (
        trace if add is None else replace(trace, arrays={**add(trace, wrapped(name).model), **trace.arrays})
    )


def llama(trace: Trace, model: Any) -> Arrays:
    """RMSNorm, then x W; channel c is turned with c + d/2 by p · 10000^(−2c/d) (Su et al. 2021, as LLaMA has it)."""
    found = embedded(trace, model)
    for layer, block in zip(model.model.layers, trace.blocks, strict=True):
        n, d = trace.array(Site.QUERY, block.name).shape[1:]
        half = d // 2
        found[Site.ANGLE, block.name] = np.outer(np.arange(n), 10000.0 ** (-np.arange(half) / half))
        found[Site.PAIR, block.name] = np.stack([np.arange(half), np.arange(half) + half], axis=1)
        x = trace.array(Site.QUERY_INPUT, block.name)
        found |= {(Site.QUERY_INPUT, block.name): x, (Site.KEY_INPUT, block.name): x}
        for site, part in (("QUERY", "q"), ("KEY", "k"), ("VALUE", "v")):
            weight = getattr(layer.self_attn, f"{part}_proj").weight.detach().numpy()  # (head · d, d_model)
            found[Site[f"{site}_WEIGHT"], block.name] = weight.reshape(-1, d, x.shape[1]).transpose(0, 2, 1)
    return found


def embedded(trace: Trace, model: Any) -> Arrays:
    ids = torch.tensor([token.id for token in trace.tokens[trace.blocks[0].query_stream]])
    rows = model.get_input_embeddings()(ids).detach().numpy()
    return {(Site.TOKEN_EMBEDDING, trace.blocks[0].query_stream): rows}


def positioned(trace: Trace, model: Any) -> Arrays:
    """Embeddings, and the rows that the model's positions gave."""
    stream = trace.blocks[0].query_stream
    (values,) = (
        e.values for e in trace.positions if e.kind in {"learned", "sinusoidal"} and e.where == stream
    )
    return embedded(trace, model) | {(Site.POSITION_ENCODING, stream): values}


def bert(trace: Trace, model: Any) -> Arrays:
    table = model.bert.embeddings.token_type_embeddings.weight[0].detach().numpy()
    rows = np.repeat(table[None], len(trace.tokens["encoder"]), axis=0)
    return positioned(trace, model) | {(Site.SEGMENT_EMBEDDING, "encoder"): rows}


def mixtral(trace: Trace, model: Any) -> Arrays:
    ids = torch.tensor([[token.id for token in trace.tokens["decoder"]]])
    with torch.no_grad():
        logits = model(input_ids=ids, output_router_logits=True).router_logits
    found = {
        (Site.ROUTER_PROBABILITIES, f"decoder.{layer}.mlp"): one.softmax(dim=-1).numpy()
        for layer, one in enumerate(logits)
    }
    return llama(trace, model) | found


def vit(trace: Trace, model: Any) -> Arrays:
    """What enters, less the positions."""
    (positions,) = (encoding.values for encoding in trace.positions)
    entering = trace.array(Site.RESIDUAL, "encoder")
    return {(Site.TOKEN_EMBEDDING, "encoder"): entering - positions}


def dinov3(trace: Trace, model: Any) -> Arrays:
    """Angles as measured from what was turned: channel c with c + d/2."""
    found: Arrays = {}
    for block in trace.blocks:
        before, after = (trace.array(site, block.name) for site in (Site.QUERY_UNROTATED, Site.QUERY))
        half = before.shape[2] // 2
        planes = [array[..., :half] + 1j * array[..., half:] for array in (before, after)]
        found[Site.ANGLE, block.name] = np.angle((planes[1] * planes[0].conj()).sum(axis=0))
        found[Site.PAIR, block.name] = np.stack([np.arange(half), np.arange(half) + half], axis=1)
    return found


def whisper(trace: Trace, model: Any) -> Arrays:
    (positions,) = (encoding.values for encoding in trace.positions if encoding.where == "encoder")
    return {(Site.TOKEN_EMBEDDING, "encoder"): trace.array(Site.RESIDUAL, "encoder") - positions}


ADDED: dict[str, Callable[[Trace, Any], Arrays]] = {
    **dict.fromkeys(("llama", "mistral window"), llama),
    "mixtral": mixtral,
    "gpt2": positioned,
    "marian": positioned,
    "bert": bert,
    "vit": vit,
    "dinov3": dinov3,
    "whisper": whisper,
}
