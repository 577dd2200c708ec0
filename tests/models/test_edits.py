"""Edits: what each changes, what it leaves alone, and that the trace of an edited run is as true as any other."""

import copy
import pickle
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import BlockCell, ForceRow, ScaleHead, Site, record
from models.errors import EditOutOfRange, UnsupportedEdit
from models.trace import TOLERANCE

TEXT = "The weather is nice today."
READ = "<fr> le temps est beau"
BLOCKS = (
    "encoder.0.self",
    "encoder.1.self",
    "decoder.0.self",
    "decoder.0.cross",
    "decoder.1.self",
    "decoder.1.cross",
)

few = settings(max_examples=20)


@dataclass(frozen=True)
class Freeze:
    """An edit that nobody has built."""

    block: str = "encoder.0.self"
    site: ClassVar[Site] = Site.VALUE

    def apply(self, tensor):
        return tensor


def run(*edits, target: str | None = READ):
    return record("builtin/translator", TEXT, target=target, edits=edits)


@cache
def plain():
    return run()


def is_proved(trace):
    return all(
        trace.head(block.name, h).error <= TOLERANCE for block in trace.blocks for h in range(block.heads)
    )


@st.composite
def cells(draw):
    """A visible cell of some head: block, query, key, head."""
    block = draw(st.sampled_from(BLOCKS))
    query = draw(st.integers(0, 4))
    key = draw(st.integers(0, query if block.endswith("self") else 6))
    return block, query, key, draw(st.sampled_from([None, 0, 1, 2, 3]))


def named(head):
    return range(4) if head is None else [head]


@few
@given(cell=cells())
def test_a_blocked_cell_gets_no_weight_and_its_row_still_sums_to_one(cell):
    block, query, key, head = cell
    trace = run(BlockCell(block, query, key, head))
    assert is_proved(trace)
    blocked = np.zeros_like(plain().array(Site.MASK, block))
    blocked[named(head), query, key] = True
    np.testing.assert_array_equal(trace.array(Site.MASK, block), plain().array(Site.MASK, block) & ~blocked)
    weights = trace.weights(block)
    assert (weights[blocked] == 0).all()
    left = trace.array(Site.MASK, block).any(axis=-1)
    np.testing.assert_allclose(weights.sum(axis=-1), left, atol=1e-6)
    unchanged = ~blocked.any(axis=-1)
    np.testing.assert_array_equal(weights[unchanged], plain().weights(block)[unchanged])


@few
@given(cell=cells())
def test_a_forced_row_is_one_hot_and_brings_that_value_alone(cell):
    block, query, key, head = cell
    trace = run(ForceRow(block, query, key, head))
    assert is_proved(trace)
    for one in range(4):
        weights, before = trace.head(block, one).weights, plain().head(block, one).weights
        if one in named(head):
            np.testing.assert_array_equal(weights[query], np.arange(weights.shape[1]) == key)
            context = trace.array(Site.CONTEXT, block)[one, query]
            np.testing.assert_array_equal(context, trace.head(block, one).value[key])
            weights, before = (np.delete(array, query, axis=0) for array in (weights, before))
        np.testing.assert_allclose(weights, before, atol=1e-6)


@few
@given(block=st.sampled_from(BLOCKS), head=st.integers(0, 3), factor=st.sampled_from([0.0, 0.5, -1.0, 3.0]))
def test_a_scaled_head_writes_that_much_of_its_context(block, head, factor):
    trace = run(ScaleHead(block, head, factor))
    assert is_proved(trace)
    expected = plain().array(Site.CONTEXT, block).copy()
    expected[head] *= np.float32(factor)
    np.testing.assert_array_equal(trace.array(Site.CONTEXT, block), expected)
    np.testing.assert_allclose(trace.head(block, head).context, expected[head], atol=1e-5)
    np.testing.assert_array_equal(trace.weights(block), plain().weights(block))


@pytest.mark.parametrize("block", BLOCKS)
def test_a_head_times_zero_is_a_head_whose_output_matrix_is_zero(block, translator):
    trace = run(ScaleHead(block, 2))
    without = copy.deepcopy(translator.transformer)
    path = next(b.module for b in plain().blocks if b.name == block)
    d_head = plain().model.d_head
    with torch.no_grad():
        without.get_submodule(path).output.weight[:, 2 * d_head : 3 * d_head] = 0
        ids = (
            torch.tensor([[token.id for token in plain().tokens[stream]]])
            for stream in ("encoder", "decoder")
        )
        logits = without(*ids)[0]
    np.testing.assert_allclose(trace.array(Site.LOGITS), logits, atol=1e-4)
    assert np.abs(trace.array(Site.LOGITS) - plain().array(Site.LOGITS)).max() > 1e-3


def test_a_head_times_two_factors_is_a_head_times_their_product():
    twice = run(ScaleHead("encoder.0.self", 1, 2.0), ScaleHead("encoder.0.self", 1, 0.25))
    once = run(ScaleHead("encoder.0.self", 1, 0.5))
    np.testing.assert_allclose(twice.array(Site.LOGITS), once.array(Site.LOGITS), atol=1e-5)
    assert is_proved(twice)


def test_a_row_whose_every_key_is_blocked_gathers_nothing():
    keys = len(run().tokens["encoder"])
    trace = run(*(BlockCell("decoder.1.cross", 2, key, head=1) for key in range(keys)))
    head = trace.head("decoder.1.cross", 1)
    assert (head.weights[2] == 0).all()
    assert (head.context[2] == 0).all()
    assert (trace.array(Site.CONTEXT, "decoder.1.cross")[1, 2] == 0).all()
    np.testing.assert_allclose(np.delete(head.weights, 2, axis=0).sum(axis=-1), 1, atol=1e-6)
    assert is_proved(trace)


def test_an_edit_changes_what_comes_after_it_and_nothing_before():
    trace = run(BlockCell("decoder.0.cross", 1, 3))
    for place in ("encoder.0", "encoder.1", "decoder"):
        np.testing.assert_array_equal(trace.array(Site.RESIDUAL, place), plain().array(Site.RESIDUAL, place))
    np.testing.assert_array_equal(trace.weights("decoder.0.self"), plain().weights("decoder.0.self"))
    np.testing.assert_array_equal(trace.array(Site.LOGITS)[0], plain().array(Site.LOGITS)[0])
    assert np.abs(trace.array(Site.LOGITS)[1] - plain().array(Site.LOGITS)[1]).max() > 1e-4


def test_the_last_of_two_forced_rows_wins():
    trace = run(ForceRow("encoder.0.self", 0, 1), ForceRow("encoder.0.self", 0, 3))
    assert trace.weights("encoder.0.self")[:, 0].argmax(axis=-1).tolist() == [3, 3, 3, 3]


def test_the_model_forgets_an_edit_at_once():
    run(ScaleHead("encoder.0.self", 0, 5.0), ForceRow("encoder.0.self", 0, 1))
    again = run()
    assert again.edits == ()
    for where, array in plain().arrays.items():
        np.testing.assert_array_equal(again.arrays[where], array)


def test_an_edited_decoder_reads_what_the_edited_model_writes():
    """Without cross-attention it writes the same of every text."""
    deaf = [ScaleHead(f"decoder.{layer}.cross", head) for layer in range(2) for head in range(4)]
    one, other = (
        record("builtin/translator", text, edits=deaf, language="fr") for text in (TEXT, "I eat apples")
    )
    assert one.edits == tuple(deaf)
    assert one.tokens["decoder"] == other.tokens["decoder"]
    assert (
        run(target=None).tokens["decoder"] != record("builtin/translator", "I eat apples").tokens["decoder"]
    )
    written = [token.id for token in one.tokens["decoder"]]
    assert [token.id for token in one.predictions[: len(written) - 1]] == written[1:]


def test_a_trace_with_edits_can_be_pickled():
    trace = run(ForceRow("decoder.1.cross", 1, 2), ScaleHead("encoder.0.self", 1))
    again = pickle.loads(pickle.dumps(trace))
    assert again.edits == trace.edits
    assert is_proved(again)
    np.testing.assert_array_equal(again.weights("decoder.1.cross"), trace.weights("decoder.1.cross"))


@pytest.mark.parametrize("target", [READ, None])
def test_an_edit_that_is_not_built_is_refused(target):
    with pytest.raises(
        UnsupportedEdit, match=r"cannot apply Freeze.*BlockCell, OpenMask, ForceRow, ScaleHead, PositionsOff"
    ) as refused:
        run(Freeze(), target=target)
    assert refused.value.facts == {
        "got": repr(Freeze()),
        "known": "BlockCell, OpenMask, ForceRow, ScaleHead, PositionsOff",
    }


@pytest.mark.parametrize("target", [READ, None])
@pytest.mark.parametrize(
    "edit",
    [
        BlockCell("encoder.2.self", 0, 0),
        BlockCell("encoder.0.self", 0, 0, head=4),
        BlockCell("encoder.0.self", 7, 0),
        BlockCell("encoder.0.self", 0, 7),
        BlockCell("encoder.0.self", -1, 0),
        ForceRow("decoder.1.cross", 0, 7),
        ForceRow("decoder.1.cross", 64, 0),
        ForceRow("decoder.1.cross", 0, 0, head=-1),
        ScaleHead("decoder.1.mlp", 0),
        ScaleHead("decoder.1.cross", 4),
        ScaleHead("decoder.1.cross", -1),
    ],
    ids=repr,
)
def test_an_edit_out_of_range_is_refused(edit, target):
    with pytest.raises(EditOutOfRange) as refused:
        run(edit, target=target)
    assert refused.value.facts == {"got": repr(edit)}


def test_an_edit_of_a_row_that_is_never_written_is_refused():
    written = len(run(target=None).tokens["decoder"])
    assert (
        run(ForceRow("decoder.0.self", written - 1, 0), target=None).weights("decoder.0.self").shape[1]
        >= written
    )
    with pytest.raises(EditOutOfRange):
        run(ForceRow("decoder.0.self", 40, 0), target=None)
