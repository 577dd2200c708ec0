"""The passes of a generation, put together: the rows of each step are those of one pass over the whole text."""

from functools import cache

import numpy as np
import pytest
import torch

from models import Strategy, wrap
from models.huggingface.ending import SITES
from models.trace import Site
from tests.huggingface.zoo import ZOO, built

STEPS = 6
ONE_PASS = (
    *(
        "gpt2",
        "llama",
        "mistral window",
        "gemma2",
        "gemma3",
        "qwen3",
        "opt",
        "gpt_neox",
        "phi3",
        "deepseek_v3",
    ),
    *("gpt_oss", "llama4", "mixtral", "doge", "bert decoder", "t5", "marian", "bart", "whisper"),
    *("bloom", "falcon", "gptj", "gpt_neo", "codegen", "openai-gpt"),
)
"""Models for which one pass over the whole text does the same arithmetic; MPT's ALiBi counts from the last token."""

PARTS = ("query", "key", "value", "context", "scores", "weights", "query_unrotated", "key_unrotated")


@cache
def wrapped(name):
    return wrap(built(name))


def prompt(name):
    inputs = ZOO[name].inputs()
    inputs.pop("decoder_input_ids", None)
    return inputs


@pytest.fixture(scope="module", params=ONE_PASS)
def name(request):
    return request.param


@pytest.fixture(scope="module", params=["greedy", "beam"])
def strategy(request):
    return request.param


@pytest.fixture(scope="module")
def written(name, strategy):
    return wrapped(name).generate(inputs=prompt(name), steps=STEPS, strategy=Strategy(strategy, beams=3))


@pytest.fixture(scope="module")
def one_pass(name, written):
    """The same text read at once."""
    ids = torch.tensor([[token.id for token in written.trace.tokens["decoder"]]])
    reads = "decoder_input_ids" if built(name).config.is_encoder_decoder else "input_ids"
    return wrapped(name).record(inputs={**prompt(name), reads: ids})


def heads(trace):
    return [(block.name, head) for block in trace.blocks for head in range(block.heads)]


def test_every_row_is_proved(written):
    for block, head in heads(written.trace):
        assert written.trace.head(block, head).error <= 1e-5


def test_the_rows_are_those_of_one_pass(written, one_pass):
    assert written.trace.blocks == one_pass.blocks
    for where in heads(one_pass):
        ours, theirs = written.trace.head(*where), one_pass.head(*where)
        np.testing.assert_array_equal(ours.mask, theirs.mask)
        for part in PARTS:
            got, wanted = getattr(ours, part), getattr(theirs, part)
            assert (got is None) == (wanted is None), part
            if wanted is not None:
                size = max(1.0, float(np.abs(wanted).max()))
                np.testing.assert_allclose(got, wanted, atol=1e-5 * size, rtol=0, err_msg=part)
        if theirs.bias is not None:
            seen = ours.mask
            np.testing.assert_allclose(ours.bias[seen], theirs.bias[seen], atol=1e-5, rtol=0)


def test_the_other_sites_and_the_positions_are_those_of_one_pass_too(written, one_pass):
    ends = () if (Site.LOGITS, "") in written.trace.arrays else SITES
    assert not {(site, "") for site in ends} & written.trace.arrays.keys()
    for (site, place), wanted in one_pass.arrays.items():
        if site not in {Site.LOGITS, Site.BIAS, Site.MASK, *ends}:
            got = np.asarray(written.trace.arrays[site, place])
            size = max(1.0, float(np.abs(wanted).max()))
            np.testing.assert_allclose(got, wanted, atol=2e-5 * size, rtol=0, err_msg=f"{site} {place}")
    kinds = [(encoding.kind, encoding.where) for encoding in one_pass.positions]
    assert [(encoding.kind, encoding.where) for encoding in written.trace.positions] == kinds
    for ours, theirs in zip(written.trace.positions, one_pass.positions, strict=True):
        if theirs.kind != "relative":  # of which no pass computes what is behind the mask
            np.testing.assert_allclose(ours.values, theirs.values, atol=1e-5)


def test_every_stream_has_as_many_tokens_as_its_blocks_say(written):
    for block in written.trace.blocks:
        head = written.trace.head(block.name, 0)
        assert len(written.trace.tokens[block.query_stream]) == len(head.query)
        assert len(written.trace.tokens[block.key_stream]) == len(head.key)


@pytest.mark.parametrize("name", ["gpt2", "mistral window", "gpt_oss", "t5", "bloom"], indirect=True)
def test_layers_share_one_mask(written):
    masks = [written.trace.arrays[Site.MASK, block.name] for block in written.trace.blocks]
    filled = [mask for mask in masks if any(mask.strides)]  # the others are one True for all cells
    assert len({id(mask) for mask in filled}) == len({mask.tobytes() for mask in filled})


@pytest.mark.parametrize("name", ["gpt2", "llama", "mistral window", "gemma3", "t5"])
@pytest.mark.parametrize("strategy", ["greedy", "beam"])
def test_a_cache_that_is_allocated_in_advance_shows_the_same(name, strategy):
    model, growing = ZOO[name].build(), wrapped(name)
    model.generation_config.cache_implementation = "static"
    chosen = Strategy(strategy, beams=3)
    got = wrap(model).generate(inputs=prompt(name), steps=STEPS, strategy=chosen)
    wanted = growing.generate(inputs=prompt(name), steps=STEPS, strategy=chosen)
    assert got.ids == wanted.ids
    for where in heads(wanted.trace):
        ours, theirs = got.trace.head(*where), wanted.trace.head(*where)
        assert ours.error <= 1e-5
        np.testing.assert_array_equal(ours.mask, theirs.mask)
        np.testing.assert_allclose(ours.key, theirs.key, atol=1e-5)
        np.testing.assert_allclose(ours.weights, theirs.weights, atol=1e-5)


@pytest.mark.parametrize("name", ["gpt2", "mistral window", "t5", "bloom"])
def test_without_a_cache_the_rows_are_the_same(name):
    model = ZOO[name].build()
    model.generation_config.use_cache = model.config.use_cache = False
    got = wrap(model).generate(inputs=prompt(name), steps=STEPS)
    wanted = wrapped(name).generate(inputs=prompt(name), steps=STEPS)
    assert got.ids == wanted.ids
    for where in heads(wanted.trace):
        assert got.trace.head(*where).error <= 1e-5
        np.testing.assert_allclose(
            got.trace.head(*where).weights, wanted.trace.head(*where).weights, atol=1e-5
        )
    residual = got.trace.array(Site.RESIDUAL, "decoder.1")
    np.testing.assert_allclose(residual, wanted.trace.array(Site.RESIDUAL, "decoder.1"), atol=1e-4)


@pytest.mark.parametrize("name", ["llama", "bloom"])
def test_padding_of_the_prompt_stays_hidden(name):
    inputs = prompt(name) | {"attention_mask": torch.tensor([[0, 0, *([1] * 8)]])}
    got = wrapped(name).generate(inputs=inputs, steps=STEPS)
    assert (
        list(got.ids)
        == built(name).generate(**inputs, max_new_tokens=STEPS, do_sample=False)[0, 10:].tolist()
    )
    for where in heads(got.trace):
        head = got.trace.head(*where)
        assert head.error <= 1e-5
        assert not head.mask[2:, :2].any()


def test_a_row_below_a_sliding_window_sees_only_the_window():
    trace = wrapped("mistral window").generate(inputs=prompt("mistral window"), steps=STEPS).trace
    rows, columns = np.indices((15, 15))
    np.testing.assert_array_equal(
        trace.head("decoder.0.self", 0).mask, (columns <= rows) & (columns > rows - 4)
    )
