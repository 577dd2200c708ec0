"""Rotary positions: the angles and pairs of every block turn its unrotated queries and keys into those used."""

import numpy as np
import pytest
import torch

from models.huggingface.wrap import wrap
from models.trace import Site
from tests.huggingface.traces import recorded
from tests.huggingface.zoo import GROUPED, IDS, ZOO, Kind, built

TURNED = [
    *(
        "llama",
        "mistral window",
        "mixtral",
        "qwen2",
        "qwen3",
        "gemma",
        "gemma2",
        "gemma3",
        "phi",
        "phi3",
        "gpt_neox",
    ),
    *(
        "cohere",
        "olmo2",
        "granite",
        "starcoder2",
        "stablelm",
        "glm",
        "glm4",
        "deepseek_v2",
        "deepseek_v3",
        "gpt_oss",
    ),
    *("modernbert", "esm", "dinov3", "falcon", "gptj", "codegen", "roformer"),
]
PARTLY = ["smollm3", "llama4", "exaone4", "cohere2"]


def turned(unrotated, angle, pair, stretch=1.0):
    """The formula, one pair of channels after another."""
    result = unrotated.copy()
    for number, (a, b) in enumerate(pair):
        cosine, sine = np.cos(angle[:, number]) * stretch, np.sin(angle[:, number]) * stretch
        result[:, a] = unrotated[:, a] * cosine - unrotated[:, b] * sine
        result[:, b] = unrotated[:, b] * cosine + unrotated[:, a] * sine
    return result


def stretch_of(query, unrotated, pair):
    channels = np.unique(pair)
    return float(np.linalg.norm(query[:, channels]) / np.linalg.norm(unrotated[:, channels]))


def rotated_blocks(trace):
    return [block for block in trace.blocks if (Site.ANGLE, block.name) in trace.arrays]


@pytest.mark.parametrize("name", [*TURNED, *PARTLY])
def test_turning_the_pairs_by_the_angles_gives_what_attention_used(name):
    trace = recorded(name)
    blocks = rotated_blocks(trace)
    assert len(blocks) == (1 if name in PARTLY else len(trace.blocks))
    for block in blocks:
        angle, pair = trace.array(Site.ANGLE, block.name), trace.array(Site.PAIR, block.name)
        assert pair.dtype == np.int64
        assert angle.shape == (len(trace.tokens[block.query_stream]), len(pair))
        assert len(np.unique(pair)) == pair.size
        for head in range(block.heads):
            one = trace.head(block.name, head)
            for used, before in ((one.query, one.query_unrotated), (one.key, one.key_unrotated)):
                made = turned(before, angle, pair, stretch_of(used, before, pair))
                np.testing.assert_allclose(made, used, rtol=0, atol=2e-5 * np.abs(used).max())


@pytest.mark.parametrize("name", list(ZOO))
def test_what_is_turned_has_angles(name):
    trace = recorded(name)
    for block in trace.blocks:
        known = [(site, block.name) in trace.arrays for site in (Site.QUERY_UNROTATED, Site.PAIR, Site.ANGLE)]
        assert len(set(known)) == 1


def test_llamas_angles_are_those_of_the_paper():
    trace = recorded("llama")
    angle = trace.array(Site.ANGLE, "decoder.1.self")
    wanted = np.outer(np.arange(IDS.shape[1]), 10000.0 ** (-np.arange(0, 8, 2) / 8))
    np.testing.assert_allclose(np.exp(1j * angle), np.exp(1j * wanted), atol=1e-4)
    np.testing.assert_array_equal(trace.array(Site.PAIR, "decoder.1.self"), [[0, 4], [1, 5], [2, 6], [3, 7]])


@pytest.mark.parametrize(
    ("name", "pairs"),
    {
        "roformer": [[0, 1], [2, 3], [4, 5], [6, 7]],
        "gptj": [[0, 1], [2, 3]],
        "codegen": [[0, 1], [2, 3]],
        "glm": [[0, 1], [2, 3]],
        "gpt_neox": [[0, 1]],
        "phi": [[0, 2], [1, 3]],
        "falcon": [[0, 4], [1, 5], [2, 6], [3, 7]],
        "deepseek_v2": [[8, 9], [10, 11], [12, 13], [14, 15]],
        "deepseek_v3": [[8, 12], [9, 13], [10, 14], [11, 15]],
    }.items(),
)
def test_each_layout_is_the_one_of_the_models_code(name, pairs):
    trace = recorded(name)
    np.testing.assert_array_equal(trace.array(Site.PAIR, trace.blocks[0].name), pairs)


def test_a_stretch_can_be_read_from_the_lengths():
    scaling = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 1e4}
    kind = Kind("LlamaForCausalLM", "LlamaConfig", {**GROUPED, "rope_parameters": scaling})
    trace = wrap(kind.build()).record(inputs={"input_ids": IDS})
    head, pair = trace.head("decoder.0.self", 2), trace.array(Site.PAIR, "decoder.0.self")
    stretch = stretch_of(head.query, head.query_unrotated, pair)
    np.testing.assert_allclose(stretch, 0.1 * np.log(4) + 1, rtol=1e-4)
    made = turned(head.query_unrotated, trace.array(Site.ANGLE, "decoder.0.self"), pair, stretch)
    np.testing.assert_allclose(made, head.query, atol=1e-4)


def test_a_norm_with_weights_after_rotation_hides_what_was_before():
    model = ZOO["hunyuan"].build()
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.query_layernorm.weight.uniform_(0.5, 2.0)
    trace = wrap(model).record(inputs={"input_ids": IDS})
    assert not rotated_blocks(trace)
    assert trace.head("decoder.0.self", 0).query_unrotated is None


def test_a_norm_without_weights_after_rotation_might_as_well_stand_before_it():
    trace = recorded("llama4")
    head = trace.head("decoder.0.self", 0)
    assert head.query_unrotated is not None
    np.testing.assert_allclose(
        np.linalg.norm(head.query, axis=1), np.linalg.norm(head.query_unrotated, axis=1), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "said"),
    {
        "smollm3": "rotary, none",
        "llama4": "rotary, none",
        "llama": "rotary",
        "jamba": "none",
        "gptj": "rotary",
        "roformer": "rotary",
        "falcon": "rotary",
        "dinov3": "rotary",
    }.items(),
)
def test_the_card_says_when_some_layers_know_no_positions(name, said):
    assert wrap(built(name)).card.positions == said


def test_angles_are_measured_when_somebody_looks():
    angles = wrap(built("llama")).record(inputs={"input_ids": IDS}).arrays[Site.ANGLE, "decoder.0.self"]
    assert "values" not in vars(angles)
    assert len(angles) == IDS.shape[1]
    np.testing.assert_array_equal(angles[3], np.asarray(angles)[3])
