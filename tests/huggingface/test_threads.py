"""Many requests on one shared model, recorded and idle at once: none feels another."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch

from models.huggingface.wrap import wrap
from models.trace import Site
from tests.huggingface.zoo import IDS, TARGET, built

RUNS = 60


def inputs_of(number, pair):
    ids = (IDS[:, : 4 + number % 7] + number) % 60 + 3
    return {"input_ids": ids, **({"decoder_input_ids": TARGET} if pair else {})}


def idle(model, inputs):
    with torch.no_grad():
        return model(**inputs, use_cache=False).logits.numpy()


def recorded(wrapped, inputs):
    trace = wrapped.record(inputs=inputs)
    last = trace.blocks[-1].name
    return trace.logits, trace.weights(last), max(trace.head(b.name, 0).error for b in trace.blocks)


@pytest.mark.parametrize("name", ["llama", "gemma2", "bart", "t5"])
def test_recorded_and_idle_requests_never_meet(name):
    model, pair = built(name), name in {"bart", "t5"}
    wrapped = wrap(model)
    cases = [inputs_of(number, pair) for number in range(RUNS)]
    alone = [idle(model, case) for case in cases]
    weights = [recorded(wrapped, case)[1] for case in cases]
    with ThreadPoolExecutor(8) as pool:
        quiet = pool.map(partial(idle, model), cases)
        loud = pool.map(partial(recorded, wrapped), cases)
        for own, calm, (logits, seen, error), wanted in zip(alone, quiet, loud, weights, strict=True):
            np.testing.assert_array_equal(calm, own)
            np.testing.assert_array_equal(logits[None], own)
            np.testing.assert_array_equal(seen, wanted)
            assert error < 1e-5


def test_a_wrapped_model_is_left_as_it_was():
    model = built("llama")
    before = model.config.to_dict(), idle(model, {"input_ids": IDS})
    wrap(model).record(inputs={"input_ids": IDS})
    assert model.config.to_dict() == before[0]
    assert model.config._attn_implementation == "sdpa"
    np.testing.assert_array_equal(idle(model, {"input_ids": IDS}), before[1])


def test_nothing_n_by_n_is_kept_but_one_mask_that_layers_share():
    trace = wrap(built("llama")).record(inputs={"input_ids": IDS})
    first, second = (trace.arrays[Site.MASK, block.name] for block in trace.blocks)
    assert first is second
    assert first.shape == (1, 10, 10)
    assert not any(site in {"scores", "masked_scores", "weights"} for site, _ in trace.arrays)
