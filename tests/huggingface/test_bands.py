"""Banded attention in its dense form: the weights are the model's own, wherever the band had put them."""

from functools import cache

import numpy as np
import pytest
import torch
import transformers

from models import errors, generate, wrap
from models.trace import Site
from tests.huggingface.zoo import PAIR, SIZES

IDS = torch.arange(3, 24)[None]
TARGET = torch.tensor([[2, 7, 8, 9]])
WINDOWS = [8, 4]
BLOCKS = {"attention_type": "block_sparse", "block_size": 4, "num_random_blocks": 1, "sep_token_id": 3}
NO_POSITIONS = {name: value for name, value in PAIR.items() if name != "max_position_embeddings"}
SETTINGS = {
    "longformer": ("LongformerForMaskedLM", {**SIZES, "attention_window": WINDOWS}),
    "led": (
        "LEDForConditionalGeneration",
        {
            **NO_POSITIONS,
            "attention_window": WINDOWS,
            "max_encoder_position_embeddings": 64,
            "max_decoder_position_embeddings": 64,
        },
    ),
    "big_bird": ("BigBirdForMaskedLM", {**SIZES, **BLOCKS}),
    "bigbird_pegasus": ("BigBirdPegasusForConditionalGeneration", {**PAIR, **BLOCKS}),
}
CONFIGS = {"longformer": "LongformerConfig", "led": "LEDConfig", "big_bird": "BigBirdConfig",
           "bigbird_pegasus": "BigBirdPegasusConfig"}  # fmt: skip


def fresh(name):
    torch.manual_seed(0)
    kind, settings = SETTINGS[name]
    model = getattr(transformers, kind)(getattr(transformers, CONFIGS[name])(**settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model


@cache
def built(name):
    return fresh(name)


@cache
def wrapped(name):
    return wrap(built(name))


def inputs(name, everywhere, padding):
    """A text of 21 tokens, of which some have global attention, and the last ones are padding."""
    given = {"input_ids": IDS}
    if padding:
        given["attention_mask"] = (torch.arange(21) < 21 - padding).long()[None]
    if everywhere:
        given["global_attention_mask"] = torch.zeros_like(IDS).index_fill(1, torch.tensor(everywhere), 1)
    return given | ({"decoder_input_ids": TARGET} if name == "led" else {})


def dense(band, everywhere, width):
    """(head, position, x + 2w + 1) as the model returns it → (head, query, key)."""
    heads, count = len(band), IDS.shape[1]
    found = np.zeros((heads, count, count), dtype=np.float32)
    for column, key in enumerate(everywhere):
        found[:, :, key] += band[:, :count, column]
    for query in range(count):
        for place in range(2 * width + 1):
            key = query + place - width
            if 0 <= key < count:
                found[:, query, key] += band[:, query, len(everywhere) + place]
    return found


@pytest.fixture(scope="module", params=["longformer", "led"])
def name(request):
    return request.param


@pytest.fixture(scope="module", params=[((), 0), ((0,), 0), ((0, 5, 20), 0), ((), 3), ((2, 9), 3)], ids=str)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def trace(name, case):
    return wrapped(name).record(inputs=inputs(name, *case))


@pytest.fixture(scope="module")
def own(name, case):
    """What the model itself returns, nothing being recorded."""
    with torch.no_grad():
        return fresh(name)(**inputs(name, *case), output_attentions=True)


def test_the_weights_are_the_model_s_own(name, case, trace, own):
    returned = own.attentions if name == "longformer" else own.encoder_attentions
    for layer, (band, window) in enumerate(zip(returned, WINDOWS, strict=True)):
        wanted = dense(band[0].numpy(), case[0], window // 2)
        np.testing.assert_allclose(trace.weights(f"encoder.{layer}.self"), wanted, atol=1e-5)


def test_a_token_with_global_attention_looks_at_everything(name, case, trace, own):
    everywhere, padding = case
    names = [block.name for block in trace.blocks if block.name.startswith("encoder")]
    if not everywhere:
        assert names == ["encoder.0.self", "encoder.1.self"]
        return
    assert names == ["encoder.0.self", "encoder.0:2.self", "encoder.1.self", "encoder.1:2.self"]
    returned = own.global_attentions if name == "longformer" else own.encoder_global_attentions
    for layer, wanted in enumerate(returned):
        shown = trace.weights(f"encoder.{layer}:2.self")
        rows = wanted[0, :, :21].numpy().transpose(0, 2, 1)  # (head, token with global attention, key)
        np.testing.assert_allclose(shown[:, list(everywhere)], rows, atol=1e-5)
        others = [place for place in range(21) if place not in everywhere]
        assert not shown[:, others].any()
        assert not trace.weights(f"encoder.{layer}.self")[:, list(everywhere)].any()
        assert not shown[:, :, 21 - padding :].any()


def test_every_head_is_proved(trace):
    for block in trace.blocks:
        for head in range(block.heads):
            assert trace.head(block.name, head).error <= 1e-5


def test_every_live_row_is_proved_in_one_of_its_blocks(case, trace):
    live = {
        block.name: ~trace.head(block.name, 0).idle
        for block in trace.blocks
        if block.name.startswith("encoder")
    }
    for layer in range(2):
        rows = sum(mask.astype(int) for name, mask in live.items() if name.startswith(f"encoder.{layer}"))
        np.testing.assert_array_equal(rows, np.arange(21) < 21 - case[1])


def test_recording_changes_no_bit(trace, own):
    np.testing.assert_array_equal(trace.logits, own.logits[0].numpy())


def test_it_is_told_how_it_was_recorded(name, trace):
    routes = {block.route for block in trace.blocks if block.name.startswith("encoder")}
    assert routes == {"band"}
    assert "band" in trace.model.routes


def test_what_the_model_adds_to_fill_its_last_window_is_in_no_array(trace):
    assert len(trace.tokens["encoder"]) == 21
    for site in (Site.RESIDUAL, Site.TOKEN_EMBEDDING, Site.POSITION_ENCODING):
        assert len(trace.array(site, "encoder")) == 21
    for layer in range(2):
        assert len(trace.array(Site.RESIDUAL, f"encoder.{layer}")) == 21


def test_each_block_has_the_maps_that_made_it(case, trace):
    for layer in range(2):
        given = trace.array(Site.QUERY_INPUT, f"encoder.{layer}.self")
        blocks = [f"encoder.{layer}.self"] + [f"encoder.{layer}:2.self"] * bool(case[0])
        for block in blocks:
            made = {
                part: given @ trace.array(Site(f"{part}_weight"), block) for part in ("query", "key", "value")
            }
            for part, vectors in made.items():
                vectors = vectors + trace.array(Site(f"{part}_bias"), block)[:, None]
                rows = list(case[0]) if part == "query" and ":" in block else slice(None)
                np.testing.assert_allclose(
                    trace.array(Site(part), block)[:, rows], vectors[:, rows], atol=1e-5
                )


@pytest.mark.parametrize("strategy", ["greedy", "beam"])
@pytest.mark.parametrize("everywhere", [(), (0, 4)])
def test_generation_after_a_banded_encoder_is_recorded(strategy, everywhere):
    given = inputs("led", everywhere, 0)
    given.pop("decoder_input_ids")
    written = generate(wrapped("led"), inputs=given, steps=6, strategy=strategy, beams=3)
    beams = 3 if strategy == "beam" else 1
    alone = built("led").generate(**given, max_new_tokens=6, do_sample=False, num_beams=beams)
    assert list(written.ids) == alone[0, 1:].tolist()
    for block in written.trace.blocks:
        for head in range(block.heads):
            assert written.trace.head(block.name, head).error <= 1e-5


LONG = torch.arange(5, 53)[None]


@pytest.mark.parametrize("name", ["big_bird", "bigbird_pegasus"])
def test_wrapping_leaves_scattered_blocks_as_they_were(name):
    model = fresh(name)
    with torch.no_grad():
        before = model(LONG).logits
        wrap(model)
        assert torch.equal(model(LONG).logits, before)


@pytest.mark.parametrize("name", ["big_bird", "bigbird_pegasus"])
def test_scattered_blocks_are_refused_and_not_shown_in_pieces(name):
    with pytest.raises(errors.SparseAttention):
        wrap(fresh(name)).record(inputs={"input_ids": LONG})


def test_a_short_text_is_read_with_full_attention():
    trace = wrap(fresh("big_bird")).record(inputs={"input_ids": LONG[:, :20]})
    model = fresh("big_bird")
    with torch.no_grad():
        own = model(LONG[:, :20], output_attentions=True)
    np.testing.assert_array_equal(trace.logits, own.logits[0].numpy())
    for layer, wanted in enumerate(own.attentions):
        np.testing.assert_allclose(trace.weights(f"encoder.{layer}.self"), wanted[0].numpy(), atol=1e-5)
        assert trace.array(Site.QUERY_INPUT, f"encoder.{layer}.self").shape == (20, 32)


def test_generation_after_a_short_text_is_recorded():
    model, given = fresh("bigbird_pegasus"), LONG[:, :20]
    written = generate(wrap(model), inputs={"input_ids": given}, steps=5)
    assert (
        list(written.ids)
        == model.generate(given, max_new_tokens=5, do_sample=False, num_beams=1)[0, 1:].tolist()
    )
    assert len(written.trace.blocks) == 6
    assert all(written.trace.head(block.name, 0).error <= 1e-5 for block in written.trace.blocks)
