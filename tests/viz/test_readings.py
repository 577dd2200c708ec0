"""Which sentence reads a row, a cell and a block: rows by hand, and every model that the walk knows."""

from dataclasses import replace

import numpy as np
import pytest

from models import Block, ModelCard, Site, Token, Trace
from models.trace import PositionalEncoding
from tests.viz import tiny
from tests.viz.test_steps_models import MODELS, facts, selections
from viz.readings import cell_reading, reading, route_reading
from viz.steps import Selection
from viz.texts import load_texts


@pytest.mark.parametrize("name", MODELS)
def test_every_row_and_cell_has_a_sentence(name):
    trace = tiny.trace_of(name)
    readings = load_texts().readings.keys()
    assert {route_reading(block) for block in trace.blocks} <= readings
    for at in selections(trace, each=10):
        assert {reading(trace, at), cell_reading(trace, at)} <= readings


def row_of(weights, query, *, stream="encoder", kind="self", tokens=(), mask=None, predicting="", sink=None):
    """A trace of one head of some loaded model that attends just so, in the row `query`."""
    n, name = len(weights), f"{stream}.0.{kind}"
    keys = "encoder" if kind == "cross" else stream
    block = Block(name, 1, 1, stream, keys, "", 1.0, route="interface")
    grid = np.zeros((1, n, n), np.float32)
    grid[0, query] = weights
    zeros = np.zeros((1, n, 1), np.float32)
    arrays = {(site, name): zeros for site in (Site.QUERY, Site.KEY, Site.VALUE, Site.CONTEXT)}
    arrays |= {
        (Site.WEIGHTS, name): grid,
        (Site.MASK, name): np.ones((1, n, n), bool) if mask is None else mask[None],
    }
    if sink is not None:
        arrays[Site.SINK, name] = np.array([sink], np.float32)
    said = tuple(tokens) or tuple(Token(i + 7, f"w{i}") for i in range(n))
    card = ModelCard("by hand", "", "", 1, 1, 1, 1, 1, 0, "")
    streams = {"encoder": said, "decoder": said, stream: said}
    return Trace(card, "", streams, (block,), arrays, predictions=said, predicting=predicting)


CAUSAL = np.tril(np.ones((4, 4), bool))
DECODER = {"stream": "decoder", "predicting": "decoder"}
WRITING = {**DECODER, "mask": CAUSAL}
PATCHES = (Token(-1, "[CLS]", special=True), *(Token(i, f"1,{i + 1}", row=0, column=i) for i in range(3)))
MASKED = (Token(7, "the"), Token(4, "[MASK]", special=True), Token(9, "sleeps"), Token(8, "."))


@pytest.mark.parametrize(
    ("weights", "query", "given", "expected"),
    [
        ([0.7, 0.1, 0.1, 0.1], 2, {}, "first_token"),
        ([0.7, 0.1, 0.1, 0.1], 0, {}, "self_sharp"),
        ([0.4, 0.2, 0.2, 0.2], 2, {}, "broad"),
        ([0.1, 0.7, 0.1, 0.1], 2, {}, "sharp"),
        ([0.3, 0.25, 0.25, 0.2], 2, {}, "uniform"),
        ([0.5, 0.5, 0, 0], 2, {"mask": CAUSAL}, "first_token"),
        ([0.4, 0.3, 0.3, 0], 2, {"mask": CAUSAL}, "uniform"),
        ([0, 0, 0, 0], 1, {"mask": np.zeros((4, 4), bool)}, "idle"),
        ([0.1, 0.7, 0.1, 0.1], 2, {"predicting": "encoder"}, "sharp"),
        ([0.1, 0.7, 0.1, 0.1], 1, {"predicting": "encoder", "tokens": MASKED}, "masked_predict"),
        ([0.1, 0.7, 0.1, 0.1], 1, {"tokens": MASKED}, "self_sharp"),
        ([0.1, 0.7, 0.1, 0.1], 2, {"tokens": PATCHES}, "patch_sharp"),
        ([0.7, 0.1, 0.1, 0.1], 2, {"tokens": PATCHES}, "patch_sharp"),
        ([0.4, 0.2, 0.2, 0.2], 2, {"tokens": PATCHES}, "patch_broad"),
        ([1, 0, 0, 0], 0, WRITING, "decoder_first"),
        ([0.1, 0.7, 0.2, 0], 2, WRITING, "decoder_sharp"),
        ([0.4, 0.3, 0.3, 0], 2, WRITING, "decoder_broad"),
        ([0.7, 0.1, 0.2, 0], 2, WRITING, "first_token"),
        ([0.6, 0, 0, 0], 0, {**WRITING, "sink": 0.0}, "decoder_sharp"),
        ([0.7, 0.1, 0.1, 0.1], 2, {**DECODER, "kind": "cross"}, "cross_sharp"),
        ([0.4, 0.2, 0.2, 0.2], 2, {**DECODER, "kind": "cross"}, "cross_broad"),
        ([0.1, 0.1, 0.7, 0.1], 2, {"stream": "decoder", "kind": "cross"}, "sharp"),
    ],
)  # fmt: skip
def test_a_row_is_read_by_how_its_weights_lie(weights, query, given, expected):
    trace = row_of(weights, query, **given)
    assert reading(trace, Selection(trace.blocks[0].name, 0, query)) == expected


def test_a_forbidden_cell_of_an_unknown_pattern_says_no_more_than_it_knows():
    mask = np.ones((4, 4), bool)
    mask[2, 1] = False
    trace = row_of([0.25] * 4, 2, mask=mask)
    assert cell_reading(trace, Selection("encoder.0.self", 0, 2, 1)) == "cell_masked_other"
    assert route_reading(trace.blocks[0]) == "route_interface"


def test_the_slope_is_read_from_the_bias_that_was_added():
    trace = row_of([0.25] * 4, 2)
    name = "encoder.0.self"
    bias = np.broadcast_to(np.arange(-3, 1, dtype=np.float32) / 8, (1, 4, 4))
    positions = (PositionalEncoding("alibi", np.array([1 / 8], np.float32), name),)
    trace = replace(trace, arrays={**trace.arrays, (Site.BIAS, name): bias}, positions=positions, _heads={})
    said = facts(trace, Selection(name, 0, 2, 1))
    assert (said["slope"], said["bias"], said["unmasked"]) == (1 / 8, -2 / 8, -2 / 8)
