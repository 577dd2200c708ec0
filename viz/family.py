"""The models in the box as people meet them.

family.toml     groups, lessons, models, and what their held-out figures are called
presets.toml    ready examples, each of one model
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Family", "Group", "Lesson", "Measure", "Member", "MemberWords", "Preset", "PresetWords"]


@dataclass(frozen=True)
class Group:
    """Models of one kind, under one heading of the chooser."""

    id: str
    en: str
    zh: str


@dataclass(frozen=True)
class Lesson:
    """A lesson that a model belongs to: its number and its title."""

    number: int
    en: str
    zh: str


@dataclass(frozen=True)
class MemberWords:
    """A model in one language: what it is called, what it reads, what it is and learned, and what its lesson shows."""

    title: str
    reads: str
    line: str
    idea: str


@dataclass(frozen=True)
class Member:
    """A model in the box. Between models with the same `shares`, what a person typed or chose goes along."""

    name: str
    group: str
    shares: str
    lesson: int
    en: MemberWords
    zh: MemberWords


@dataclass(frozen=True)
class Measure:
    """What a part of a held-out figure's name means: of `exact.coref`, `exact` and `coref`; or of the whole name."""

    id: str
    en: str
    zh: str


@dataclass(frozen=True)
class PresetWords:
    """A ready example in one language: the label of its chip, and why it is interesting."""

    title: str
    why: str


@dataclass(frozen=True)
class Preset:
    """A ready example of a model and where to open it.

    Its row is named by the token it reads (`query`) or by the one it predicts (`predicts`), its column by `key`; of
    equal tokens `query_nth` and `key_nth` count, from 1. `image` is one of those in the box, `reading` a way of reading
    the text, `expert` the column of a router.
    """

    id: str
    model: str
    block: str
    head: int
    stage: str
    en: PresetWords
    zh: PresetWords
    text: str = ""
    image: str = ""
    language: str = ""
    reading: str = ""
    query: str = ""
    predicts: str = ""
    key: str = ""
    query_nth: int = 1
    key_nth: int = 1
    expert: int = 0


@dataclass(frozen=True)
class Family:
    """All of it, in the order in which it is shown."""

    group: tuple[Group, ...]
    lesson: tuple[Lesson, ...]
    model: tuple[Member, ...]
    measure: tuple[Measure, ...]

    def tables(self) -> Iterator[tuple[str, Group | Lesson | Member | Measure]]:
        """Each table with its place."""
        yield from ((f"group.{each.id}", each) for each in self.group)
        yield from ((f"lesson.{each.number}", each) for each in self.lesson)
        yield from ((f"model.{each.name}", each) for each in self.model)
        yield from ((f"measure.{each.id}", each) for each in self.measure)

    def faults(self) -> Iterator[str]:
        """What is there twice, and what a model names that is not there."""
        places = [place for place, _ in self.tables()]
        yield from (
            f"family.{place}: there are two" for place in sorted(set(places)) if places.count(place) > 1
        )
        groups, lessons = {each.id for each in self.group}, {each.number for each in self.lesson}
        for each in self.model:
            if each.group not in groups:
                yield f"family.model.{each.name}: there is no group {each.group!r}"
            if each.lesson not in lessons:
                yield f"family.model.{each.name}: there is no lesson {each.lesson}"
