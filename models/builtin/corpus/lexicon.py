"""The words the grammar knows, read from the tables `nouns.toml` and `words.toml`."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

UNKNOWN = "<unk>"
PEOPLE = frozenset({"family", "professions", "names"})


def table(name: str) -> dict[str, Any]:
    """A table of this folder."""
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Noun:
    """A noun in three languages; `plural` is empty for what cannot be counted, `feminine` only set for professions."""

    en: str
    plural: str
    fr: str
    gender: str
    zh: str
    measure: str = "个"
    kind: str = ""
    feminine: str = ""


@dataclass(frozen=True)
class Adjective:
    """An adjective in three languages."""

    en: str
    masculine: str
    feminine: str
    zh: str


@dataclass(frozen=True)
class Verb:
    """A verb in three languages.

    `fr` holds the present for je, tu, il, nous, ils; `objects` the kinds of nouns it may take, after its `particle`.
    """

    en: str
    third: str
    ing: str
    past: str
    fr: tuple[str, ...]
    participle: str
    infinitive: str
    zh: str
    objects: tuple[str, ...] = ()
    particle: str = ""
    fr_particle: str = ""


@dataclass(frozen=True)
class Pronoun:
    """A personal pronoun in three languages; `person` is its place in I, you, he or she, we, they."""

    en: str
    object: str
    be: str
    possessive: str
    fr: str
    fr_object: str
    fr_be: str
    fr_possessives: tuple[str, str, str]
    zh: str
    gender: str
    person: int

    @property
    def plural(self) -> bool:
        """Whether it means several."""
        return self.person > 2


@dataclass(frozen=True)
class Time:
    """When something happens, as marked words per language, and the tenses of actions and states that go with it."""

    words: Mapping[str, str]
    action: tuple[str, ...]
    state: tuple[str, ...]


UNKNOWN_NOUN = Noun(UNKNOWN, UNKNOWN, UNKNOWN, "m", UNKNOWN, feminine=UNKNOWN)
UNKNOWN_NAME = Noun(UNKNOWN, "", UNKNOWN, "m", UNKNOWN, kind="names")
UNKNOWN_ADJECTIVE = Adjective(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)


class Lexicon:
    """Every word, and a way to draw one; now and then a draw gives a word that nobody knows."""

    def __init__(self, chance: random.Random, unknown_share: float = 0.0) -> None:
        self.chance = chance
        self.unknown_share = unknown_share
        self._words = table("words")
        self._nouns = table("nouns")

    def noun(self, *kinds: str) -> Noun:
        """A noun of one of these kinds or groups."""
        if "professions" not in kinds and self.chance.random() < self.unknown_share:
            return UNKNOWN_NAME if "names" in kinds else UNKNOWN_NOUN
        return self.chance.choice(self.nouns(*kinds))

    def nouns(self, *kinds: str) -> list[Noun]:
        """All nouns of these kinds or groups; a group may also name single nouns."""
        return [noun for kind in kinds for noun in self._kind(kind)]

    def adjective(self, *groups: str) -> Adjective:
        """An adjective of one of these groups."""
        if self.chance.random() < self.unknown_share / 2:
            return UNKNOWN_ADJECTIVE
        return self.chance.choice(self.adjectives(*groups))

    def adjectives(self, *groups: str) -> list[Adjective]:
        """All adjectives of these groups."""
        names = [name for group in groups for name in self._words["adjective_groups"][group].split()]
        return [self._adjectives[name] for name in names]

    def pronoun(self) -> Pronoun:
        """A personal pronoun."""
        return self.chance.choice(list(self.pronouns.values()))

    def time(self, use: str, tense: str) -> Time:
        """A time that goes with an `action` or a `state` in this tense."""
        return self.chance.choice([time for time in self.times if tense in getattr(time, use)])

    @cached_property
    def by_kind(self) -> dict[str, list[Noun]]:
        """Kind → its nouns."""
        rows = {kind: row for kind, row in self._nouns.items() if kind != "groups"}
        return {kind: [_noun(kind, *entry) for entry in row.items()] for kind, row in rows.items()}

    def _kind(self, kind: str) -> Sequence[Noun]:
        if kind in self.by_kind:
            return self.by_kind[kind]
        if kind in self._nouns["groups"]:
            return self.nouns(*self._nouns["groups"][kind].split())
        return [noun for nouns in self.by_kind.values() for noun in nouns if noun.en == kind]

    @cached_property
    def verbs(self) -> dict[str, Verb]:
        """Name → verb."""
        return {name: _verb(name, row) for name, row in self._words["verbs"].items()}

    @cached_property
    def pronouns(self) -> dict[str, Pronoun]:
        """English subject form → pronoun."""
        rows = self._words["pronouns"].items()
        persons = {"I": 0, "you": 1, "he": 2, "she": 2, "we": 3, "they": 4}
        return {name: _pronoun(name, persons[name], row) for name, row in rows}

    @cached_property
    def times(self) -> list[Time]:
        """All times."""
        return [
            Time(row, tuple(row.get("action", "").split()), tuple(row.get("state", "").split()))
            for row in self._words["times"].values()
        ]

    @cached_property
    def months(self) -> list[tuple[str, str, str]]:
        """English, French and Chinese names of the months."""
        return [(en, *_two(row)) for en, row in self._words["months"].items()]

    @cached_property
    def participles(self) -> list[Adjective]:
        """What may happen to a law, as passive participles."""
        return [Adjective(en, *row.split()) for en, row in self._words["participles"].items()]

    @cached_property
    def variants(self) -> dict[str, list[str]]:
        """Word of the grammar → what a person may type instead."""
        return {word: row.split() for word, row in self._words["variants"].items()}

    @cached_property
    def _adjectives(self) -> dict[str, Adjective]:
        rows = self._words["adjectives"].items()
        return {name: Adjective(name.split("_")[0], *row.split()) for name, row in rows}


def _two(row: str) -> tuple[str, str]:
    first, second = row.split()
    return first, second


def _noun(kind: str, en: str, row: str) -> Noun:
    if kind == "professions":
        masculine, feminine, zh = row.split()
        return Noun(en, english_plural(en), masculine, "m", zh, kind=kind, feminine=feminine)
    fr, gender, zh, measure, *irregular = row.split()
    plural = irregular[0].strip("-") if irregular else english_plural(en)
    return Noun(en, plural, fr, gender, zh, measure, kind)


def _verb(name: str, row: dict[str, str]) -> Verb:
    third, ing, past = row["en"].split()
    *present, participle, infinitive = row["fr"].split()
    objects = tuple(row.get("of", "").split())
    particles = (particle.strip("-") for particle in row.get("with", "- -").split())
    return Verb(
        name.split("_")[0],
        third,
        ing,
        past,
        tuple(present),
        participle,
        infinitive,
        row["zh"],
        objects,
        *particles,
    )


def _pronoun(name: str, person: int, row: dict[str, str]) -> Pronoun:
    obj, be, possessive = row["en"].split()
    fr, fr_object, fr_be, masculine, feminine, plural = row["fr"].split()
    return Pronoun(
        *(name, obj, be, possessive),
        *(fr, fr_object, fr_be, (masculine, feminine, plural)),
        *(row["zh"], row["gender"], person),
    )


def english_plural(noun: str) -> str:
    """The regular plural: cats, foxes, cities."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"
