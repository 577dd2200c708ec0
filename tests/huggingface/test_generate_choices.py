"""Beam search keeps transformers' own sums and scores; a person may choose; the arithmetic of a choice adds up."""

import numpy as np
import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from models import errors, generate, load, shares, wrap
from models.generation import Strategy
from models.huggingface.wrap import Wrapped
from tests.huggingface.test_stitch import prompt, wrapped
from tests.huggingface.zoo import ZOO, built

STEPS = 6
IN_THE_BOX = ("builtin/gpt", "builtin/llama")


def ending(name):
    """A model for which one of the tokens that it likes ends a text, so that hypotheses end early."""
    model = ZOO[name].build()
    model.generation_config.eos_token_id = generate(wrapped(name), inputs=prompt(name), steps=3).ids[2]
    return model


@pytest.mark.parametrize("name", ["gpt2", "t5", "bart", "mixtral", "deepseek_v3"])
@pytest.mark.parametrize("penalty", [1.0, -0.5])
def test_sums_and_scores_are_those_of_transformers(name, penalty):
    model = ending(name)
    model.generation_config.length_penalty = penalty
    got = generate(wrap(model), inputs=prompt(name), steps=STEPS, strategy="beam", beams=3)
    wanted = model.generate(**prompt(name), max_new_tokens=STEPS, num_beams=3, num_return_sequences=3,
                            do_sample=False, output_scores=True, return_dict_in_generate=True)  # fmt: skip
    tree = got.tree
    assert tree is not None
    scores = [tree.steps[step][branch].score or 0.0 for step, branch in tree.finished][:3]
    np.testing.assert_allclose(scores, wanted.sequences_scores[: len(scores)].numpy(), atol=1e-5)
    first = wanted.sequences.shape[1] - wanted.beam_indices.shape[1]
    for number, (step, branch) in enumerate(tree.finished[:3]):
        path = [tree.steps[at][each].token for at, each in enumerate(tree.path(step, branch))]
        assert wanted.sequences[number, first : first + len(path)].tolist() == path
    assert tree.winner == tree.path(*tree.finished[0])
    assert tree.penalty == penalty


@pytest.mark.parametrize("name", IN_THE_BOX)
@pytest.mark.parametrize("beams", [1, 3])
def test_models_in_the_box_write_what_they_write_by_themselves(name, beams):
    model, ids = load(name), torch.tensor([[7, 11, 23, 5]])
    got = generate(model, inputs={"input_ids": ids}, steps=12, strategy="beam" if beams > 1 else "greedy",
                   beams=max(2, beams))  # fmt: skip
    assert isinstance(model, Wrapped)
    wanted = model.model.generate(input_ids=ids, max_new_tokens=12, do_sample=False, num_beams=beams)
    assert list(got.ids) == wanted[0, 4:].tolist()
    assert got.passes == (4, *[1] * (len(got.ids) - 1)) if beams == 1 else got.passes[:2] == (4, 1)


def test_a_word_that_a_person_chose_is_chosen_and_read():
    plain = generate(wrapped("gpt2"), inputs=prompt("gpt2"), steps=STEPS)
    other = int(np.argsort(plain.steps[2].logits)[-2])
    forced = [*plain.ids[:2], other]
    got = generate(wrapped("gpt2"), inputs=prompt("gpt2"), steps=STEPS, forced=forced)
    assert list(got.ids[:3]) == forced
    assert [step.forced for step in got.steps] == [True] * 3 + [False] * 3
    np.testing.assert_allclose(got.steps[2].logits, plain.steps[2].logits, atol=1e-5)
    ids = torch.cat([prompt("gpt2")["input_ids"], torch.tensor([forced])], dim=1)
    wanted = built("gpt2").generate(input_ids=ids, max_new_tokens=STEPS - 3, do_sample=False)
    assert list(got.ids[3:]) == wanted[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize("name", ["gpt2", "t5"])
def test_choosing_what_was_drawn_changes_nothing_that_follows(name):
    hot = {"inputs": prompt(name), "steps": STEPS, "strategy": "sample", "temperature": 2.0, "seed": 3}
    drawn = generate(wrapped(name), **hot).ids
    assert generate(wrapped(name), **hot, forced=drawn[:3]).ids == drawn


def test_words_that_cannot_be_forced_are_refused():
    with pytest.raises(errors.BadRequest):
        generate(wrapped("gpt2"), inputs=prompt("gpt2"), strategy="beam", forced=[3])
    with pytest.raises(errors.BadRequest):
        generate(wrapped("gpt2"), inputs=prompt("gpt2"), forced=[10**6])


def test_without_a_cache_everything_is_computed_again():
    model = ZOO["gpt2"].build()
    model.generation_config.use_cache = model.config.use_cache = False
    count = prompt("gpt2")["input_ids"].shape[1]
    again = generate(wrap(model), inputs=prompt("gpt2"), steps=4)
    kept = generate(wrapped("gpt2"), inputs=prompt("gpt2"), steps=4)
    assert again.passes == (count, count + 1, count + 2, count + 3)
    assert kept.passes == (count, 1, 1, 1)
    assert again.ids == kept.ids


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0.5}, {"top_k": 4}, {"top_p": 0.6}, {"top_k": 9, "top_p": 0.8}]
)
def test_the_arithmetic_of_a_choice_ends_in_what_transformers_draws_from(options):
    strategy = Strategy("sample", seed=2, **options)
    got = generate(wrapped("gpt2"), inputs=prompt("gpt2"), steps=3, strategy="sample", seed=2, **options)
    warpers = [TemperatureLogitsWarper(strategy.temperature)]
    warpers += [TopKLogitsWarper(strategy.top_k)] if strategy.top_k else []
    warpers += [TopPLogitsWarper(strategy.top_p)] if strategy.top_p < 1 else []
    for step in got.steps:
        wanted = torch.from_numpy(step.logits)[None]
        for warper in warpers:
            wanted = warper(torch.LongTensor([[0]]), wanted)
        told = shares(step, strategy)
        np.testing.assert_allclose(told.shares, wanted[0].softmax(dim=-1).numpy(), atol=1e-6)
        np.testing.assert_allclose(told.shares, step.distribution, atol=1e-6)
        np.testing.assert_allclose(told.exponentials, np.exp(told.divided - told.largest) * (told.cut == 0))
        assert told.why(step.choice.id) == ""
        assert (told.cut != 0).tolist() == wanted[0].isneginf().tolist()
        assert (told.cut == 1).sum() == (len(told.cut) - strategy.top_k if strategy.top_k else 0)
