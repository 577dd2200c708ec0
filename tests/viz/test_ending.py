"""How a row ends: a logit as a dot product, and the choice beside what really came; both against torch."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load
from torch.nn import functional

from models import Site
from tests.viz import tiny
from viz import choice, logits, payload
from viz.outputs import ROWS
from viz.selection import Selection
from viz.walk import predicts, stages_of

NEXT = ("gpt2", "llama", "t5", "gemma2")


@pytest.mark.parametrize("name", [*NEXT, "bert", "classes", "cohere"])
def test_the_figure_multiplies_to_what_the_model_put_out(name):
    trace = tiny.trace_of(name)
    many, logits_of = logits.page(trace), np.asarray(trace.logits)
    vectors = torch.tensor(load(payload.vectors(trace))["output_vector"]).double()
    for number in range(-(-len(logits_of) // many)):
        shown = load(payload.logits(trace, number))
        scale, cap, size = shown["doing"]
        names = json.loads(shown["names"].tobytes())
        assert size == logits_of.shape[1]
        for at, words in enumerate(torch.tensor(shown["unembedding"]).double()):
            row = int(shown["first"][0]) + at
            assert row == number * many + at
            added = torch.tensor(shown["unembedding_bias"][at]) if "unembedding_bias" in shown else None
            made = functional.linear(vectors, words, None if added is None else added.double()) * float(scale)
            made = cap * torch.tanh(made / cap) if cap else made
            close = 1e-5 * max(1, np.abs(logits_of).max())
            np.testing.assert_allclose(made, shown["logits"][at], atol=close)
            best = torch.tensor(logits_of[row]).topk(len(words)).indices
            assert shown["word_ids"][at].astype(int).tolist() == best.tolist()
            np.testing.assert_array_equal(shown["logits"][at], logits_of[:, best])
            assert names[at] == [trace.names[int(id)].text for id in best]
    with pytest.raises(IndexError):
        payload.logits(trace, len(logits_of))


@pytest.mark.parametrize("name", [*NEXT, "bert", "classes", "cohere"])
def test_the_facts_of_a_logit_add_up(name):
    trace = tiny.trace_of(name)
    at = Selection(trace.blocks[-1].name, 0, query=2, choice=3)
    said: dict[str, Any] = choice.ending(trace, predicts(trace), at)
    vector = np.asarray(trace.array(Site.OUTPUT_VECTOR, ""), float)[said["output_row"]]
    word = np.asarray(trace.array(Site.UNEMBEDDING, ""), float)[said["word_id"]]
    assert said["logit_product"] == pytest.approx(vector @ word, abs=1e-5)
    assert said["vector_length"] * said["word_length"] * said["logit_cosine"] == pytest.approx(vector @ word)
    made, cap = said["logit_made"], said["logit_cap"]
    assert (cap * np.tanh(made / cap) if cap else made) == pytest.approx(said["logit_value"], abs=1e-5)
    assert said["largest_term"] == max(vector * word, key=abs)


@pytest.mark.parametrize("name", NEXT)
def test_the_loss_is_torchs_cross_entropy(name):
    trace = tiny.trace_of(name)
    ids = torch.tensor([token.id for token in trace.tokens[trace.predicting]])
    given = torch.tensor(np.asarray(trace.logits)).double()
    wanted = functional.cross_entropy(given[:-1], ids[1:], reduction="none")
    found = choice.truth(trace, predicts(trace))
    np.testing.assert_allclose(found[:-1, 4], wanted, rtol=1e-5)
    np.testing.assert_allclose(
        found[:-1, 2], given.softmax(-1)[torch.arange(len(wanted)), ids[1:]], rtol=1e-5
    )
    ranks = 1 + (given[:-1] > given[:-1].gather(1, ids[1:, None])).sum(dim=1)
    assert found[:-1, 3].astype(int).tolist() == ranks.tolist()
    assert (found[-1] == -1).all()
    assert choice.loss(trace, predicts(trace)) == (pytest.approx(float(wanted.mean())), len(wanted))
    page = load(payload.output(trace, 0))
    np.testing.assert_array_equal(page["truth"], found[:ROWS])


def test_where_nobody_knows_the_answer_nothing_is_judged():
    trace = tiny.trace_of("bert")
    assert (choice.truth(trace, predicts(trace)) == -1).all()
    assert choice.loss(trace, predicts(trace)) == (0.0, 0)
    assert stages_of(trace, trace.blocks[0])["choice"] == "choice_open"


def test_numbers_that_do_not_come_out_are_not_shown():
    trace = tiny.trace_of("gpt2")
    other = np.asarray(trace.array(Site.OUTPUT_VECTOR, "")) + np.float32(0.1)
    spoilt = type(trace)(**{**vars(trace), "arrays": {**trace.arrays, (Site.OUTPUT_VECTOR, ""): other}})
    assert logits.told(trace) == "logits"
    assert logits.told(spoilt) == ""
    assert "logits" not in stages_of(spoilt, trace.blocks[0])
