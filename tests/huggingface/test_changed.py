"""A model that is changed after it was wrapped: what is shown is what it is at each run."""

import numpy as np
import pytest
import torch
import transformers

from models.generation import Strategy
from models.huggingface.wrap import wrap
from models.trace import TOLERANCE
from tests.huggingface.zoo import IDS, ZOO

READ = {"input_ids": IDS}


def dropping():
    config = transformers.GPT2Config(
        vocab_size=64, n_embd=32, n_layer=2, n_head=4, n_positions=64, attn_pdrop=0.5
    )
    return transformers.GPT2LMHeadModel(config)


def proved(trace):
    return all(trace.head(block.name, head).proved for block in trace.blocks for head in range(block.heads))


def test_a_model_that_is_trained_on_is_recorded_without_dropout():
    model = dropping()
    wrapped = wrap(model)
    before = wrapped.record(inputs=READ)
    model.train()
    trace = wrapped.record(inputs=READ)
    np.testing.assert_array_equal(trace.logits, before.logits)
    assert proved(trace)
    assert not model.training
    model.transformer.h[0].train()
    assert proved(wrapped.generate(inputs=READ, steps=2, strategy=Strategy()).trace)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_that_is_made_coarser_is_held_to_what_it_computes_with(dtype):
    model = ZOO["llama"].build()
    wrapped = wrap(model)
    assert wrapped.record(inputs=READ).model == wrapped.card
    model.to(dtype)
    trace = wrapped.record(inputs=READ)
    assert trace.model.dtype == str(dtype).removeprefix("torch.")
    assert proved(trace)
    model.to(torch.float32)
    assert wrapped.record(inputs=READ).head("decoder.0.self", 0).tolerance == TOLERANCE


def test_autocast_is_what_a_model_computes_with():
    wrapped = wrap(ZOO["llama"].build())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trace = wrapped.record(inputs=READ)
    assert trace.model.dtype == "bfloat16"
    assert proved(trace)
