"""Runs without positions: what says where a token stands is silent, other runs of the same model are not."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from models import Site
from models.edits import PositionsOff, ScaleHead
from models.errors import BadRequest, UnsupportedEdit
from tests.viz import tiny

ORDER = (3, 0, 6, 1, 7, 2, 5, 4)
ROUNDING = 1e-4


def last(trace):
    """(token, d_model): what leaves the last layer of the stream that is read first."""
    stream = next(iter(trace.tokens))
    layers = sorted(
        place for site, place in trace.arrays if site == Site.RESIDUAL and place.startswith(f"{stream}.")
    )
    return trace.array(Site.RESIDUAL, layers[-1])


def moved(name, *edits):
    """By how much each token's vector differs when the text is read in another order."""
    model = tiny.wrapped(name)
    first, other = (last(model.record(tiny.TEXT, edits=edits, order=order)) for order in (None, ORDER))
    return np.abs(first[list(ORDER)] - other).max(axis=1)


@pytest.mark.parametrize("name", ["bert", "marian", "t5"])
def test_without_positions_every_token_of_an_encoder_keeps_its_vector(name):
    assert moved(name).max() > 0.01
    assert moved(name, PositionsOff()).max() < ROUNDING


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_causal_mask_alone_knows_an_order(name):
    assert moved(name, PositionsOff()).max() > 0.01


def test_a_rotation_by_nothing_leaves_queries_as_they_were():
    trace = tiny.wrapped("llama").record(tiny.TEXT, edits=[PositionsOff()])
    for block in trace.blocks:
        before = trace.arrays.get((Site.QUERY_UNROTATED, block.name), trace.array(Site.QUERY, block.name))
        assert np.abs(trace.array(Site.QUERY, block.name) - before).max() < 1e-6


def test_a_run_is_what_the_model_computes_when_its_table_is_zero():
    model = tiny.wrapped("gpt2")
    off = model.record(tiny.TEXT, edits=[PositionsOff()]).logits
    table = model.model.transformer.wpe.weight
    kept = table.detach().clone()
    ids = torch.tensor([[token.id for token in model.record(tiny.TEXT).tokens["decoder"]]])
    try:
        with torch.no_grad():
            table.zero_()
            wanted = model.model(input_ids=ids).logits[0].numpy()
    finally:
        table.data.copy_(kept)
    assert np.abs(off - wanted).max() < 1e-5


def test_other_runs_of_the_same_model_are_as_ever():
    model = tiny.wrapped("gpt2")
    before = np.asarray(model.record(tiny.TEXT).logits)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(model.record, tiny.TEXT, edits=[PositionsOff()] * (i % 2)) for i in range(6)]
    for i, run in enumerate(runs):
        assert bool(np.abs(np.asarray(run.result().logits) - before).max() > 0.01) is bool(i % 2)


def test_positions_that_cannot_be_switched_off_are_refused():
    with pytest.raises(UnsupportedEdit):
        tiny.wrapped("bloom").record(tiny.TEXT, edits=[PositionsOff()])
    with pytest.raises(UnsupportedEdit):
        tiny.wrapped("gpt2").record(tiny.TEXT, edits=[ScaleHead("decoder.0.self", 0)])


def test_an_order_names_each_place_once():
    with pytest.raises(BadRequest, match="each of which"):
        tiny.wrapped("gpt2").record(tiny.TEXT, order=(0, 0, 1))
