"""A trace cannot be written into, and through it no model; what a long text leaves out says so, and can be had."""

import numpy as np
import pytest

from models import load, record
from models.huggingface import budget
from models.huggingface.wrap import wrap
from models.trace import AXES, DERIVED, Site
from tests.huggingface.zoo import IDS, ZOO, built


@pytest.mark.parametrize("name", ["gpt2", "vit", "t5", "llama", "mixtral"])
def test_every_array_is_read_only(name):
    model = ZOO[name].build()
    trace = wrap(model).record(inputs=ZOO[name].inputs())
    before = {path: parameter.clone() for path, parameter in model.named_parameters()}
    for site, place in trace.arrays:
        if site not in DERIVED:
            refused(trace.array(site, place))
    for one in trace.positions:
        refused(one.values)
    for path, parameter in model.named_parameters():
        assert bool((parameter == before[path]).all()), path


def test_a_head_is_read_only_in_every_stage():
    head = wrap(built("gpt2")).record(inputs={"input_ids": IDS}).head("decoder.0.self", 1)
    for stage in (
        "query",
        "key",
        "value",
        "mask",
        "scores",
        "masked_scores",
        "weights",
        "context",
        "model_context",
    ):
        refused(getattr(head, stage))


def test_the_built_in_translator_hands_out_nothing_that_can_be_written_into():
    trace = record("builtin/translator", "The cat sleeps.", keep=[Site.HIDDEN])
    for site, place in trace.arrays:
        refused(trace.array(site, place))
    assert not trace.dropped
    assert load("builtin/translator").card == trace.model


def refused(array):
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0


def test_what_was_dropped_says_why_and_can_be_kept(monkeypatch):
    model = wrap(ZOO["gpt2"].build())
    whole = model.record(inputs={"input_ids": IDS})
    monkeypatch.setattr(budget, "MEMORY_LIMIT", 3000)
    trace = model.record(inputs={"input_ids": IDS})
    assert set(trace.dropped) >= {Site.RESIDUAL, Site.MLP_OUTPUT, Site.HIDDEN}
    assert not {site for site, _ in trace.arrays} & set(trace.dropped)
    with pytest.raises(
        KeyError, match=r"residual was dropped to save memory: 0 MiB for 10 tokens; .*Site.RESIDUAL"
    ):
        trace.array(Site.RESIDUAL, "decoder.0")
    with pytest.raises(KeyError, match=r"router was not recorded at 'decoder.0.mlp'; it was at: no place"):
        trace.array(Site.ROUTER, "decoder.0.mlp")
    kept = model.record(inputs={"input_ids": IDS}, keep=[Site.RESIDUAL, Site.HIDDEN])
    assert not {Site.RESIDUAL, Site.HIDDEN} & set(kept.dropped)
    for place in ("decoder", "decoder.0", "decoder.1"):
        np.testing.assert_array_equal(kept.array(Site.RESIDUAL, place), whole.array(Site.RESIDUAL, place))
    np.testing.assert_array_equal(
        kept.array(Site.HIDDEN, "decoder.1.mlp"), whole.array(Site.HIDDEN, "decoder.1.mlp")
    )
    everything = record(model, inputs={"input_ids": IDS}, keep=AXES)
    assert everything.arrays.keys() == whole.arrays.keys()
    assert not everything.dropped
