"""Images of another shape than Swin's own: its windows are in their order, and what it pads is shown beside them."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.huggingface.windows import patch_order
from models.huggingface.wrap import wrap
from models.trace import Site
from tests.huggingface.test_patches import BRIGHT, DULL, changed
from tests.huggingface.test_windows import KINDS

SIZES = {
    (32, 16): [(16, 8), (8, 4)],
    (48, 64): [(24, 32), (12, 16)],
    (24, 24): [(12, 12), (6, 6)],
    (20, 28): [(10, 14), (5, 7)],
    (21, 27): [(11, 14), (6, 7)],
}
"""Height and width → rows and columns of the patches in each stage."""


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request):
    return KINDS[request.param]


@pytest.fixture(scope="module", params=list(SIZES), ids=str)
def size(request):
    return request.param


def values(size, box=None):
    """A dull image, bright within box = (top, bottom, left, right)."""
    image = torch.full((1, 3, *size), DULL)
    if box:
        bright = BRIGHT * torch.tensor([1.0, -0.3, 0.5])
        image[:, :, box[0] : box[1], box[2] : box[3]] = bright[:, None, None]
    return {"pixel_values": image}


def noise(size):
    return {"pixel_values": torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(3))}


@pytest.fixture(scope="module")
def trace(kind, size):
    return wrap(kind.build()).record(inputs=noise(size))


def grid_of(size, trace, layer):
    return trace.patches[trace.blocks[layer].query_stream], SIZES[size][layer // 2]


def test_every_head_is_proved(trace):
    for block in trace.blocks:
        assert all(trace.head(block.name, head).proved for head in range(block.heads))


def test_each_stage_has_its_grid_and_what_was_padded_after_it(size, trace):
    for layer, block in enumerate(trace.blocks):
        grid, wanted = grid_of(size, trace, layer)
        assert grid == wanted
        tokens = trace.tokens[block.key_stream]
        count = wanted[0] * wanted[1]
        assert [(token.row, token.column) for token in tokens[:count]] == list(np.ndindex(*wanted))
        assert len(tokens) == np.prod([-(-length // 4) * 4 for length in wanted])
        for token in tokens[count:]:
            assert (token.text, token.special, token.row, token.column) == ("[PAD]", True, -1, -1)


def test_the_token_that_changes_is_the_bright_patch(kind, size):
    model = wrap(kind.build())
    dull = model.record(inputs=values(size))
    rows, columns = SIZES[size][0]
    for row, column in {(0, 0), (rows - 2, columns - 2), (rows // 2, columns // 3)}:
        box = (2 * row, 2 * row + 2, 2 * column, 2 * column + 2)
        places = changed(dull, model.record(inputs=values(size, box)), "encoder.0.self")
        assert [(dull.tokens["encoder"][p].row, dull.tokens["encoder"][p].column) for p in places] == [
            (row, column)
        ]


def test_weights_are_those_that_eager_returns_by_window(kind, size, trace):
    eager = kind.build("eager")
    with torch.no_grad():
        returned = eager(**noise(size), output_attentions=True).attentions
    for number, windows in zip((1, 3), returned, strict=True):
        block = trace.blocks[number]
        order = padded_order(
            eager.get_submodule(block.module.rsplit(".attention", 1)[0]), SIZES[size][number // 2]
        )
        for head in range(block.heads):
            weights = trace.head(block.name, head).weights
            for window, patches in enumerate(order):
                wanted = windows[window, head].numpy()
                np.testing.assert_allclose(weights[np.ix_(patches, patches)], wanted, atol=1e-5)


def padded_order(layer, grid):
    """(window, place) → token, by the model's own way of padding, rolling and cutting."""
    count = grid[0] * grid[1]
    numbers = torch.arange(1, count + 1).reshape(1, *grid, 1).float()
    high, wide = (-(-length // 4) * 4 for length in grid)
    whole = functional.pad(numbers, (0, 0, 0, wide - grid[1], 0, high - grid[0]))
    whole[whole == 0] = torch.arange(count + 1, high * wide + 1).float()
    whole = torch.roll(whole, (-layer.shift_size, -layer.shift_size), dims=(1, 2))
    cut = whole[0, :, :, 0].unfold(0, 4, 4).unfold(1, 4, 4)
    return (cut.reshape(-1, 16).long() - 1).numpy()


def test_padding_is_looked_at_as_any_patch_and_is_zeros(trace):
    """After the norm Swin pads with zeros: as keys they are the bias of their map alone, all alike."""
    for number, block in enumerate(trace.blocks):
        if not trace.tokens[block.key_stream][-1].special:
            continue
        rows, columns = trace.patches[block.key_stream]
        keys = trace.array(Site.KEY, block.name)[:, rows * columns :]
        np.testing.assert_array_equal(keys, np.broadcast_to(keys[:, :1], keys.shape))
        seen = trace.head(block.name, 0).weights[: rows * columns, rows * columns :]
        assert seen.any() or number % 2  # a shift may part what was padded from the rest


def test_the_same_number_means_may_attend(trace):
    for block, window in trace.windows.items():
        np.testing.assert_array_equal(trace.head(block, 0).mask, window[:, None] == window[None, :])


def test_what_attention_writes_is_added_to_the_stream_patch_by_patch():
    """The rows of the patches come first, so that they stand where those of the stream stand."""
    trace = wrap(KINDS["swin"].build()).record(inputs=noise((20, 28)))
    for number in range(4):
        layer = f"encoder.{number}"
        written = trace.array(Site.ATTENTION_OUTPUT, f"{layer}.self")
        mlp = trace.array(Site.MLP_OUTPUT, f"{layer}.mlp")
        before = trace.array(Site.RESIDUAL, "encoder" if number == 0 else f"encoder.{number - 1}")
        if number != 2:  # before which patches were merged
            after = trace.array(Site.RESIDUAL, layer)
            np.testing.assert_allclose(after, before + written[: len(before)] + mlp, atol=1e-4)


def test_an_order_without_a_grid_is_that_of_the_windows():
    layer = torch.nn.Identity()
    np.testing.assert_array_equal(patch_order(layer, 2, 16), np.arange(32).reshape(2, 16))
