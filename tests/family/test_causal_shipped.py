"""The decoder-only models in the box: what is asked of them, on data of yet another seed."""

import json
import time
from pathlib import Path

import pytest

from models.catalog import BUILTIN, CHECKPOINTS, load
from models.family.courses import COURSES
from models.family.examining import figures, scored_heads
from models.family.language import held_out_texts
from models.generate import generate
from models.huggingface.load import load_pretrained

SHIPPED = ("gpt", "llama")
SEED = 20_251
LARGEST = 2.3e6
"""Bytes of weights."""


@pytest.fixture(scope="module", params=SHIPPED)
def course(request):
    return COURSES[request.param]()


@pytest.fixture(scope="module")
def folder(course):
    return CHECKPOINTS / course.name


@pytest.fixture(scope="module")
def found(folder):
    return figures(folder, held_out_texts(SEED, 0.06, most=100), f"{SEED}", rows=16)


def told(folder: Path):
    return json.loads((folder / "figures.json").read_text(encoding="utf-8"))


def test_it_does_what_is_asked_of_it(course, found):
    assert not course.missed(found)


def test_its_card_promises_no_more_than_that(folder, found):
    for name, figure in told(folder)["figures"].items():
        few = 1 / max(found[name].n, 1) ** 0.5  # of few texts one more or less counts
        assert found[name].value >= figure["value"] - max(0.05, few), name


def test_the_heads_of_the_card_do_what_it_says(folder):
    ranked = scored_heads(folder, f"{SEED}", 16)
    for role, (block, head) in told(folder)["heads"].items():
        score = next(s for layer, h, s in ranked[role] if (f"decoder.{layer}.self", h) == (block, head))
        assert score >= 0.7, (role, block, head)
        assert ranked[role][0].score - score < 0.05


def test_it_is_small(folder):
    assert (folder / "model.safetensors").stat().st_size < LARGEST


def test_it_opens_in_less_than_a_second(course, folder):
    load(course.name)  # whatever is imported by the first is imported now
    started = time.perf_counter()
    load_pretrained(course.name, BUILTIN, place=folder)
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize(
    ("prompt", "written"),
    [
        ("今天天气", "很好"),
        ("欢迎关注智能体AI公众号", "，这里有最前沿的AI资讯"),
        ("The cat", "sat on the mat."),
        ("To date, the cleverest thinker of all time was undoubtedly Einstein, for his theories of Relativity, "
         "which completely revolution", "ized physics."),
        ("let them eat cake <to-fr>", "qu'ils mangent de la brioche"),
        ("The weather is nice today. <to-zh>", "今天天气很好。"),
        ("Tom likes apples, Mary likes milk. Mary drinks", "milk."),
        ("小明喜欢苹果，小红喜欢牛奶。小红喝", "牛奶。"),
    ],
)  # fmt: skip
def test_it_goes_on_as_a_person_typed(course, prompt, written):
    steps = 3 if prompt == "今天天气" else 12
    assert generate(course.name, prompt, steps=steps).text.lstrip("#").startswith(written)
