"""The mask of a text that was written after a padded prompt is told apart as that of one pass over the same text."""

import numpy as np
import pytest
import torch

from models import generate, wrap
from models.trace import Site
from tests.huggingface.test_stitch import prompt, wrapped
from tests.huggingface.zoo import ZOO, built

STEPS = 5
NAMES = ("gpt2", "llama", "opt", "mistral window", "gemma3", "gpt_oss", "t5", "bart")


def padded(name):
    """A prompt of which two tokens are padding: the first, as generation wants it."""
    ids = prompt(name)["input_ids"]
    mask = torch.ones_like(ids)
    mask[:, :2] = 0
    return {**prompt(name), "attention_mask": mask}


def one_pass(name, trace):
    """The same text read at once, with the same padding."""
    ids = torch.tensor([[token.id for token in trace.tokens["decoder"]]])
    inputs = padded(name)
    if built(name).config.is_encoder_decoder:
        return wrapped(name).record(inputs={**inputs, "decoder_input_ids": ids})
    more = torch.ones(1, ids.shape[1] - inputs["attention_mask"].shape[1], dtype=torch.long)
    mask = torch.cat([inputs["attention_mask"], more], dim=1)
    return wrapped(name).record(inputs={**inputs, "input_ids": ids, "attention_mask": mask})


def check(got, wanted):
    sites = (Site.MASK_PATTERN, Site.MASK_PADDING)
    places = [place for place in wanted.arrays if place[0] in sites]
    assert places
    assert {place for place in got.arrays if place[0] in sites} == set(places)
    for place in places:
        np.testing.assert_array_equal(got.arrays[place], wanted.arrays[place], err_msg=str(place))
    for block in {block for _, block in places}:
        pattern, keys = (got.arrays[site, block] for site in sites)
        np.testing.assert_array_equal(got.arrays[Site.MASK, block], pattern & keys)
        assert keys.tolist() == [False] * 2 + [True] * (len(keys) - 2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strategy", ["greedy", "beam"])
def test_pattern_and_padding_are_those_of_one_pass(name, strategy):
    got = generate(wrapped(name), inputs=padded(name), steps=STEPS, strategy=strategy).trace
    check(got, one_pass(name, got))


@pytest.mark.parametrize("name", ["llama", "mistral window", "gemma3"])
def test_a_cache_that_is_allocated_in_advance_shows_the_same(name):
    model = ZOO[name].build()
    model.generation_config.cache_implementation = "static"
    got = generate(wrap(model), inputs=padded(name), steps=STEPS).trace
    check(got, one_pass(name, got))


@pytest.mark.parametrize("name", ["llama", "mistral window"])
def test_without_a_cache_it_is_the_same(name):
    model = ZOO[name].build()
    model.generation_config.use_cache = model.config.use_cache = False
    got = generate(wrap(model), inputs=padded(name), steps=STEPS).trace
    check(got, one_pass(name, got))


def test_an_unpadded_prompt_has_its_pattern_as_its_mask():
    trace = generate(wrapped("llama"), inputs=prompt("llama"), steps=STEPS).trace
    assert not {site for site, _ in trace.arrays} & {Site.MASK_PATTERN, Site.MASK_PADDING}
