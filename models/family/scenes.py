"""The scenes of the discourse: what happens in a first sentence, and what may be said next.

A scene says a first sentence and a second one that follows from it. Asked for a fault, it says the same first sentence
and a second one of the same topic that does not follow: somebody else, another thing, another place, another deed, the
opposite, the other sense of the word.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

DEGREES = {"zh": ("很", "非常", "特别"), "en": ("", "", "very", "so")}
ANYBODY = ("he", "he", "she", "she", "they", "I", "we")
"""As often as each is spoken of."""
PLURAL = ("they", "we")
TIMED = 0.5
"""So often a first sentence says when it was."""
KIN = frozenset(
    {
        "father",
        "mother",
        "brother",
        "sister",
        "uncle",
        "aunt",
        "grandfather",
        "grandmother",
        "parents",
        "friends",
    }
)


class Word(NamedTuple):
    """A word, and whether the rest of the two sentences settles it: no other word of the scenes would fit there."""

    text: str
    settled: bool = True


Sentence = list[Word]


class Person(NamedTuple):
    """Who it is, as it is said first, and the word that means the same person after that."""

    said: Sentence
    pronoun: str


@dataclass(frozen=True)
class Sense:
    """An ambiguous word of a first sentence: where it is, its sense, the words that say so, and what the other language
    says for it."""

    place: int
    name: str
    cues: tuple[int, ...]
    meaning: str


class Told(NamedTuple):
    """Two sentences, and the ambiguous word of the first."""

    first: Sentence
    second: Sentence
    sense: Sense | None = None


@dataclass(frozen=True)
class Teller:
    """Chance and a language: what every scene is told with."""

    chance: random.Random
    language: str

    @property
    def english(self) -> bool:
        """Whether it is English, else Chinese."""
        return self.language == "en"

    def side(self, row: str) -> str:
        """The half of "English | Chinese" that is told."""
        return row.split(" | ")[not self.english]

    def words(self, text: str, **facts: str) -> Sentence:
        """The words of a text; ~ after a word says that another would fit as well."""
        filled = text.format(**facts) if "{" in text else text
        return [Word(word.rstrip("~"), not word.endswith("~")) for word in filled.split()]

    def person(self, *pronouns: str) -> Person:
        """Somebody, who is then called by one of these pronouns, or by any."""
        pronoun = self.chance.choice(pronouns or ANYBODY)
        if pronoun not in table()["people"]:
            return Person([Word(self.pronoun(pronoun))], pronoun)
        name = self.side(self.chance.choice(table()["people"][pronoun]))
        article = self.english and name[0].islower()
        kin = name in KIN
        before = [Word(self.chance.choice(("the", "my")) if kin else "the", not kin)] if article else []
        return Person([*before, Word(name, settled=False)], pronoun)

    def pronoun(self, name: str) -> str:
        """He, or 他."""
        return name if self.english else table()["pronouns"][name].split()[1]

    def his(self, pronoun: str) -> str:
        """The possessive."""
        return table()["pronouns"][pronoun].split()[0]

    def other_pronoun(self, pronoun: str) -> str:
        """Anybody else."""
        return self.chance.choice([name for name in ANYBODY if name != pronoun])

    def time(self, rows: Sequence[str] | None = None) -> Sentence:
        """Now and then, when it was."""
        if self.chance.random() > TIMED:
            return []
        return self.words(self.side(self.chance.choice(rows or table()["times"]["past"])))

    def clause(self, subject: Sentence, predicate: Sentence, time: Sentence) -> Sentence:
        """The words in order: English says at the end when it was, Chinese after the subject."""
        return [*subject, *predicate, *time] if self.english else [*subject, *time, *predicate]


Scene = Callable[[Teller, str], Told]


@cache
def table() -> dict[str, Any]:
    """What the scenes are made of."""
    path = Path(__file__).parent / "discourse.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def errand(tell: Teller, fault: str) -> Told:
    """The man went to the store. He bought a gallon of milk."""
    who, place = tell.person(), tell.chance.choice(table()["places"])
    deed = tell.chance.choice(place["deeds"])
    first = tell.clause(who.said, _gone(tell, who, place), tell.time())
    then = tell.other_pronoun(who.pronoun) if fault == "subject" else who.pronoun
    done = _other_deed(tell, place, deed) if fault == "deed" else deed
    return Told(first, [Word(tell.pronoun(then)), *_past(tell, done)])


def _name(tell: Teller, place: Mapping[str, Any]) -> str:
    return tell.side(place["name"]).split()[0]


def _gone(tell: Teller, who: Person, place: Mapping[str, Any]) -> Sentence:
    if tell.chance.random() < 0.7:
        return tell.words(("went to the " if tell.english else "去 了 ") + _name(tell, place))
    if tell.english:
        return tell.words(f"{'were' if who.pronoun in PLURAL else 'was'} at the {_name(tell, place)}")
    name, *within = tell.side(place["name"]).split()
    return tell.words(f"在 {name} {within[0] if within else '里'}")


def _elsewhere(place: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The places where one would not do what one does here."""
    groups = [group.split() for group in table()["alike"]["groups"]]
    here = place["name"].split()[0]
    alike = {here, *(name for group in groups if here in group for name in group)}
    return [other for other in table()["places"] if other["name"].split()[0] not in alike]


def _past(tell: Teller, deed: str) -> Sentence:
    said = tell.words(tell.side(deed))
    if not tell.english:
        return said
    return [Word(said[0].text.split("/")[1], said[0].settled), *said[1:]]


def _wished(tell: Teller, deed: str) -> Sentence:
    said = tell.words(tell.side(deed))
    if not tell.english:
        return [word for word in said if word.text != "了"]
    return [Word(said[0].text.split("/")[0].rstrip("~"), said[0].settled), *said[1:]]


def _other_deed(tell: Teller, place: Mapping[str, Any], deed: str) -> str:
    """What one does elsewhere: every second time with the same verb, where there is such a deed."""
    verb = tell.side(deed).split()[0]
    others = [other["deeds"] for other in _elsewhere(place)]
    alike = [[one for one in deeds if tell.side(one).split()[0] == verb] for deeds in others]
    alike = [deeds for deeds in alike if deeds]
    return tell.chance.choice(tell.chance.choice(alike if alike and tell.chance.random() < 0.5 else others))


def wish(tell: Teller, fault: str) -> Told:
    """The girl wanted to watch a film. She went to the cinema."""
    who, place = tell.person(), tell.chance.choice(table()["places"])
    wished = _wished(tell, tell.chance.choice(place["deeds"]))
    then = tell.other_pronoun(who.pronoun) if fault == "subject" else who.pronoun
    goal = tell.chance.choice(_elsewhere(place)) if fault == "place" else place
    wanted = tell.words("wanted to" if tell.english else "想")
    went = tell.words(("went to the " if tell.english else "去 了 ") + _name(tell, goal))
    return Told([*who.said, *wanted, *wished], [Word(tell.pronoun(then)), *went])


def using(tell: Teller, fault: str) -> Told:
    """The boy bought a cake. He ate the cake."""
    kind, who = tell.chance.choice(table()["things"]), tell.person()
    names = [tell.side(name).split() for name in kind["names"]]
    thing, other = tell.chance.sample(names, 2)
    got = tell.words(tell.side(tell.chance.choice(table()["gotten"]["verbs"])))
    first = tell.clause(who.said, [*got, *_indefinite(tell, thing)], tell.time())
    then = tell.other_pronoun(who.pronoun) if fault == "subject" else who.pronoun
    used = other if fault == "object" else thing
    verb, subject = Word(tell.side(kind["verb"])), Word(tell.pronoun(then))
    if tell.english:
        return Told(first, [subject, verb, Word("the"), Word(used[0])])
    return Told(first, [subject, verb, Word("了"), Word("那"), Word(used[1]), Word(used[0])])


def _indefinite(tell: Teller, thing: Sequence[str]) -> Sentence:
    if tell.english:
        return [Word("an" if thing[0][0] in "aeio" else "a"), Word(thing[0])]
    return [Word("了"), Word("一"), Word(thing[1]), Word(thing[0])]


def state(tell: Teller, fault: str) -> Told:
    """The woman was thirsty. She drank a glass of water."""
    kinds = {kind["one"].split()[0]: kind for kind in table()["states"]}
    pairs = table()["opposites"]
    opposite = pairs | {other: one for one, other in pairs.items()}
    name, who = tell.chance.choice(list(kinds)), tell.person()
    was = _state(tell, who, tell.words(tell.side(kinds[name]["one"])))
    first = tell.clause(who.said, was, tell.time())
    then = tell.other_pronoun(who.pronoun) if fault == "subject" else who.pronoun
    done = kinds[opposite[name] if fault == "contradiction" else name]["deeds"]
    deed = tell.words(tell.side(tell.chance.choice(done)), his=tell.his(then))
    return Told(first, [Word(tell.pronoun(then)), *deed])


def _state(tell: Teller, who: Person, said: Sentence) -> Sentence:
    degree = tell.chance.choice(DEGREES[tell.language])
    if tell.english:
        was = Word("were" if who.pronoun in PLURAL else "was")
        return [was, *([Word(degree, settled=False)] if degree else []), *said]
    return [word if word.settled else Word(degree, settled=False) for word in said]


def weather(tell: Teller, fault: str) -> Told:
    """今天天气很好。我出去跑步了。"""
    facts = table()["weather"]
    good, bad = facts["kinds"]
    kind = tell.chance.choice((good, bad))
    then = (bad if kind is good else good) if fault == "contradiction" else kind
    who = tell.person("I", "I", "we", "he", "she", "they")
    time = tell.time(facts["times"])
    was = "is" if any(word.text in facts["now"] for word in time) else "was"
    said = tell.words(tell.side(tell.chance.choice(kind["said"])), was=was)
    before = not tell.english or tell.chance.random() < 0.5
    deed = tell.words(tell.side(tell.chance.choice(then["deeds"])))
    return Told([*time, *said] if before else [*said, *time], [*_free(who.said), *deed])


def animal(tell: Teller, fault: str) -> Told:
    """The boy saw some penguins. Penguins are flightless birds."""
    (seen, is_), (other, is_other) = (
        _fact(tell, row) for row in tell.chance.sample(table()["animals"]["facts"], 2)
    )
    told = tell.words(tell.side(tell.chance.choice(table()["animals"]["seen"])), **seen)
    subject, fact = (other["animals"], is_other) if fault == "object" else (seen["animals"], is_)
    first = tell.clause(_free(tell.person().said), told, tell.time())
    return Told(first, [Word(subject), *tell.words(fact)])


def _fact(tell: Teller, row: str) -> tuple[dict[str, str], str]:
    en, zh, fact, said = row.split(" | ")
    name, measure = zh.split()
    return {"animals": en if tell.english else name, "measure": measure}, fact if tell.english else said


def sense(tell: Teller, fault: str) -> Told:
    """I went to the bank to deposit cash. I signed a form."""
    entry = next(one for one in table()["senses"] if one["language"] == tell.language)
    kind, other = tell.chance.sample(entry["kinds"], 2)
    who = tell.person()
    facts = {"he": tell.pronoun(who.pronoun), "his": tell.his(who.pronoun), "word": entry["word"]}
    cue = _free(tell.words(tell.chance.choice(kind["cues"]), **facts))
    parts = tell.chance.choice(kind.get("firsts") or [entry["first"]]).split()
    time = [] if any(word.text == "每天" for word in cue) else tell.time()
    then = tell.chance.choice((other if fault == "sense" else kind)["then"])
    said = {"{who}": who.said if "{he}" in then else _free(who.said), "{cue}": cue}
    first = [word for part in parts for word in (said.get(part) or tell.words(part, **facts))]
    first = [*first, *time] if tell.english else [*time, *first]
    return Told(first, tell.words(then, **facts), _sense(first, entry["word"], kind, cue))


def meanings() -> frozenset[str]:
    """What the other language calls each sense of the words with two."""
    return frozenset(kind["meaning"] for entry in table()["senses"] for kind in entry["kinds"])


def _free(words: Sentence) -> Sentence:
    return [Word(word.text, settled=False) for word in words]


def _sense(first: Sentence, ambiguous: str, kind: Mapping[str, Any], purpose: Sentence) -> Sense:
    texts = [word.text for word in first]
    said = {word.text for word in purpose} - {ambiguous}
    cues = tuple(i for i, text in enumerate(texts) if text in said)
    return Sense(texts.index(ambiguous), f"{ambiguous}.{kind['name']}", cues, kind["meaning"])


SCENES: Mapping[str, tuple[Scene, tuple[str, ...], int]] = {
    "errand": (errand, ("subject", "deed"), 5),
    "wish": (wish, ("subject", "place"), 2),
    "using": (using, ("subject", "object"), 3),
    "state": (state, ("subject", "contradiction"), 3),
    "weather": (weather, ("contradiction",), 3),
    "animal": (animal, ("object",), 2),
    "sense": (sense, ("sense",), 4),
}
"""Of each scene: how it is told, how its second sentence may be wrong, and how often it is drawn."""
