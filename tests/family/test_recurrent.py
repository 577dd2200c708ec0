"""The recurrent courses: what they are shown, and that the shipped models are what their cards say."""

import json
import random
import time
from pathlib import Path

import pytest
import torch

from models.builtin.corpus.generator import build
from models.builtin.corpus.joining import joined, reversed_source
from models.builtin.corpus.pair import Pair
from models.builtin.recurrent_translator import RecurrentTranslator
from models.family.recurrent import (
    LENGTHS,
    AttentionCourse,
    Drawing,
    Seq2SeqCourse,
    by_length,
    in_common,
    measured,
)
from models.record import record
from models.trace import Site

CHECKPOINTS = Path(__file__).parents[2] / "assets" / "checkpoints"
COURSES = (Seq2SeqCourse, AttentionCourse)
SEED, MOST, SCALE = 77, 24, 0.05
"""Another seed than any in the box; few sentences, so that it is quick."""
CHANCE = 0.17
"""How far a share of so few sentences may lie below that of many."""

CATS = Pair(
    ("the", "cats", "eat", "."), ("les", "chats", "mangent", "."), ((0,), (1,), (2,), (3,)), "fr", "svo"
)
CAR = Pair(("red", "car"), ("voiture", "rouge"), ((1,), (0,)), "fr", "phrase", pronoun=0, cues=(0, 1))


@pytest.fixture(scope="module")
def corpus():
    return build(SEED, SCALE)


@pytest.fixture(scope="module")
def shipped():
    return {
        course: json.loads((CHECKPOINTS / course.name / "figures.json").read_text(encoding="utf-8"))[
            "figures"
        ]
        for course in COURSES
    }


@pytest.fixture(scope="module")
def found():
    return {course: measured(CHECKPOINTS / course.name, SEED, MOST, SCALE) for course in COURSES}


def test_joined_sentences_keep_their_alignments():
    pair = joined((CATS, CAR))
    assert pair.source == ("the", "cats", "eat", ".", "red", "car")
    assert pair.target == ("les", "chats", "mangent", ".", "voiture", "rouge")
    assert pair.alignment == ((0,), (1,), (2,), (3,), (5,), (4,))


def test_a_source_read_backwards_keeps_its_alignment():
    turned = reversed_source(CAR)
    assert turned.source == ("car", "red")
    assert turned.target == CAR.target
    assert [[turned.source[i] for i in links] for links in turned.alignment] == [["car"], ["red"]]
    assert turned.pronoun == 1
    assert turned.cues == (0, 1)
    assert reversed_source(turned) == CAR


@pytest.mark.parametrize(
    ("output", "expected", "common"),
    [("a b c", "a b c", 3), ("b c", "a b c", 2), ("a x c", "a b c", 2), ("c b a", "a b c", 1), ("", "a", 0)],
)
def test_words_in_common_stand_in_the_same_order(output, expected, common):
    assert in_common(output.split(), expected.split()) == common


def test_sources_of_every_length_are_drawn_and_fit_their_bin(corpus):
    drawn = by_length(corpus.test, SEED, MOST)
    assert drawn == by_length(corpus.test, SEED, MOST)
    for (low, high), pairs in drawn.items():
        assert MOST / 2 < len(pairs) == len({pair.key for pair in pairs}) <= MOST
        assert all(low <= len(pair.source) <= high for pair in pairs)
        assert all(i < len(pair.source) for pair in pairs for links in pair.alignment for i in links)


def test_measured_sources_are_made_of_meanings_that_were_not_learned(corpus):
    learned = {pair.meaning for pairs in build(0, SCALE).train.values() for pair in pairs}
    held = {
        part
        for pairs in by_length(corpus.test, SEED, MOST).values()
        for pair in pairs
        for part in pair.meaning.split(" | ")
    }
    assert held
    assert not held & learned


def test_batches_go_on_from_any_step(corpus):
    course = Seq2SeqCourse()
    vars(course)["corpus"] = corpus
    whole = [batch for batch, _ in zip(course.batches(0), range(12), strict=False)]
    later = next(course.batches(9))
    assert torch.equal(later.source, whole[9].source)
    assert torch.equal(later.following, whole[9].following)


def test_training_sees_joined_sentences_and_both_orders(corpus):
    chance, drawing = random.Random(SEED), Drawing(corpus.train)
    assert any(pair.phenomenon == "joined" for pair in (drawing.draw(chance) for _ in range(30)))
    course = Seq2SeqCourse()
    vars(course)["corpus"] = corpus
    stops = [course.tokenizer.id(stop) for stop in (".", "。")]
    batches = [batch for batch, _ in zip(course.batches(0), range(4), strict=False)]
    first = torch.cat([torch.isin(batch.source[:, 0], torch.tensor(stops)) for batch in batches])
    assert 0.1 < first.float().mean() < 0.5, "of those that end with a stop, half begin with it"


def test_guidance_adds_to_the_loss_what_the_attention_misses(corpus):
    course = AttentionCourse()
    vars(course)["corpus"] = corpus
    torch.manual_seed(0)
    model, batch = course.fresh(), next(course.batches(0))
    course.guidance = 0.0
    plain = course.loss(model, batch)
    course.guidance = 0.5
    assert course.loss(model, batch) > plain


@pytest.mark.parametrize("course", COURSES)
def test_a_shipped_model_meets_what_is_asked(course, shipped):
    figures = {name: figure["value"] for name, figure in shipped[course].items()}
    assert not course().missed({name: (value, shipped[course][name]["n"]) for name, value in figures.items()})
    assert all(figure["n"] >= 200 for figure in shipped[course].values())


@pytest.mark.parametrize("course", COURSES)
def test_the_figures_of_the_card_hold_for_another_seed(course, shipped, found):
    for name, (value, _) in found[course].items():
        if name.startswith(("exact.", "alignment")):
            assert abs(value - shipped[course][name]["value"]) < CHANCE, name


def test_the_bottleneck_costs_more_the_longer_the_source(shipped):
    plain, attention = (shipped[course] for course in COURSES)
    for prefix in ("", "reversed_"):
        cost = [
            attention[f"{prefix}exact.{low}-{high}"]["value"] - plain[f"{prefix}exact.{low}-{high}"]["value"]
            for low, high in LENGTHS
        ]
        assert cost[0] < 0.05 < 0.2 < max(cost[2:])


@pytest.mark.parametrize("course", COURSES)
def test_a_shipped_model_is_small_and_loads_in_a_moment(course):
    folder = CHECKPOINTS / course.name
    assert sum(file.stat().st_size for file in folder.iterdir()) < 2.2 * 2**20
    started = time.process_time()
    model = RecurrentTranslator(course.name, folder)
    assert time.process_time() - started < 1
    assert model.card.guided == (() if not course.guidance else model.card.guided)


@pytest.mark.parametrize("course", COURSES)
def test_the_shipped_models_translate_the_lessons_first_sentences(course):
    assert record(course.name, "I am a student").output == "je suis étudiant"
    assert record(course.name, "今天天气很好").output == "the weather is nice today"
    assert record(course.name, "the cat sleeps", reading="reversed").output == "le chat dort"


def test_the_shipped_attention_is_proved():
    trace = record(AttentionCourse.name, "The animal didn't cross the street because it was too tired.")
    head = trace.head("decoder.0.cross", 0)
    assert head.proved
    torch.testing.assert_close(
        torch.tensor(head.masked_scores).softmax(-1), torch.tensor(head.weights), atol=1e-6, rtol=0
    )
    assert trace.array(Site.STATE, "encoder").shape[1] == trace.model.d_hidden
