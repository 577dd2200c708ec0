"""The models in the box as the chooser lists them: all of them, each with its words, its lesson and its group."""

import re
import shutil
from dataclasses import replace

import pytest

from models.catalog import BUILTIN
from viz.texts import ASSETS, TextsError, faults, load_texts, read_texts

TEXTS = load_texts()
FAMILY = TEXTS.family
MEMBERS = {member.name: member for member in FAMILY.model}


@pytest.mark.parametrize("name", BUILTIN)
def test_every_model_in_the_box_has_its_words(name):
    assert name in MEMBERS, f"{name} is not in family.toml"


def test_a_line_is_one_line_and_an_idea_a_few_sentences():
    for name, member in MEMBERS.items():
        assert len(member.en.title) <= 26, name
        assert len(member.en.line) <= 125, name
        assert len(member.zh.line) <= 56, name
        assert "\n" not in member.en.line + member.zh.line, name
        assert 2 <= len(re.findall(r"[.!?:](\s|$)", member.en.idea)) <= 6, name
        assert len(re.findall(r"[。！？：]", member.zh.idea)) >= 2, name


def test_models_of_a_group_stand_together_in_the_order_of_the_groups():
    order = [group.id for group in FAMILY.group]
    places = [order.index(member.group) for member in FAMILY.model]
    assert places == sorted(places)


def test_every_group_and_lesson_has_a_model():
    assert {group.id for group in FAMILY.group} == {member.group for member in FAMILY.model}
    assert {lesson.number for lesson in FAMILY.lesson} == {member.lesson for member in FAMILY.model}


def changed(**fields):
    """The texts with another first model."""
    first, *rest = FAMILY.model
    return replace(TEXTS, family=replace(FAMILY, model=(replace(first, **fields), *rest)))


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"group": "nowhere"}, "there is no group 'nowhere'"),
        ({"lesson": 99}, "there is no lesson 99"),
        ({"name": FAMILY.model[1].name}, "there are two"),
    ],
)
def test_what_a_model_names_must_be_there(fields, fault):
    assert [line for line in faults(changed(**fields)) if fault in line]


def test_a_model_without_its_words_is_refused_with_its_place(tmp_path):
    shutil.copytree(ASSETS / "texts", tmp_path / "texts")
    shutil.copy(ASSETS / "glossary.toml", tmp_path)
    file = tmp_path / "texts" / "family.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"zh\.line = .*\n", "", text, count=1), encoding="utf-8")
    with pytest.raises(TextsError, match=re.escape("family.model[0].zh: missing line")):
        read_texts(tmp_path)
