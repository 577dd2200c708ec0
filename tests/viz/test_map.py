"""The map: what a layer has, in which order, and where its norms stand, against what its class is known for."""

import pytest

from models import load, record, wrap
from tests.huggingface.zoo import ZOO, built
from viz.manifest import manifest
from viz.map import stacks
from viz.stages import BEGINS, STAGE_IDS, STAGES, as_json, part_of

KNOWN = {
    "gpt2": [("self", "before", False), ("feed_forward", "before", False)],
    "llama": [("self", "before", False), ("feed_forward", "before", False)],
    "bert": [("self", "after", False), ("feed_forward", "after", False)],
    "mixtral": [("self", "before", False), ("experts", "before", False)],
    "vit": [("self", "before", False), ("feed_forward", "before", False)],
    "phi": [("self", "before", False), ("feed_forward", "", True)],
    "gpt_neox": [("self", "before", False), ("feed_forward", "before", True)],
}
"""Class → (kind, where its norm stands, whether it is beside the part before) of each part of its last layer."""


def map_of(name):
    return stacks(wrap(built(name)).record(inputs=ZOO[name].inputs()))


def said(layer):
    return [(part["kind"], part["norm"], part["beside"]) for part in layer["parts"]]


@pytest.mark.parametrize("name", KNOWN)
def test_a_layer_has_what_its_class_is_known_for(name):
    (stack,) = map_of(name)
    assert len(stack["layers"]) == 2
    assert said(stack["layers"][-1]) == KNOWN[name]
    assert stack["residual"]


def test_the_first_layer_of_deepseek_is_dense_and_the_others_route():
    (stack,) = map_of("deepseek_v3")
    assert [layer["parts"][-1]["kind"] for layer in stack["layers"]] == ["feed_forward", "experts"]


def test_the_translator_is_two_stacks_and_its_encoder_feeds_every_cross_attention(trace):
    encoder, decoder = stacks(trace)
    assert (encoder["tower"], decoder["tower"]) == ("encoder", "decoder")
    assert encoder["entrance"] == decoder["entrance"] == ["tokens", "embedding", "position"]
    for layer in encoder["layers"]:
        assert said(layer) == [("self", "after", False), ("feed_forward", "after", False)]
    for layer in decoder["layers"]:
        assert [part["kind"] for part in layer["parts"]] == ["self", "cross", "feed_forward"]
        assert [part["norm"] for part in layer["parts"]] == ["after"] * 3
        assert [part["feeds"] for part in layer["parts"]] == ["", "encoder", ""]
    assert (encoder["output"], decoder["output"]) == (False, True)


def test_t5_is_pre_norm_and_adds_no_positions():
    for stack in map_of("t5"):
        assert "position" not in stack["entrance"]
        assert {part["norm"] for layer in stack["layers"] for part in layer["parts"]} == {"before"}


def test_every_block_is_on_the_map_in_its_order():
    for name in ("t5", "clip", "albert"):
        trace = wrap(built(name)).record(inputs=ZOO[name].inputs())
        attention = [
            part["block"]
            for stack in stacks(trace)
            for layer in stack["layers"]
            for part in layer["parts"]
            if part["kind"] in {"self", "cross"}
        ]
        assert attention == [block.name for block in trace.blocks]


@pytest.mark.parametrize("name", ["builtin/seq2seq", "builtin/seq2seq-attention"])
def test_a_recurrent_network_has_no_residual_stream(name):
    encoder, decoder = stacks(record(load(name), "I am a student"))
    assert not encoder["residual"]
    assert [part["kind"] for part in encoder["layers"][0]["parts"]] == ["recurrent"]
    kinds = ["recurrent", "cross"] if name.endswith("attention") else ["recurrent"]
    assert [part["kind"] for part in decoder["layers"][0]["parts"]] == kinds
    assert {part["feeds"] for part in decoder["layers"][0]["parts"]} == {"encoder"}


def test_layers_without_attention_stand_on_the_map_too():
    (stack,) = map_of("jamba")
    bare = [layer["name"] for layer in stack["layers"] if not layer["parts"]]
    assert bare == ["decoder.0"]


def test_every_stage_belongs_to_a_part_that_begins_before_it():
    assert BEGINS.keys() <= set(STAGE_IDS)
    assert part_of("softmax") == part_of("qkv") == part_of("scores") == "attention"
    assert (part_of("norm"), part_of("router"), part_of("next_sentence")) == (
        "norm",
        "feed_forward",
        "output",
    )
    assert part_of("mlp_norm") == part_of("mlp_add_norm") == "mlp_norm"
    assert (part_of("written_norm"), part_of("mlp_written_norm")) == ("attention", "feed_forward")
    assert part_of("final_norm") == "output"
    assert [stage["part"] for stage in as_json()] == [part_of(stage.id) for stage in STAGES]


def test_the_manifest_carries_the_map(trace, request_made):
    assert manifest(trace, request_made.key)["map"] == stacks(trace)
