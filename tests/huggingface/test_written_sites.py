"""A text that the model itself wrote, step by step: maps, angles and what enters hold for it as for one pass."""

import numpy as np
import pytest

from models import Strategy, wrap
from models.trace import Site
from tests.huggingface.test_entrances import PLAIN, streams, together
from tests.huggingface.test_projections import MAPS, close, of_head
from tests.huggingface.test_rotation import stretch_of, turned
from tests.huggingface.zoo import ZOO, built

NAMES = ["gpt2", "llama", "gpt_oss", "t5", "marian", "whisper", "falcon", "gptj"]


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module", params=["greedy", "beam"])
def trace(request, name):
    inputs = ZOO[name].inputs()
    inputs.pop("decoder_input_ids", None)
    written = wrap(built(name)).generate(inputs=inputs, steps=4, strategy=Strategy(request.param, beams=2))
    return written.trace


def test_the_input_times_a_heads_map_is_what_attention_used(trace):
    for block in trace.blocks:
        assert all((site, block.name) in trace.arrays for site in MAPS)
        for weight, bias, given, wanted in of_head(trace, block, block.heads - 1):
            close(given @ weight + bias, wanted)


def test_turning_the_pairs_by_the_angles_gives_what_attention_used(trace):
    for block in trace.blocks:
        if (Site.ANGLE, block.name) in trace.arrays:
            angle, pair = trace.array(Site.ANGLE, block.name), trace.array(Site.PAIR, block.name)
            one = trace.head(block.name, 0)
            for used, before in ((one.query, one.query_unrotated), (one.key, one.key_unrotated)):
                made = turned(before, angle, pair, stretch_of(used, before, pair))
                np.testing.assert_allclose(made, used, rtol=0, atol=3e-5 * np.abs(used).max())


def test_the_parts_add_up_to_the_residual(name, trace):
    for stream in streams(trace) if name in PLAIN else ():
        np.testing.assert_allclose(together(trace, stream), trace.array(Site.RESIDUAL, stream), atol=1e-4)
