"""Runs that depend on chance are repeatable, and disturb nobody's chance."""

import numpy as np
import torch

from models.huggingface.chance import SEED, steady
from models.huggingface.wrap import wrap
from tests.huggingface.tracer_models import MODELS, build


def test_vilt_shuffles_its_patches_alike_in_every_run():
    model, inputs = build("vilt"), MODELS["vilt"][-1]()
    wrapped = wrap(model)
    one = wrapped.record(inputs=inputs)
    torch.rand(7)
    same = wrapped.record(inputs=inputs)
    for where, wanted in one.arrays.items():
        np.testing.assert_array_equal(np.asarray(same.arrays[where]), np.asarray(wanted))


def test_it_shuffles_as_the_model_does_from_that_seed():
    inputs = MODELS["vilt"][-1]()
    trace = wrap(build("vilt")).record(inputs=inputs)
    model = build("vilt", "eager")
    torch.manual_seed(SEED)
    with torch.no_grad():
        own = model(**inputs, output_attentions=True)
    for block, wanted in zip(trace.blocks, own.attentions, strict=True):
        live = ~trace.head(block.name, 0).idle
        np.testing.assert_allclose(trace.weights(block.name)[:, live], wanted[0].numpy()[:, live], atol=1e-5)


def test_drawing_within_leaves_the_chance_outside_alone():
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    with steady():
        drawn = torch.rand(4), torch.randperm(9), torch.ones(5).multinomial(2)
    assert torch.equal(torch.rand(4), wanted)
    with steady():
        again = torch.rand(4), torch.randperm(9), torch.ones(5).multinomial(2)
    assert all(torch.equal(one, other) for one, other in zip(drawn, again, strict=True))


def test_a_source_that_is_given_is_used():
    with steady():
        drawn = torch.rand(3, generator=torch.Generator().manual_seed(8))
    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(8)))
