"""What attention writes: the heads' parts and their sum, against torch in float64 and what the models recorded."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load

from models import Request, Site
from tests.viz import tiny
from viz import payload, written
from viz.steps import Selection, facts
from viz.walk import stages_of

TINY = ("gpt2", "bert", "llama", "t5", "bloom", "mixtral", "gemma2", "deepseek_v3", "vit", "swin", "marian")
BOX = ("gpt", "bert", "llama", "moe", "moe-sparse", "t5", "translator-plain")
TEXT = "The cat sleeps."


def parts_of(trace, block) -> torch.Tensor:
    """(head, query, d_model) in float64, from the arrays of the trace."""
    context, weight = (
        torch.tensor(trace.array(site, block)).double() for site in (Site.CONTEXT, Site.OUTPUT_WEIGHT)
    )
    return torch.einsum("hqv,hvm->hqm", context, weight)


def check(trace):
    chance = random.Random(0)
    for block in trace.blocks:
        assert stages_of(trace, block)["written"] == "written", block.name
        parts = parts_of(trace, block.name)
        total = parts.sum(dim=0) + torch.tensor(written.bias(trace, block)).double()
        recorded = torch.tensor(trace.array(Site.ATTENTION_OUTPUT, block.name)).double()
        torch.testing.assert_close(total, recorded, atol=1e-4, rtol=1e-4)
        at = Selection(
            block.name,
            head=chance.randrange(block.heads),
            query=chance.randrange(total.shape[0]),
            dimension=chance.randrange(min(total.shape[1], trace.model.d_model, 16)),
            stage="written",
        )
        said: dict[str, Any] = {**facts(trace, at)}
        lengths = parts[:, at.query].norm(dim=1)
        assert said["head_written"] == pytest.approx(float(parts[at.head, at.query, at.dimension]), abs=1e-4)
        assert said["heads_written"] + said["output_bias"] == pytest.approx(said["written_sum"], abs=1e-5)
        assert said["written_sum"] == pytest.approx(float(total[at.query, at.dimension]), abs=1e-4)
        assert said["written_recorded"] == float(recorded[at.query, at.dimension])
        assert said["head_length"] == pytest.approx(float(lengths[at.head]), rel=1e-4)
        assert said["most_head"] == int(lengths.argmax())
        assert said["lengths_sum"] == pytest.approx(float(lengths.sum()), rel=1e-4)
        assert said["written_length"] == pytest.approx(float(total[at.query].norm()), rel=1e-4)
        assert said["written_error"] <= 1e-4 * max(1, float(recorded.abs().max()))


def test_the_parts_of_the_heads_add_up_in_the_translator(trace):
    check(trace)


@pytest.mark.parametrize("name", TINY)
def test_the_parts_of_the_heads_add_up_in_other_models(name):
    check(tiny.trace_of(name))


@pytest.mark.parametrize("name", BOX)
def test_the_parts_of_the_heads_add_up_in_the_models_in_the_box(name):
    check(Request(f"builtin/{name}", TEXT).run())


def test_a_part_is_what_the_model_writes_when_all_other_heads_are_silent():
    """The module W_O itself, given one head's context and zeros for the rest."""
    trace, layer = tiny.trace_of("bert"), tiny.wrapped("bert").model.bert.encoder.layer[1]
    block = trace.blocks[1]
    for head in range(block.heads):
        alone = np.zeros_like(trace.array(Site.CONTEXT, block.name))
        alone[head] = trace.array(Site.CONTEXT, block.name)[head]
        with torch.no_grad():
            said = layer.attention.output.dense(torch.tensor(alone).transpose(0, 1).flatten(1)).numpy()
        shown = load(payload.written(trace, block.name, 0))
        made = shown["contributions"][:, head] + shown["output_bias"]
        np.testing.assert_allclose(made, said, atol=1e-5)


def test_a_bundle_holds_a_page_of_queries_and_a_bias_only_where_there_is_one(trace, monkeypatch):
    block = trace.block("decoder.1.cross")
    queries, heads, d_model = len(trace.tokens["decoder"]), trace.model.heads, trace.model.d_model
    shown = load(payload.written(trace, block.name, 0))
    assert shown.keys() == {"contributions", "output_bias", "written_sum", "written_recorded", "first"}
    assert shown["contributions"].shape == (queries, heads, d_model)
    np.testing.assert_array_equal(shown["written_recorded"], trace.array(Site.ATTENTION_OUTPUT, block.name))
    assert "output_bias" not in load(payload.written(tiny.trace_of("llama"), "decoder.0.self", 0))
    monkeypatch.setattr(written, "NUMBERS", 3 * heads * d_model)
    assert written.page(trace, block) == 3
    second = load(payload.written(trace, block.name, 1))
    assert second["first"].tolist() == [3]
    np.testing.assert_allclose(second["contributions"], shown["contributions"][3:6], atol=1e-5)
    with pytest.raises(IndexError, match="no query 297"):
        payload.written(trace, block.name, 99)


@pytest.mark.parametrize("site", [Site.CONTEXT, Site.OUTPUT_WEIGHT, Site.OUTPUT_BIAS, Site.ATTENTION_OUTPUT])
def test_a_sum_that_is_not_what_was_recorded_is_not_shown(trace, site):
    block = trace.block("encoder.1.self")
    wrong = trace.array(site, block.name) + np.float32(0.01)
    other = replace(trace, arrays={**trace.arrays, (site, block.name): wrong})
    assert not written.told(other, block)
    assert not load(payload.written(other, block.name, 0))
    assert "written" not in stages_of(other, block)
    assert written.told(trace, block)


def test_a_model_that_does_something_else_on_the_way_has_no_such_stage():
    trace = tiny.trace_of("gpt2")
    block = trace.blocks[0]
    without = {place: array for place, array in trace.arrays.items() if place[0] != Site.OUTPUT_WEIGHT}
    assert not written.told(replace(trace, arrays=without), block)
