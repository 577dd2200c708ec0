"""The tab of positions: its numbers against the paper's values, torch, and transformers' own functions."""

import math
import random

import numpy as np
import pytest
import torch
from safetensors.numpy import load
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

import models
from models import Site
from models.builtin.transformer import Transformer
from models.builtin.translator import Translator
from tests.viz import tiny
from tests.viz.test_code import check, filled, some, typed
from viz import payload, positions
from viz.steps import Selection, facts

GOLDEN = {
    "row0_4": [0, 1, 0, 1],
    "row1_4": [0.8414709848078965, 0.5403023058681398, 0.761720408471602, 0.6479058722668407],
    "row49_last2": [0.005658401529890698, 0.9999839911179211],
    "norm": 8.0,
    "dot_offset": {0: 64.0, 1: 62.09368380576764, 5: 47.185011969839984, 49: 33.73007727415114},
    "wavelength_min": 6.283185307179586,
    "wavelength_max": 54410.14313077674,
}
"""50 positions of 128 dimensions, worked out with torch by others."""

STAGES = {
    "gpt2": ("position", "encoding_table", "likeness_cosine", "shuffle_causal"),
    "marian": ("position_fixed", "encoding_table", "likeness_cosine", "shuffle"),
    "llama": ("rotation", "turning", "shuffle_causal"),
    "t5": ("bias", "reach", "shuffle"),
    "bloom": ("bias_alibi", "reach_alibi", "shuffle_causal"),
    "swin": ("bias",),
    "dinov3": ("rotation_grid",),
}


@pytest.fixture(scope="module")
def rows():
    return positions.sines(50, 128)


def test_the_rows_are_those_of_the_paper(rows):
    assert rows[0, :4] == pytest.approx(GOLDEN["row0_4"], abs=1e-12)
    assert rows[1, :4] == pytest.approx(GOLDEN["row1_4"], abs=1e-12)
    assert rows[49, -2:] == pytest.approx(GOLDEN["row49_last2"], abs=1e-12)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.full(50, GOLDEN["norm"]), abs=1e-12)
    waves = 2 * math.pi / positions.frequencies(128)
    assert (waves[0], waves[-1]) == pytest.approx((GOLDEN["wavelength_min"], GOLDEN["wavelength_max"]))


def test_they_are_also_what_programs_write_with_an_exponential(rows):
    place = torch.arange(50, dtype=torch.float64)[:, None]
    divisor = torch.exp(torch.arange(0, 128, 2, dtype=torch.float64) * (-math.log(10000.0) / 128))
    written = torch.zeros(50, 128, dtype=torch.float64)
    written[:, 0::2], written[:, 1::2] = torch.sin(place * divisor), torch.cos(place * divisor)
    assert np.abs(rows - written.numpy()).max() < 1e-13


def test_how_like_two_rows_are_depends_on_their_distance_alone(rows):
    grid = positions.likeness(rows, cosine=False)
    along = positions.by_distance(grid)
    for distance, product in GOLDEN["dot_offset"].items():
        assert np.abs(np.diagonal(grid, distance) - product).max() < 1e-10
        assert along[distance] == pytest.approx(product, abs=1e-10)


def test_some_steps_on_is_a_rotation_that_does_not_know_where_it_starts(rows):
    table = positions.sines(200, 128)
    for shift in (1, 5, 30):
        turn = np.zeros((128, 128))
        for pair, angle in enumerate(shift * positions.frequencies(128)):
            cosine, sine = math.cos(angle), math.sin(angle)
            turn[2 * pair : 2 * pair + 2, 2 * pair : 2 * pair + 2] = [[cosine, sine], [-sine, cosine]]
        assert np.abs(rows @ turn.T - table[shift : shift + 50]).max() < 1e-13


def test_sines_go_on_as_the_model_s_own_table_does(trace):
    translator = models.load("builtin/translator")
    assert isinstance(translator, Translator)
    assert isinstance(translator.network, Transformer)
    table = translator.network.positions.numpy()
    shown = positions.encoding(trace, "encoder")
    assert len(shown) == max(positions.SHOWN, len(trace.tokens["encoder"]))
    assert np.abs(shown - table[: len(shown)]).max() < 1e-5
    bundle = load(payload.added(trace, "encoder"))
    assert np.array_equal(bundle["encoding"], shown.astype(np.float32))
    assert bundle["by_distance"][0, :2] == pytest.approx([64.0, GOLDEN["dot_offset"][1]], rel=1e-5)


@pytest.mark.parametrize("stage", ["encoding", "likeness", "step", "shuffle"])
def test_the_code_of_a_stage_gives_its_number(trace, request_made, stage):
    chance = random.Random(stage)
    for block in (trace.blocks[0], trace.blocks[1]):
        assert stage in positions.stages_of_positions(trace, block).values()
        check(stage, filled(trace, typed(request_made), some(trace, block, stage, chance)))


def test_a_row_moved_on_is_the_row_there(trace):
    table = positions.sines(100, 128)
    for dimension, shift in ((24, 7), (25, 2), (0, 30), (127, 1)):
        at = Selection("encoder.0.self", 0, 3, 2, dimension=dimension, stage="step", shift=shift)
        assert facts(trace, at)["pe_moved"] == pytest.approx(table[3 + shift, dimension], abs=1e-6)


@pytest.mark.parametrize("name", STAGES)
def test_a_model_has_the_stages_of_its_own_positions(name):
    trace = tiny.trace_of(name)
    told = positions.stages_of_positions(trace, trace.blocks[0])
    wanted = ("position_learned" if one == "position" else one for one in STAGES[name])
    assert tuple(told.values()) == tuple(wanted)


def test_cross_attention_of_t5_adds_nothing():
    trace = tiny.trace_of("t5")
    assert not positions.stages_of_positions(trace, trace.block("decoder.0.cross"))


def test_learned_rows_are_compared_by_their_cosine():
    trace, model = tiny.trace_of("gpt2"), tiny.wrapped("gpt2").model
    table = model.transformer.wpe.weight.detach().double()[: len(trace.tokens["decoder"])]
    cosine = torch.nn.functional.cosine_similarity(table[:, None], table[None], dim=-1).numpy()
    shown = load(payload.added(trace, "decoder"))
    assert np.abs(shown["likeness"] - cosine).max() < 1e-6
    assert shown["by_distance"][0, 2] == pytest.approx(np.diagonal(cosine, 2).mean(), abs=1e-6)
    at = Selection("decoder.0.self", 0, 5, 2, stage="likeness")
    assert facts(trace, at)["likeness"] == pytest.approx(cosine[5, 2], abs=1e-6)


def test_query_and_key_moved_on_together_keep_their_product_as_llama_turns_them():
    trace, model = tiny.trace_of("llama"), tiny.wrapped("llama").model
    head, rotary = trace.head("decoder.1.self", 1), LlamaRotaryEmbedding(model.config)
    query, key = (torch.tensor(one)[None, None] for one in (head.query_unrotated, head.key_unrotated))
    for shift in (1, 9, 30):
        places = torch.arange(query.shape[2])[None] + shift
        turned = apply_rotary_pos_emb(query, key, *rotary(query, places))
        product = (turned[0] @ turned[1].mT)[0, 0].detach().numpy()
        for i, j in ((6, 2), (3, 3), (1, 7)):
            said = facts(trace, Selection("decoder.1.self", 1, i, j, stage="turning", shift=shift))
            assert said["product_moved"] == pytest.approx(product[i, j], rel=1e-4, abs=1e-4)
            assert said["product_moved"] == pytest.approx(said["product"], rel=1e-4, abs=1e-4)
            assert (said["query_moved"], said["key_moved"]) == (i + shift, j + shift)


def test_what_t5_adds_is_its_own_bias_and_the_curve_its_diagonals():
    trace, model = tiny.trace_of("t5"), tiny.wrapped("t5").model
    for stack, block in (("encoder", "encoder.1.self"), ("decoder", "decoder.0.self")):
        length = len(trace.tokens[stack])
        first = getattr(model, stack).block[0].layer[0].SelfAttention
        with torch.no_grad():
            own = first.compute_bias(length, length)[0].numpy()
        shown = load(payload.reach(trace, block, 2))
        assert np.abs(shown["relative"] - own[2]).max() < 1e-6
        assert shown["first"][0] == 1 - length
        allowed = range(1 - length, length if stack == "encoder" else 1)
        for head in range(len(own)):
            wanted = [np.diagonal(own[head], k)[0] for k in allowed]
            assert shown["by_head"][head, : len(wanted)] == pytest.approx(wanted, abs=1e-6)
        assert np.isnan(shown["by_head"][0, len(allowed) :]).all()


def test_what_bloom_adds_falls_by_the_paper_s_slope_with_each_step_back():
    trace, model = tiny.trace_of("bloom"), tiny.wrapped("bloom").model
    heads, length = model.config.n_head, len(trace.tokens["decoder"])
    own = build_alibi_tensor(torch.ones(1, length, dtype=torch.long), heads, torch.float32)
    own = own.reshape(heads, length).numpy()
    distance = np.subtract.outer(np.arange(length), np.arange(length))
    for head in range(heads):
        shown = load(payload.reach(trace, "decoder.0.self", head))["relative"]
        assert np.abs(shown - (own[head][None, :] - own[head][:, None])).max() < 1e-5
        assert np.abs(shown + distance * 2.0 ** (-8 * (head + 1) / heads)).max() < 1e-5
    at = Selection("decoder.0.self", 1, 6, 2, stage="reach")
    assert facts(trace, at)["reach"] == pytest.approx(-4 * 2.0 ** (-16 / heads), abs=1e-5)


def test_where_nothing_is_added_there_is_nothing_to_show():
    trace = tiny.trace_of("llama")
    with pytest.raises(KeyError, match="adds nothing"):
        payload.reach(trace, "decoder.0.self", 0)
    with pytest.raises(KeyError, match="no positions"):
        payload.added(trace, "decoder")
    assert (Site.ANGLE, "decoder.0.self") in trace.arrays
