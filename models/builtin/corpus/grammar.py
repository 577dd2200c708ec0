"""What a sentence says before any language says it: noun phrases and clauses."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.builtin.corpus.lexicon import Adjective, Noun, Pronoun, Verb
from models.builtin.corpus.sentence import Words


@dataclass(frozen=True)
class NounPhrase:
    """A noun with what stands before it; `role` is the prefix of its ideas.

    `determiner` is the, a, this, my (with `owner`), a number such as two, or empty for apples, water, Anna.
    """

    noun: Noun
    determiner: str = ""
    role: str = "subject."
    plural: bool = False
    adjectives: tuple[Adjective, ...] = ()
    owner: Pronoun | None = None
    official: bool = False
    """Chinese joins official adjectives without 的: 欧洲经济区."""

    @property
    def person(self) -> int:
        """Its place in I, you, he or she, we, they."""
        return 4 if self.plural else 2

    @property
    def gender(self) -> str:
        """`m` or `f`."""
        return self.noun.gender

    @property
    def bare(self) -> bool:
        """Apples, water: nothing stands before it."""
        return not self.determiner


@dataclass(frozen=True)
class Subject:
    """A pronoun where a noun phrase may stand; `role` as there."""

    pronoun: Pronoun
    role: str = "subject."

    @property
    def person(self) -> int:
        """Its place in I, you, he or she, we, they."""
        return self.pronoun.person

    @property
    def plural(self) -> bool:
        """Whether it means several."""
        return self.pronoun.plural

    @property
    def gender(self) -> str:
        """`m` or `f`."""
        return self.pronoun.gender


@dataclass(frozen=True)
class Both:
    """Two noun phrases joined by and; `role` is the prefix of the idea that joins them."""

    first: NounPhrase
    second: NounPhrase
    role: str = "subject."
    person: int = 4
    plural: bool = True

    @property
    def gender(self) -> str:
        """`f` only if both are."""
        return "f" if self.first.gender == self.second.gender == "f" else "m"


Topic = NounPhrase | Subject | Both


@dataclass(frozen=True)
class Adjunct:
    """When or where: its words per language."""

    en: Words
    fr: Words
    zh: Words


NOWHEN = Adjunct([], [], [])


@dataclass(frozen=True)
class Clause:
    """Somebody does something: tense is present, progressive, past, future, possible (can) or wished (want to)."""

    subject: Topic
    verb: Verb
    object: Topic | None = None
    tense: str = "present"
    negative: bool = False
    question: bool = False
    when: Adjunct = field(default=NOWHEN)


@dataclass(frozen=True)
class State:
    """Somebody is something: an adjective, perhaps a very strong one, or a profession."""

    subject: Topic
    quality: Adjective | Noun
    tense: str = "present"
    negative: bool = False
    very: bool = False
    question: bool = False
    when: Adjunct = field(default=NOWHEN)
