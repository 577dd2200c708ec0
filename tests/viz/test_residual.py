"""E + ΔE = E′: which arrays they are, in models that normalise before and after, against torch's own layers."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load

from models import Request, Site
from tests.viz import tiny
from viz import feedforward, memory, payload, residual
from viz.norms import norm_of
from viz.steps import Selection, facts
from viz.walk import stages_of

POST = ("bert", "distilbert", "marian")
PRE = ("gpt2", "llama", "t5", "mixtral", "vit", "whisper")
BOX_POST = ("bert", "translator-plain")
BOX_PRE = ("gpt", "llama", "moe", "moe-sparse", "t5")
TEXT = "The cat sleeps."


def last_of(trace, block):
    layer = block.name.rsplit(".", 1)[0]
    return [one for one in trace.blocks if one.name.rsplit(".", 1)[0] == layer][-1]


def check(trace, *, pre: bool):
    """Every sublayer has its sum, told as the model does it, and its numbers are those of float64."""
    ending, chance = "_pre" if pre else "", random.Random(1)
    for block in trace.blocks:
        walk = stages_of(trace, block)
        assert walk["residual"] == f"residual{ending}", block.name
        assert walk.get("residual_mlp") == (
            f"residual_mlp{ending}" if last_of(trace, block) is block else None
        )
        width = trace.array(Site.ATTENTION_OUTPUT, block.name).shape[1]
        at = Selection(
            block.name,
            head=chance.randrange(block.heads),
            query=chance.randrange(len(trace.tokens[block.query_stream])),
            dimension=chance.randrange(min(width, 16)),
            stage="residual",
        )
        said: dict[str, Any] = {**facts(trace, at)}
        for sublayer in ("attention", "mlp") if last_of(trace, block) is block else ("attention",):
            found = residual.sum_of(trace, block, sublayer)
            assert found is not None
            assert found.kind == ("pre" if pre else "post")
            e, delta, total = (
                torch.tensor(part[at.query]).double() for part in (found.before, found.added, found.after)
            )
            torch.testing.assert_close(e + delta, total, atol=1e-4, rtol=1e-4)
            for name, row in (("before", e), ("added", delta), ("after", total)):
                assert said[f"{sublayer}_{name}"] == float(row[at.dimension])
                assert said[f"{sublayer}_{name}_length"] == pytest.approx(float(row.norm()), rel=1e-6)
            cosine = torch.nn.functional.cosine_similarity(e, total, dim=0)
            assert said[f"{sublayer}_cosine"] == pytest.approx(float(cosine), abs=1e-6)


def test_the_translator_normalises_after_adding(trace):
    check(trace, pre=False)


@pytest.mark.parametrize("name", POST)
def test_models_that_normalise_after_adding(name):
    check(tiny.trace_of(name), pre=False)


@pytest.mark.parametrize("name", PRE)
def test_models_that_normalise_before(name):
    check(tiny.trace_of(name), pre=True)


@pytest.mark.parametrize("name", [*BOX_POST, *BOX_PRE])
def test_the_models_in_the_box(name):
    check(Request(f"builtin/{name}", TEXT).run(), pre=name in BOX_PRE)


def test_the_line_of_a_pre_norm_model_is_the_sum_of_all_that_was_written():
    trace = tiny.trace_of("gpt2")
    line = trace.array(Site.RESIDUAL, "decoder").astype(float)
    for block in trace.blocks:
        for sublayer in ("attention", "mlp"):
            found = residual.sum_of(trace, block, sublayer)
            assert found is not None
            np.testing.assert_allclose(found.before, line, atol=1e-4)
            line = line + found.added
    np.testing.assert_allclose(line, trace.array(Site.RESIDUAL, "decoder.1"), atol=1e-4)


def test_after_adding_a_post_norm_model_normalises_the_sum():
    trace, layer = tiny.trace_of("bert"), tiny.wrapped("bert").model.bert.encoder.layer[0]
    block = trace.blocks[0]
    for sublayer, norm in (("attention", layer.attention.output.LayerNorm), ("mlp", layer.output.LayerNorm)):
        found = residual.sum_of(trace, block, sublayer)
        assert found is not None
        with torch.no_grad():
            goes_on = norm(torch.tensor(found.before + found.added)).numpy()
        place = Site.MLP_INPUT if sublayer == "attention" else Site.RESIDUAL
        shown = trace.array(place, "encoder.0.mlp" if sublayer == "attention" else "encoder.0")
        np.testing.assert_allclose(goes_on, shown, atol=1e-4)


@pytest.mark.parametrize("sublayer", ["attention", "mlp"])
def test_a_sum_that_does_not_come_out_is_not_shown(trace, sublayer):
    block = trace.block("encoder.0.self")
    place = (
        (Site.ATTENTION_OUTPUT, block.name) if sublayer == "attention" else (Site.MLP_OUTPUT, "encoder.0.mlp")
    )
    wrong = {**trace.arrays, place: trace.array(*place) + np.float32(0.01)}
    other = replace(trace, arrays=wrong)
    assert not residual.told(other, block, sublayer)
    make = payload.residual_attention if sublayer == "attention" else payload.residual_mlp
    assert not load(make(other, block.name))
    assert load(make(trace, block.name)).keys() == {
        *(f"{part}_{sublayer}" for part in ("before", "added", "after")),
        f"before_{sublayer}_at",
    }


def test_where_patches_are_merged_before_a_layer_nothing_says_what_stood_in_the_line():
    """The second stage of Swin reads merged patches, which belong to no layer."""
    trace = tiny.trace_of("swin")
    told = [residual.told(trace, block, "attention") for block in trace.blocks]
    assert told == ["residual_pre", "residual_pre", "", "residual_pre"]
    assert {residual.told(trace, block, "mlp") for block in trace.blocks} == {"residual_mlp_pre"}


@pytest.mark.parametrize(("name", "before"), [("gemma2", True), ("gemma3", True), ("olmo2", False)])
def test_what_was_written_may_pass_a_norm_before_it_is_added(name, before):
    """Gemma normalises what a sublayer reads and what it wrote, OLMo 2 only what it wrote."""
    trace = tiny.trace_of(name)
    module: Any = tiny.wrapped(name).model.model.layers[1]
    walk = stages_of(trace, trace.blocks[1])
    assert (walk["residual"], walk["residual_mlp"]) == ("residual_normed", "residual_mlp_normed")
    assert {"norm", "mlp_norm"} & walk.keys() == ({"norm", "mlp_norm"} if before else set())
    norms = {"attention": module.post_attention_layernorm, "mlp": module.post_feedforward_layernorm}
    line = trace.array(Site.RESIDUAL, "decoder.0")
    for sublayer, norm in norms.items():
        found = residual.sum_of(trace, trace.blocks[1], sublayer)
        assert found is not None
        written = (
            (Site.ATTENTION_OUTPUT, "decoder.1.self")
            if sublayer == "attention"
            else (Site.MLP_OUTPUT, "decoder.1.mlp")
        )
        with torch.no_grad():
            added = norm(torch.tensor(trace.array(*written))).numpy()
        np.testing.assert_allclose(found.before, line, atol=1e-5)
        np.testing.assert_allclose(found.added, added, atol=1e-5)
        line = line + added
    np.testing.assert_allclose(line, trace.array(Site.RESIDUAL, "decoder.1"), atol=1e-5)


def test_a_norm_is_shown_once():
    """In GPT-J attention and the feed-forward network read one norm; BLOOM adds inside its feed-forward network."""
    for name, has in (("gptj", False), ("bloom", True), ("gpt2", True)):
        trace = tiny.trace_of(name)
        walk = stages_of(trace, trace.blocks[0])
        assert "norm" in walk
        assert ("mlp_norm" in walk) == has, name


def test_only_the_rows_that_end_in_an_answer_pass_the_last_norm():
    trace = tiny.trace_of("t5")
    shown = {block.query_stream: "final_norm" in stages_of(trace, block) for block in trace.blocks}
    assert shown == {"encoder": False, "decoder": True}
    norm = norm_of(trace, trace.blocks[-1], "final_norm")
    assert norm is not None
    np.testing.assert_array_equal(norm.given, trace.array(Site.RESIDUAL, "decoder.1"))


def test_batchnorm_would_take_the_column(trace):
    """Torch's own BatchNorm in training, over the tokens of the text."""
    for run, name in ((trace, "decoder.0.cross"), (tiny.trace_of("gpt2"), "decoder.1.self")):
        norm = norm_of(run, run.block(name), "norm")
        assert norm is not None
        given = torch.tensor(norm.given).double()
        column = torch.nn.BatchNorm1d(given.shape[1], eps=norm.epsilon, affine=False).double().train()(given)
        said: dict[str, Any] = {**facts(run, Selection(name, 0, query=2, dimension=5, stage="norm"))}
        assert said["column_plain"] == pytest.approx(float(column[2, 5]), abs=1e-5)
        assert said["column_mean"] == pytest.approx(float(given[:, 5].mean()), abs=1e-6)
        assert said["column_spread"] == pytest.approx(float(given[:, 5].var(correction=0)), abs=1e-6)
        assert said["column_size"] == len(given)


@pytest.mark.parametrize(("name", "text"), [("llama", "mlp_swiglu"), ("gpt2", "mlp_gelu"), ("t5", "mlp")])
def test_the_share_of_channels_that_are_zero_or_near(name, text):
    trace = tiny.trace_of(name)
    block = next(block for block in trace.blocks if feedforward.place_of(trace, block))
    assert stages_of(trace, block)["mlp"] == text
    hidden = torch.tensor(trace.array(Site.HIDDEN, feedforward.place_of(trace, block))).abs()
    zero = hidden == 0 if text == "mlp" else hidden <= 0.01 * hidden.max(dim=1, keepdim=True).values
    said: dict[str, Any] = {**facts(trace, Selection(block.name, 0, query=3, stage="mlp"))}
    assert said["units_zero"] == pytest.approx(100 * float(zero[3].double().mean()), abs=1e-4)
    assert said["units_zero_mean"] == pytest.approx(100 * float(zero.double().mean()), abs=1e-4)
    assert said["units_silent"] == int(zero.all(dim=0).sum())


def test_all_cross_attention_reads_one_array_the_output_of_the_encoder(trace):
    for name in ("decoder.0.cross", "decoder.1.cross"):
        assert stages_of(trace, trace.block(name))["qkv"] == "qkv_cross"
        np.testing.assert_array_equal(
            trace.array(Site.KEY_INPUT, name), trace.array(Site.RESIDUAL, "encoder.1")
        )
        said = facts(trace, Selection(name, 0, stage="qkv"))
        assert (said["memory_readers"], said["memory_difference"]) == (2, 0)
        assert load(payload.projection(trace, name, 0))["memory"].tolist() == [2, 0]
    assert stages_of(trace, trace.block("decoder.0.self"))["qkv"] == "qkv"
    assert "memory_readers" not in facts(trace, Selection("decoder.0.self", 0))


def test_the_output_of_t5_s_encoder_feeds_every_decoder_layer():
    trace, model = tiny.trace_of("t5"), tiny.wrapped("t5").model
    ids = torch.tensor([[token.id for token in trace.tokens["encoder"]]])
    with torch.no_grad():
        encoded = model.encoder(input_ids=ids).last_hidden_state[0].numpy()
    for block in (block for block in trace.blocks if block.kind == "cross"):
        np.testing.assert_allclose(trace.array(Site.KEY_INPUT, block.name), encoded, atol=1e-5)
        assert memory.summary(trace, block) == (2, 0)


def test_blocks_that_read_something_else_are_not_said_to_read_the_same(trace):
    other = trace.array(Site.KEY_INPUT, "decoder.1.cross") + np.float32(0.1)
    apart = replace(trace, arrays={**trace.arrays, (Site.KEY_INPUT, "decoder.1.cross"): other})
    assert stages_of(apart, apart.block("decoder.0.cross"))["qkv"] == "qkv"
    assert memory.facts(apart, apart.block("decoder.0.cross")) == {}
