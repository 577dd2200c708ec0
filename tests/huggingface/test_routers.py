"""Routers of experts, and what the card counts of them."""

import numpy as np
import pytest
import torch
import transformers

from models.huggingface.wrap import wrap
from models.trace import Site
from tests.huggingface.traces import recorded
from tests.huggingface.zoo import GROUPED, IDS, Kind, built

SPARSE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
MORE = {
    "qwen2_moe": Kind(
        "Qwen2MoeForCausalLM",
        "Qwen2MoeConfig",
        {**GROUPED, **SPARSE, "shared_expert_intermediate_size": 16},
    ),
    "qwen3_next": Kind(
        "Qwen3NextForCausalLM",
        "Qwen3NextConfig",
        {
            **GROUPED,
            **SPARSE,
            "shared_expert_intermediate_size": 16,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
        },
    ),
    "llama4 of two": Kind(
        "Llama4ForCausalLM",
        "Llama4TextConfig",
        {**GROUPED, "intermediate_size_mlp": 48, "num_local_experts": 4, "num_experts_per_tok": 1},
    ),
}
CHOSEN = {
    "mixtral": ("softmax", 4, 2),
    "qwen3_moe": ("softmax", 4, 2),
    "gpt_oss": ("softmax", 4, 2),
    "granitemoe": ("softmax", 4, 2),
    "olmoe": ("softmax", 4, 2),
    "deepseek_v2": ("softmax", 4, 2),
    "deepseek_v3": ("sigmoid", 4, 2),
    "llama4": ("sigmoid", 4, 2),
    "jamba": ("softmax", 2, 2),
    "qwen2_moe": ("softmax", 4, 2),
    "qwen3_next": ("softmax", 4, 2),
    "llama4 of two": ("sigmoid", 4, 1),
}


def model_and_trace(name):
    if name not in MORE:
        return built(name), recorded(name)
    model = MORE[name].build()
    return model, wrap(model).record(inputs={"input_ids": IDS})


def routed(trace):
    return sorted(place for site, place in trace.arrays if site is Site.ROUTER)


@pytest.mark.parametrize("name", list(CHOSEN))
def test_probabilities_are_the_models_own_logits_turned_as_it_turns_them(name):
    model, trace = model_and_trace(name)
    way, experts, chosen = CHOSEN[name]
    logits = {}
    routers = {path: part for path, part in model.named_modules() if "Router" in type(part).__name__}
    at = 1 if name.startswith("llama4") else 0
    handles = [
        part.register_forward_hook(lambda _, __, output, path=path: logits.update({path: output[at]}))
        for path, part in routers.items()
    ]
    with torch.no_grad():
        model(input_ids=IDS)
    for handle in handles:
        handle.remove()
    places = routed(trace)
    assert len(places) == len(routers)
    for place, scores in zip(places, logits.values(), strict=True):
        scores = scores.float()
        wanted = scores.softmax(-1) if way == "softmax" else scores.sigmoid()
        found = trace.array(Site.ROUTER_PROBABILITIES, place)
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)
        weights = trace.array(Site.ROUTER, place)
        assert weights.shape == (IDS.shape[1], experts)
        assert ((weights > 0).sum(axis=1) == chosen).all()
        best = np.sort(np.argsort(found, axis=1)[:, -chosen:], axis=1)
        np.testing.assert_array_equal(best, np.nonzero(weights)[1].reshape(-1, chosen))


@pytest.mark.parametrize("name", list(CHOSEN))
def test_the_card_counts_the_experts(name):
    _, trace = model_and_trace(name)
    assert (trace.model.experts, trace.model.experts_chosen) == CHOSEN[name][1:]


def test_a_router_that_mixes_two_softmaxes_has_weights_but_no_probabilities():
    trace = recorded("phimoe")
    assert (Site.ROUTER, "decoder.0.mlp") in trace.arrays
    assert (Site.ROUTER_PROBABILITIES, "decoder.0.mlp") not in trace.arrays


def test_a_model_without_experts_counts_none():
    trace = recorded("llama")
    assert (trace.model.experts, trace.model.experts_chosen) == (0, 0)
    assert not routed(trace)


def test_every_router_that_was_asked_for_exists_here():
    assert all(hasattr(transformers, kind.model) for kind in MORE.values())


@pytest.mark.parametrize(
    ("name", "routes", "reads"),
    [
        ("llama", ("interface",), ("text",)),
        ("bloom", ("tracer",), ("text",)),
        ("siglip", ("interface", "module"), ("text", "image")),
        ("vit", ("interface",), ("image",)),
        ("clip", ("interface",), ("text", "image")),
        ("whisper", ("interface",), ("input_features",)),
        ("wav2vec2", ("interface",), ("input_values",)),
        ("t5", ("interface",), ("text",)),
    ],
)
def test_the_card_says_how_a_model_is_recorded_and_what_it_reads(name, routes, reads):
    card = wrap(built(name)).card
    assert (card.routes, card.reads) == (routes, reads)
