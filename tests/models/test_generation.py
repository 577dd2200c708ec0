"""The built-in translator writes word by word, and the steps say what it chose from and where it looked."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from models import errors, generate, load, record
from models.generation import Strategy
from models.sampling import Dice, narrowed

TRANSLATOR = "builtin/translator"
SENTENCES = (
    "the cat sleeps",
    "the animal did not cross the street because it was too tired .",
    "猫 睡 了 。",
)


@pytest.fixture(scope="module", params=SENTENCES)
def text(request):
    return request.param


@pytest.fixture(scope="module")
def written(text):
    return generate(TRANSLATOR, text)


def test_it_writes_what_it_translates(text, written):
    end = load(TRANSLATOR).tokenizer.end
    trace = record(TRANSLATOR, text)
    assert [id for id in written.ids if id != end] == [token.id for token in trace.tokens["decoder"][1:]]
    assert written.text == trace.output
    assert written.ids[-1] == end


def test_its_trace_is_that_of_one_teacher_forced_pass(text, written):
    ids = {f"{prefix}input_ids": [token.id for token in written.trace.tokens[stream]]
           for prefix, stream in (("", "encoder"), ("decoder_", "decoder"))}  # fmt: skip
    trace = record(TRANSLATOR, inputs=ids)
    assert trace.blocks == written.trace.blocks
    assert trace.arrays.keys() == written.trace.arrays.keys()
    for where, wanted in trace.arrays.items():
        np.testing.assert_allclose(written.trace.arrays[where], wanted, atol=2e-5, err_msg=str(where))
    for block in trace.blocks:
        for head in range(block.heads):
            assert written.trace.head(block.name, head).error <= 1e-5


def test_each_step_chooses_the_most_probable_word(written):
    for step in written.steps:
        assert step.choice.id == int(step.distribution.argmax())
        np.testing.assert_allclose(step.distribution.sum(), 1, atol=1e-5)
        np.testing.assert_allclose(step.logits, written.trace.logits[step.position], atol=1e-5)


def test_the_rows_of_a_step_end_with_its_own_position(written):
    step = written.steps[-1]
    assert set(step.rows) == {block.name for block in written.trace.blocks if block.query_stream == "decoder"}
    assert len(step.rows) == 4
    for block, rows in step.rows.items():
        whole = written.trace.weights(block)[:, step.position]
        np.testing.assert_allclose(rows, whole[:, : rows.shape[1]], atol=1e-6)
        np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-5)


def test_a_translation_goes_on_from_what_is_given():
    whole = generate(TRANSLATOR, SENTENCES[0])
    source, start = ([token.id for token in whole.trace.tokens[s]] for s in ("encoder", "decoder"))
    inputs = {"input_ids": source, "decoder_input_ids": start[:2]}
    assert generate(TRANSLATOR, inputs=inputs).ids == whole.ids[1:]


def test_it_draws_by_chance_and_equal_seeds_draw_alike():
    hot = {"strategy": "sample", "temperature": 3.0}
    one, same, other = (generate(TRANSLATOR, SENTENCES[0], seed=seed, **hot).ids for seed in (1, 1, 2))
    assert one == same != other


def test_it_stops_when_it_is_told_to():
    written = generate(TRANSLATOR, SENTENCES[1], cancelled=lambda: True)
    assert written.cancelled
    assert len(written.ids) == len(written.steps) == 1


def test_what_it_cannot_do_is_refused():
    with pytest.raises(errors.BadRequest, match="use greedy or sample"):
        generate(TRANSLATOR, "the cat", strategy="beam", forced=[5])
    with pytest.raises(errors.BadRequest, match="forced ids"):
        generate(TRANSLATOR, "the cat", forced=[-1])
    with pytest.raises(errors.ContextFull) as caught:
        generate(TRANSLATOR, "the cat", steps=65)
    assert caught.value.facts == {"got": 1, "steps": 65, "limit": 64}
    with pytest.raises(errors.EmptyText):
        generate(TRANSLATOR, " ")
    assert len(generate(TRANSLATOR, "the cat", steps=64).ids) <= 64


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (4, 1.0), (0, 0.6), (10, 0.8), (99, 1.0)])
def test_what_remains_is_what_transformers_leaves(temperature, top_k, top_p):
    ids, logits = (
        torch.LongTensor([[0]] * 3),
        torch.randn(3, 20, generator=torch.Generator().manual_seed(0)) * 2,
    )
    warpers: list[Any] = [TemperatureLogitsWarper(temperature)]
    warpers += [TopKLogitsWarper(top_k)] if top_k else []
    warpers += [TopPLogitsWarper(top_p)] if top_p < 1 else []
    wanted = logits
    for warper in warpers:
        wanted = warper(ids, wanted)
    got = narrowed(logits, Strategy("sample", temperature, top_k, top_p))
    assert torch.equal(got, wanted)


def test_draws_are_as_frequent_as_their_probabilities():
    logits = torch.tensor([0.5, 0.3, 0.2]).log().expand(20_000, 3)
    counts = np.bincount(Dice(7).draw(logits).flatten().numpy(), minlength=3) / 20_000
    np.testing.assert_allclose(counts, [0.5, 0.3, 0.2], atol=0.015)
