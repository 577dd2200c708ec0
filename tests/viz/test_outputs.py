"""What a row of logits says: torch's own softmax of what the model gave, and none of it is lost."""

import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.numpy import load

from models import Site
from tests.viz import tiny
from viz import outputs, payload
from viz.outputs import SHOWN, facts, output
from viz.walk import stages_of

MODELS = ("gpt2", "llama", "bert", "t5", "labels", "classes", "vit")
TOLD = {
    "gpt2": "output_next",
    "llama": "output_next",
    "bert": "output_masked",
    "t5": "output_target",
    "labels": "output_label",
    "classes": "output_class",
    "pretraining": "output_masked",
}


def logits_of(name: str) -> torch.Tensor:
    """(position, vocabulary) from the model itself, with its greedy target where it has a decoder."""
    model, trace = tiny.wrapped(name).model, tiny.trace_of(name)
    if not tiny.reads_text(name):
        given = tiny.kind_of(name).inputs()
    else:
        given = {
            "input_ids": torch.tensor([[token.id for token in trace.tokens[trace.blocks[0].query_stream]]])
        }
    if "decoder" in trace.tokens and "encoder" in trace.tokens:
        given["decoder_input_ids"] = torch.tensor([[token.id for token in trace.tokens["decoder"]]])
    with torch.no_grad():
        said = model(**given)
    logits = said.prediction_logits if name == "pretraining" else said.logits
    return logits[0] if logits.ndim == 3 else logits


@pytest.mark.parametrize("name", [name for name in MODELS if name != "vit"])
def test_probabilities_are_those_of_torch(name):
    trace = tiny.trace_of(name)
    for row, logits in enumerate(logits_of(name)):
        said, wanted = output(trace, row), logits.softmax(dim=-1)
        best = wanted.topk(len(said.ids))
        np.testing.assert_allclose(said.probabilities, best.values, atol=1e-6)
        np.testing.assert_allclose(said.logits, logits[said.ids], atol=1e-5)
        assert said.probabilities.sum() + said.rest == pytest.approx(1, abs=1e-5)
        assert said.size == len(logits)
        assert len(said.ids) == min(SHOWN, said.size)
        assert [token.id for token in said.tokens] == said.ids.tolist()


def test_a_large_logit_overflows_nothing():
    trace = tiny.trace_of("gpt2")
    assert trace.logits is not None
    huge = trace.logits * np.float32(1e4)
    said = output(type(trace)(**{**vars(trace), "arrays": {**trace.arrays, (Site.LOGITS, ""): huge}}), 2)
    assert np.isfinite(said.probabilities).all()
    assert said.probabilities[0] == pytest.approx(1)


@pytest.mark.parametrize("name", TOLD)
def test_the_walk_ends_in_what_the_model_says(name):
    trace = tiny.trace_of(name)
    for block in trace.blocks:
        ends = stages_of(trace, block).get("output")
        assert ends == (
            TOLD[name] if block.query_stream in {trace.predicting, ""} or not trace.predicting else None
        )


def test_an_encoder_and_a_model_without_logits_have_no_output():
    for name in ("t5", "electra"):
        trace = tiny.trace_of(name)
        assert "output" not in stages_of(trace, trace.blocks[0])


def test_the_next_sentence_is_that_of_the_model_and_leaves_the_words_alone():
    trace = tiny.trace_of("pretraining")
    ids = torch.tensor([[token.id for token in trace.tokens["encoder"]]])
    with torch.no_grad():
        said = tiny.wrapped("pretraining").model(input_ids=ids)
    np.testing.assert_allclose(trace.array(Site.LOGITS), said.prediction_logits[0], atol=1e-5)
    np.testing.assert_allclose(trace.array(Site.NEXT_SENTENCE), said.seq_relationship_logits[0], atol=1e-6)
    follows, random = said.seq_relationship_logits[0].softmax(dim=-1).tolist()
    told = facts(trace)
    assert told["follows_probability"] == pytest.approx(follows, abs=1e-6)
    assert told["random_probability"] == pytest.approx(random, abs=1e-6)
    assert stages_of(trace, trace.blocks[0])["next_sentence"] == "next_sentence"


@pytest.mark.parametrize("page", [0, 1, 2])
def test_a_bundle_holds_the_best_of_some_rows_and_never_the_vocabulary(monkeypatch, page):
    monkeypatch.setattr(outputs, "ROWS", 3)
    trace = tiny.trace_of("pretraining")
    arrays = load(payload.output(trace, page))
    rows = list(range(page * 3, min(page * 3 + 3, len(trace.tokens["encoder"]))))
    assert arrays["first"].tolist() == rows[:1]
    assert arrays["probabilities"].shape == (len(rows), SHOWN)
    for place, row in enumerate(rows):
        one = output(trace, row)
        np.testing.assert_array_equal(arrays["probabilities"][place], one.probabilities)
        np.testing.assert_array_equal(arrays["ids"][place], one.ids)
        assert arrays["totals"][place].tolist() == pytest.approx([one.total, one.size, one.rest])
        assert json.loads(arrays["names"].tobytes())[place] == [token.text for token in one.tokens]
    np.testing.assert_array_equal(arrays["next_sentence"], trace.array(Site.NEXT_SENTENCE))


def test_a_row_that_is_not_there_is_refused():
    trace = tiny.trace_of("gpt2")
    with pytest.raises(IndexError, match="no row 6336"):
        payload.output(trace, 99)
    with pytest.raises(KeyError, match="no logits"):
        output(tiny.trace_of("electra"), 0)


@pytest.mark.parametrize("name", ["bert", "classes"])
def test_a_pickled_trace_names_the_same_outputs(name):
    trace = tiny.trace_of(name)
    again = pickle.loads(pickle.dumps(trace))
    assert output(again, 2).tokens == output(trace, 2).tokens
    assert len(again.names) == len(trace.names)


def test_classes_are_called_by_their_labels():
    assert {token.text for token in tiny.trace_of("classes").names} == {f"LABEL_{id}" for id in range(5)}
