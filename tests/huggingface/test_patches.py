"""A patch is where its token says: one bright patch, and the token that changes is that patch."""

import numpy as np
import pytest
import torch

from models.huggingface.wrap import wrap
from models.trace import Site
from tests.huggingface.zoo import IMAGE, SIZES, ZOO, Kind, image

SWIN = {
    "image_size": 32,
    "patch_size": 2,
    "embed_dim": 16,
    "depths": [2, 1],
    "num_heads": [2, 4],
    "window_size": 4,
}
WIDE = {**IMAGE, "image_size": [16, 48]}
TEXT = {"input_ids": torch.tensor([[7, 12, 3, 29, 2]])}
KINDS = {
    name: ZOO[name]
    for name in ("vit", "deit", "dinov2", "dinov2 registers", "dinov3", "beit", "clip", "siglip")
}
KINDS |= {
    "registers": Kind("DINOv3ViTModel", "DINOv3ViTConfig", {**IMAGE, "num_register_tokens": 3}, image),
    "yolos": Kind(
        "YolosModel", "YolosConfig", {**IMAGE, "image_size": [32, 32], "num_detection_tokens": 5}, image
    ),
    "wide vit": Kind("ViTModel", "ViTConfig", WIDE, image),
    "wide patches": Kind("BeitModel", "BeitConfig", {**IMAGE, "patch_size": [4, 16]}, image),
    "swin": Kind("SwinModel", "SwinConfig", SWIN, image),
    "swinv2": Kind("Swinv2Model", "Swinv2Config", SWIN, image),
    "wide swin": Kind("SwinModel", "SwinConfig", {**SWIN, "image_size": [16, 48]}, image),
}
DULL, BRIGHT = 0.1, 0.9
LEADING = {"deit": ["[CLS]", "[DIST]"], "siglip": [], "swin": [], "swinv2": [], "wide swin": []}
LEADING |= {"dinov2 registers": ["[CLS]", *(f"[REG {n}]" for n in (1, 2, 3, 4))]}
LEADING |= {"registers": ["[CLS]", "[REG 1]", "[REG 2]", "[REG 3]"]}


def pair(name):
    """A wrapped model and (height, width) of its images."""
    kind = KINDS[name]
    settings = kind.settings.get("vision_config", kind.settings)
    size = settings["image_size"]
    return wrap(kind.build()), (size, size) if isinstance(size, int) else tuple(size)


@pytest.fixture(scope="module", params=list(KINDS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def wrapped(name):
    return pair(name)


def run(wrapped, box=None):
    """A trace of a dull image, bright within box = (top, bottom, left, right)."""
    model, (height, width) = wrapped
    values = torch.full((1, 3, height, width), DULL)
    if box:
        values[:, :, box[0] : box[1], box[2] : box[3]] = (
            BRIGHT * torch.tensor([1.0, -0.3, 0.5])[:, None, None]
        )
    text = TEXT if "input_ids" in model.reader.accepted else {}
    return model.record(inputs={"pixel_values": values, **text})


def box_of(trace, stream, row, column, size):
    rows, columns = trace.patches[stream]
    high, wide = size[0] // rows, size[1] // columns
    return row * high, (row + 1) * high, column * wide, (column + 1) * wide


def changed(one, other, block):
    """The tokens whose queries differ."""
    queries = [trace.array(Site.QUERY, block) for trace in (one, other)]
    return np.flatnonzero(np.abs(queries[0] - queries[1]).max(axis=(0, 2)) > 0)


def seeing(trace):
    """The first block that looks at the image, and its stream."""
    block = next(block for block in trace.blocks if block.query_stream in trace.patches)
    return block.name, block.query_stream


def test_the_token_that_changes_is_the_bright_patch(wrapped):
    dull = run(wrapped)
    block, stream = seeing(dull)
    rows, columns = dull.patches[stream]
    for row, column in {(0, 0), (0, columns - 1), (rows - 1, 0), (rows // 2, columns // 3)}:
        bright = run(wrapped, box_of(dull, stream, row, column, wrapped[1]))
        places = changed(dull, bright, block)
        assert [(t.row, t.column) for t in (bright.tokens[stream][place] for place in places)] == [
            (row, column)
        ]


def test_rows_and_columns_fill_the_grid_once(wrapped):
    trace = run(wrapped)
    for stream, (rows, columns) in trace.patches.items():
        placed = [(token.row, token.column) for token in trace.tokens[stream] if not token.special]
        assert placed == [(row, column) for row in range(rows) for column in range(columns)]
        assert all(token.row == token.column == -1 for token in trace.tokens[stream] if token.special)


def test_special_tokens_are_called_what_they_are(name, wrapped):
    trace = run(wrapped)
    tokens = trace.tokens[seeing(trace)[1]]
    special = [token.text for token in tokens if token.special]
    if name == "yolos":
        assert special == ["[CLS]", *(f"[DET {n}]" for n in range(1, 6))]
        assert [token.special for token in tokens[-5:]] == [True] * 5
    else:
        assert special == LEADING.get(name, ["[CLS]"])
        assert [token.text for token in tokens[: len(special)]] == special


@pytest.fixture(scope="module", params=["swin", "swinv2", "wide swin"])
def swin(request):
    return pair(request.param)


class TestWindows:
    """Swin: windows, their shift, and stages that merge patches."""

    def test_a_bright_patch_is_felt_in_its_window_and_nowhere_else(self, swin):
        dull = run(swin)
        rows, columns = dull.patches["encoder"]
        bright = run(swin, box_of(dull, "encoder", 5, columns - 2, swin[1]))
        window = dull.windows["encoder.0.self"]
        own = window == window[5 * columns + columns - 2]
        felt = changed(dull, bright, "encoder.1.self")
        np.testing.assert_array_equal(felt, np.flatnonzero(own))
        grid = np.zeros((rows, columns), dtype=bool)
        grid[4:8, columns - 4 :] = True
        np.testing.assert_array_equal(own.reshape(rows, columns), grid)

    def test_after_the_shift_it_is_felt_in_what_the_new_windows_touch(self, swin):
        dull = run(swin)
        rows, columns = dull.patches["encoder"]
        bright = run(swin, box_of(dull, "encoder", 5, 1, swin[1]))
        first, second = (dull.windows[f"encoder.{layer}.self"] for layer in (0, 1))
        felt = np.isin(second, second[first == first[5 * columns + 1]]).reshape(rows, columns)
        wanted = np.zeros((rows, columns), dtype=bool)
        wanted[2:10, 0:6] = True  # windows moved by 2, cut off at the left edge
        np.testing.assert_array_equal(felt, wanted)
        merged = felt.reshape(rows // 2, 2, columns // 2, 2).any(axis=(1, 3))
        stage = f"encoder:{merged.size}"
        assert dull.patches[stage] == merged.shape
        np.testing.assert_array_equal(changed(dull, bright, "encoder.2.self"), np.flatnonzero(merged))

    def test_the_same_number_means_may_attend(self, swin):
        trace = run(swin)
        assert trace.windows.keys() == {block.name for block in trace.blocks}
        for block, window in trace.windows.items():
            np.testing.assert_array_equal(trace.head(block, 0).mask, window[:, None] == window[None, :])
            assert sorted(set(window.tolist())) == list(range(window.max() + 1))


def test_models_without_windows_have_none():
    assert run(pair("vit")).windows == {}


def test_what_cannot_be_placed_claims_no_place():
    """A masked autoencoder reads a random quarter; a pooling query is no patch."""
    masked = wrap(Kind("ViTMAEModel", "ViTMAEConfig", IMAGE, image).build()).record(inputs=image())
    assert masked.patches == {}
    assert [token.text for token in masked.tokens["encoder"]] == ["1", "2", "3", "4", "5"]
    pooled = run(pair("siglip"))
    assert pooled.tokens["vision:1"][0].row == -1
    assert "vision:1" not in pooled.patches


def test_one_stream_of_text_and_shuffled_patches_claims_no_place():
    vilt = wrap(Kind("ViltModel", "ViltConfig", {**SIZES, **IMAGE}, image).build())
    trace = vilt.record(inputs={**TEXT, **image()})
    assert [token.text for token in trace.tokens["encoder"]][:7] == ["7", "12", "3", "29", "2", "[CLS]", "1"]
    assert trace.patches == {}
