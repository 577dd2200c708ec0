"""The course of the decoder-only models: batches, the same seed gives the same model, what is saved can be read."""

import json
import math
import random
from itertools import islice
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from models.family.causal import SMOOTHING
from models.family.course import Recipe
from models.family.examining import exact, figures, to_batch
from models.family.gpt import GPT
from models.family.language import END_ID, coded, held_out_texts
from models.family.llama import Llama
from models.family.trainer import Training

STEPS = 14


class Small:
    """A tiny share of the texts."""

    scale = 0.01
    tokens = 120
    glanced = 1


class SmallGPT(Small, GPT):
    """GPT on a tiny share of the texts."""


class SmallLlama(Small, Llama):
    """Llama on a tiny share of the texts."""


COURSES = {"gpt": SmallGPT, "llama": SmallLlama}


@pytest.fixture(scope="module", params=COURSES)
def course(request):
    return COURSES[request.param](Recipe(steps=STEPS, rate=3e-3, warmup=5))


@pytest.fixture(scope="module")
def trained(course):
    return finished(Training(course))


@pytest.fixture(scope="module")
def folder(course, trained, tmp_path_factory):
    place = tmp_path_factory.mktemp("model")
    course.save(trained.model, place)
    return place


def finished(training):
    for _ in training.run():
        pass
    return training


def same(one, other):
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_the_same_seed_gives_the_same_weights(course, trained):
    assert same(trained, finished(Training(type(course)(course.recipe))))


def test_stopped_and_resumed_it_gives_the_same_weights(course, trained, tmp_path):
    first = Training(type(course)(course.recipe), tmp_path / "state.pt")
    for progress in first.run():
        if progress.step == STEPS // 2:
            break
    resumed = Training(type(course)(course.recipe), tmp_path / "state.pt")
    assert resumed.step == STEPS // 2
    assert same(trained, finished(resumed))


def test_batches_go_on_from_any_step_and_hold_about_as_many_tokens(course):
    whole = list(islice(course.batches(0), 20))
    for step in (1, 15, 16, 17):
        assert torch.equal(next(course.batches(step)).ids, whole[step].ids)
    lengths = [batch.counted.sum().item() for batch in whole]
    assert all(lengths)


def test_only_what_is_written_is_learned(course):
    batch = to_batch([([4, 5], [6, 7, 8]), ([4], [9])], filler=1)
    assert batch.ids.tolist() == [[4, 5, 6, 7], [4, 9, 1, 1]]
    assert batch.following.tolist() == [[5, 6, 7, 8], [9, 1, 1, 1]]
    assert batch.counted.tolist() == [[False, True, True, True], [True, False, False, False]]


def test_the_loss_is_that_of_transformers_and_the_guidance(course, trained):
    """With labels, transformers computes the same cross-entropy from all its logits."""
    batch = next(batch for batch in course.batches(0) if batch.copied.any())
    labels = torch.full((len(batch.ids), batch.ids.shape[1] + 1), -100)
    labels[:, 1:][batch.counted] = batch.following[batch.counted]
    whole = torch.cat([batch.ids, batch.following[:, -1:]], dim=1)
    trained.model.set_attn_implementation("eager")
    with torch.no_grad():
        theirs = trained.model(whole, labels=labels, output_attentions=True)
        guided = shown_by_hand(course, batch, theirs.attentions)
        everything = -theirs.logits[:, :-1][batch.counted].log_softmax(dim=-1).mean().item()
        wanted = (1 - SMOOTHING) * theirs.loss.item() + SMOOTHING * everything
        assert course.loss(trained.model, batch).item() == pytest.approx(wanted + guided, rel=1e-4)


def shown_by_hand(course, batch, attentions):
    """The guidance, text by text and token by token."""
    stops = {END_ID, *course.language.tokenizer.convert_tokens_to_ids(list(".?!。？！"))}
    copying, before = list[float](), list[float]()
    for text, (ids, following) in enumerate(zip(batch.ids.tolist(), batch.following.tolist(), strict=True)):
        costs = []
        for query, (read, word) in enumerate(zip(ids, following, strict=True)):
            keys = [key for key in range(query + 1) if ids[key] == word]
            counts = batch.copied[text] and batch.counted[text, query] and word not in stops
            if keys and counts:
                costs.append(-math.log(sum(attentions[2][text, 0, query, key].item() for key in keys) + 1e-6))
            if query and read != END_ID:
                before.append(-math.log(attentions[0][text, 0, query, query - 1].item() + 1e-6))
        if costs:
            copying.append(sum(costs) / len(costs))
    return sum(copying) / len(copying) + 0.3 * sum(before) / len(before)


def test_only_stories_and_rows_are_guided(course):
    chance = random.Random(5)
    for _ in range(200):
        text = course.language.text(chance)
        assert text.copied == (text.part.split(".")[0] in {"recall", "colour", "repeated"})
        assert not (text.copied and "<to-" in text.read)


def test_filling_up_changes_nothing(course, trained):
    ids = [coded(course.language.tokenizer, text) for text in held_out_texts(3, 0.01, 4)["recall.en"]]
    alone, beside = to_batch(ids[:1], 1), to_batch(ids, 1)
    length = alone.ids.shape[1]
    with torch.no_grad():
        one, of_many = trained.model(alone.ids).logits[0], trained.model(beside.ids).logits[0, :length]
    assert torch.allclose(one, of_many, atol=1e-5)


def test_it_learns(course, trained):
    """The same texts before and after: from one batch to the next their kinds differ too much."""
    batches = list(islice(course.batches(STEPS), 4))
    fresh = Training(type(course)(course.recipe)).model
    with torch.no_grad():
        before, after = (
            sum(float(course.loss(model, batch)) for batch in batches) for model in (fresh, trained.model)
        )
    assert after < before - 0.5 * len(batches)


def test_what_is_saved_is_what_was_trained_in_half_precision(trained, folder):
    loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for name, parameter in trained.model.named_parameters():
        assert torch.equal(loaded.get_parameter(name), parameter.half().float()), name


def test_the_figures_are_those_of_the_folder(course, folder):
    texts = held_out_texts(5, 0.01, most=6)
    assert figures(folder, texts, "5", rows=4) == figures(folder, texts, "5", rows=4)
    named = course.heads(folder)
    assert set(named) == {"induction", "previous"}
    listed = json.loads((folder / "config.json").read_text(encoding="utf-8"))["guided"]
    assert {(head["block"], head["head"]) for head in listed} == {
        ("decoder.0.self", 0),
        ("decoder.2.self", 0),
    }
    assert all(block.startswith("decoder.") and 0 <= head < 4 for block, head in named.values())


def test_exact_is_what_greedy_writing_gives(course):
    """By transformers' own `generate`; trained for long enough on three texts to know two of them."""
    known = list(islice(held_out_texts(3, 0.01, 4)["heart.seeds"], 12))
    tokenizer, training = course.language.tokenizer, Training(type(course)(course.recipe))
    batch = to_batch([coded(tokenizer, text) for text in known[:4]], filler=1)
    optimiser = torch.optim.AdamW(training.model.parameters(), lr=3e-3)
    for _ in range(25):
        optimiser.zero_grad()
        course.loss(training.model, batch).backward()
        optimiser.step()
    found = exact(training.model.eval(), known, tokenizer)
    generate: Any = training.model.generate
    assert any(found)
    assert not all(found)
    for text, right in zip(known, found, strict=True):
        read, wanted = coded(tokenizer, text)
        written = generate(torch.tensor([read]), max_new_tokens=len(wanted), do_sample=False)
        assert (written[0, len(read) :].tolist() == wanted) == right, text
