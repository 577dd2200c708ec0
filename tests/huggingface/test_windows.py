"""Swin's windows, back in the order of the image."""

import numpy as np
import pytest
import torch

from models.huggingface.windows import patch_order
from models.huggingface.wrap import wrap
from models.trace import Site
from tests.huggingface.zoo import Kind, image

SWIN = {
    "image_size": 32,
    "patch_size": 2,
    "embed_dim": 16,
    "depths": [2, 2],
    "num_heads": [2, 4],
    "window_size": 4,
}
KINDS = {
    "swin": Kind("SwinModel", "SwinConfig", SWIN, image),
    "swinv2": Kind("Swinv2Model", "Swinv2Config", SWIN, image),
}


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request):
    return KINDS[request.param]


@pytest.fixture(scope="module")
def model(kind):
    return kind.build()


@pytest.fixture(scope="module")
def trace(model):
    return wrap(model).record(inputs=image())


def test_every_head_is_proved(trace):
    for block in trace.blocks:
        assert all(trace.head(block.name, head).proved for head in range(block.heads))


def test_a_stage_that_merges_patches_has_a_stream_of_its_own(trace):
    assert {stream: len(tokens) for stream, tokens in trace.tokens.items()} == {
        "encoder": 256,
        "encoder:64": 64,
    }
    assert [block.query_stream for block in trace.blocks] == [
        "encoder",
        "encoder",
        "encoder:64",
        "encoder:64",
    ]
    assert trace.tokens["encoder"][17].text == "2,2"


@pytest.mark.parametrize("layer", range(4))
def test_a_patch_attends_only_to_its_neighbours_and_never_across_the_border(trace, layer):
    block = trace.blocks[layer]
    mask = trace.head(block.name, 0).mask
    side = int(np.sqrt(len(mask)))
    rows, columns = np.divmod(np.arange(side * side), side)
    for places in (rows, columns):
        assert np.abs(places[:, None] - places[None, :])[mask].max() < 4
    if layer % 2 == 0:
        assert (mask.sum(axis=1) == 16).all()
        np.testing.assert_array_equal(
            mask, (rows[:, None] // 4 == rows // 4) & (columns[:, None] // 4 == columns // 4)
        )
    else:
        assert mask[0].sum() < 16  # a corner, cut off by the shift
        assert mask[2 * side + 2].sum() == 16


def test_weights_are_those_that_eager_returns_by_window(kind, trace):
    eager = kind.build("eager")
    with torch.no_grad():
        returned = eager(**image(), output_attentions=True).attentions
    for block, windows in zip((trace.blocks[1], trace.blocks[3]), returned, strict=True):
        layer = eager.get_submodule(block.module.rsplit(".attention", 1)[0])
        order = patch_order(layer, len(windows), windows.shape[-1]).numpy()
        for head in range(block.heads):
            weights = trace.head(block.name, head).weights
            for window, patches in enumerate(order):
                wanted = windows[window, head].numpy()
                np.testing.assert_allclose(weights[np.ix_(patches, patches)], wanted, atol=1e-5)


def test_queries_stand_where_their_patches_are():
    model = KINDS["swin"].build()
    trace = wrap(model).record(inputs=image())
    before = torch.tensor(trace.array(Site.RESIDUAL, "encoder.0"))
    layer = model.get_submodule(trace.blocks[1].module.rsplit(".attention", 1)[0])
    with torch.no_grad():
        queries = layer.attention.q_proj(layer.layernorm_before(before)).unflatten(1, (2, -1))
    np.testing.assert_allclose(trace.head("encoder.1.self", 1).query, queries[:, 1].numpy(), atol=1e-5)


@pytest.mark.parametrize("layer", range(4))
def test_the_same_window_and_not_parted_by_the_shift_together_are_the_mask(trace, layer):
    block = trace.blocks[layer].name
    mask = trace.arrays[Site.MASK, block]
    pattern = trace.arrays.get((Site.MASK_PATTERN, block), mask)
    assert (pattern[0].sum(axis=1) == 16).all()
    assert ((Site.MASK_SHIFT, block) in trace.arrays) == (layer % 2 == 1)
    if layer % 2:
        shift = trace.arrays[Site.MASK_SHIFT, block]
        assert len(shift) == len(mask)
        for head in range(len(mask)):
            np.testing.assert_array_equal(pattern[min(head, len(pattern) - 1)] & shift[head], mask[head])
        assert not shift[0].all()


@pytest.mark.parametrize("layer", range(4))
def test_what_attention_writes_stands_where_its_patches_are(trace, layer):
    block = trace.blocks[layer]
    weight = trace.array(Site.OUTPUT_WEIGHT, block.name)
    contexts = trace.array(Site.CONTEXT, block.name)
    written = np.einsum("hqv,hvm->qm", contexts, weight) + trace.array(Site.OUTPUT_BIAS, block.name)
    np.testing.assert_allclose(trace.array(Site.ATTENTION_OUTPUT, block.name), written, atol=1e-4)


def test_swins_layers_add_their_attention_and_their_mlp_to_the_stream():
    trace = wrap(KINDS["swin"].build()).record(inputs=image())
    before = trace.array(Site.RESIDUAL, "encoder")
    for place in ("encoder.0", "encoder.1"):
        after = trace.array(Site.RESIDUAL, place)
        parts = trace.array(Site.ATTENTION_OUTPUT, f"{place}.self") + trace.array(
            Site.MLP_OUTPUT, f"{place}.mlp"
        )
        np.testing.assert_allclose(after, before + parts, atol=1e-4)
        before = after


def test_inputs_of_the_maps_stand_where_their_patches_are():
    trace = wrap(KINDS["swin"].build()).record(inputs=image())
    for block in trace.blocks:
        given, weight = trace.array(Site.QUERY_INPUT, block.name), trace.array(Site.QUERY_WEIGHT, block.name)
        bias = trace.array(Site.QUERY_BIAS, block.name)
        for head in range(block.heads):
            query = trace.head(block.name, head).query
            np.testing.assert_allclose(given @ weight[head] + bias[head], query, atol=1e-4)
