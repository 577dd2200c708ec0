"""Mask and bias told apart by their numbers, however low the one and however a model writes the other."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM, MarkupLMConfig, MarkupLMModel

from models.huggingface.forbidden import mask_and_bias
from models.huggingface.wrap import wrap
from models.trace import Site
from tests.huggingface.zoo import GROUPED, IDS, SIZES

LENGTH, PADDED = 10, 3
FORBIDDING = [-1e4, -1e9, torch.finfo(torch.float32).min, -torch.inf]

forbidding = pytest.mark.parametrize("low", FORBIDDING)


def causal():
    return torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()


@forbidding
@given(size=st.floats(0, 100), seed=st.integers(0, 99))
def test_mask_and_bias_are_told_apart(low, size, seed):
    bias = torch.randn(LENGTH, LENGTH, generator=torch.Generator().manual_seed(seed)) * size
    allowed, found = mask_and_bias(bias + torch.zeros(LENGTH, LENGTH).masked_fill(~causal(), low))
    assert allowed is not None
    assert torch.equal(allowed, causal())
    found = torch.zeros_like(bias) if found is None else found
    torch.testing.assert_close(found, bias * causal())


@pytest.mark.parametrize("low", FORBIDDING[1:])
def test_slopes_that_reach_as_low_as_a_mask_are_a_bias(low):
    slopes = -torch.arange(20_000.0)[None]
    allowed, bias = mask_and_bias(slopes)
    assert allowed is None
    assert bias is slopes
    shut = slopes.clone()
    shut[:, :5] = low
    allowed, bias = mask_and_bias(shut)
    assert allowed is not None
    assert bias is not None
    assert allowed.sum() == slopes.numel() - 5
    assert torch.equal(bias[:, 5:], slopes[:, 5:])


def test_a_bias_alone_forbids_nothing():
    assert mask_and_bias(torch.zeros(2, 2)) == (None, None)
    assert mask_and_bias(torch.tensor([[-60.0, -40.0]]))[0] is None


@forbidding
def test_a_ready_mask_of_numbers_is_a_mask(low):
    torch.manual_seed(0)
    model = wrap(LlamaForCausalLM(LlamaConfig(**GROUPED)))
    ready = torch.zeros(LENGTH, LENGTH).masked_fill(~causal(), low)[None, None]
    trace = model.record(inputs={"input_ids": IDS, "attention_mask": ready})
    for block in trace.blocks:
        np.testing.assert_array_equal(trace.arrays[Site.MASK, block.name][0], causal().numpy())
        assert (Site.BIAS, block.name) not in trace.arrays
        assert all(trace.head(block.name, head).proved for head in range(block.heads))
    assert [encoding.kind for encoding in trace.positions] == ["rotary"]


def test_padding_of_minus_ten_thousand_is_no_bias():
    torch.manual_seed(0)
    model = wrap(MarkupLMModel(MarkupLMConfig(**SIZES)))
    mask = torch.ones_like(IDS)
    mask[:, -PADDED:] = 0
    trace = model.record(inputs={"input_ids": IDS, "attention_mask": mask})
    for block in trace.blocks:
        head = trace.head(block.name, 0)
        np.testing.assert_array_equal(head.mask, np.broadcast_to(mask.numpy() == 1, head.mask.shape))
        assert (Site.BIAS, block.name) not in trace.arrays
        assert head.proved
