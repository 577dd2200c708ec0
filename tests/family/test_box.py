"""The box as a whole: small enough to be shipped, and every model of it has a card and a course that makes it."""

import re

import pytest

from models.catalog import BUILTIN, CHECKPOINTS
from models.family.course import Figure
from models.family.courses import COURSES
from models.held_out import held_out

LARGEST = 25e6
"""Bytes of all checkpoints together."""


def test_all_models_together_are_small():
    assert sum(file.stat().st_size for file in CHECKPOINTS.rglob("*") if file.is_file()) <= LARGEST


@pytest.mark.parametrize("name", BUILTIN)
def test_every_model_has_a_course_and_a_card_with_its_figures(name):
    course = COURSES[name.removeprefix("builtin/")]
    assert course.name == name
    card = (CHECKPOINTS / name / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([\w.-]+) \| ([\d.]+ \| \d+) \|", card, re.MULTILINE))
    for figure in held_out(CHECKPOINTS / name):
        value, n = rows[figure.name].split(" | ")
        assert (float(value), int(n)) == (pytest.approx(figure.value, abs=6e-4), figure.n), figure.name


@pytest.mark.parametrize("name", BUILTIN)
def test_the_published_figures_are_what_is_asked(name):
    course = COURSES[name.removeprefix("builtin/")]()
    said = {each.name: Figure(each.value, each.n) for each in held_out(CHECKPOINTS / name)}
    assert not course.missed(said)
