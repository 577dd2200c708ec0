"""The box as a whole: small enough to be shipped, and every model of it has a card and a course that makes it."""

import pytest

from models.catalog import BUILTIN, CHECKPOINTS
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
    for figure in held_out(CHECKPOINTS / name):
        assert f"| {figure.name} | {figure.value:.3f} | {figure.n} |" in card
