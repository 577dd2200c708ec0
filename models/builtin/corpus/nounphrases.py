"""Draws noun phrases: which determiners and adjectives go with which nouns."""

from __future__ import annotations

from dataclasses import replace

from models.builtin.corpus.grammar import Both, NounPhrase, Subject, Topic
from models.builtin.corpus.lexicon import PEOPLE, UNKNOWN, Adjective, Lexicon, Noun, Verb

SINGULAR = frozenset({"", "the", "a", "my", "this"})
NUMBERS = ("two", "three", "four", "five", "ten")
DEFINITE = frozenset({"places", "buildings", "openings"})
"""Kinds of objects that Chinese names without a determiner where English says the: 打开门."""
COLLECTED = frozenset({"like", "buy", "eat", "sell"})
"""Verbs that often take two objects: apples and pears."""
PARTICULAR = frozenset({"have", "see", "find", "catch", "chase"})
"""Verbs that are not said of things in general."""
UNADORNED = frozenset({"fields", "football", "basketball"})
"""Kinds of nouns without adjectives."""
LOOKS = {
    "animals": ("colours", "animal_looks"),
    "foods": ("colours", "tastes"),
    "dishes": ("tastes",),
    "drinks": ("tastes",),
    "grains": ("tastes",),
    "family": ("moods",),
    "professions": ("moods",),
    "places": ("scenery",),
    "buildings": ("scenery",),
    "institutions": ("scenery",),
    "outdoors": ("scenery",),
    "doings": ("opinions",),
}
"""Kind of noun → adjectives that may stand before it; colours and looks for the others."""


def determined(words: Lexicon, noun: Noun, choices: list[str], role: str = "subject.") -> NounPhrase:
    """The noun after one of these determiners; a * marks the plural, what cannot be counted takes the first."""
    if noun.en == UNKNOWN:
        choices = [choice for choice in choices if choice in SINGULAR or choice == "*"]
    choice = words.chance.choice(choices) if noun.plural else choices[0].rstrip("*")
    determiner = choice.rstrip("*")
    owner = words.pronoun() if determiner == "my" else None
    return NounPhrase(noun, determiner, role, plural=choice != determiner or choice in NUMBERS, owner=owner)


def adorned(words: Lexicon, phrase: NounPhrase, share: float) -> NounPhrase:
    """The phrase, now and then with an adjective."""
    if phrase.noun.kind in UNADORNED or words.chance.random() >= share:
        return phrase
    return replace(phrase, adjectives=(look(words, phrase.noun),))


def look(words: Lexicon, noun: Noun) -> Adjective:
    """An adjective that may stand before the noun."""
    return words.adjective(*LOOKS.get(noun.kind, ("colours", "looks")))


def subject(words: Lexicon, *, things: bool = True) -> Topic:
    """Who does or is something."""
    sort = words.chance.random()
    if sort < 0.4:
        return Subject(words.pronoun())
    if sort < 0.46:
        return NounPhrase(words.noun("names"))
    kinds = ("people", "animals", "goods", "foods", "dishes") if things else ("people", "animals")
    first = _some(words, kinds, "subject.")
    return Both(first, _some(words, kinds, "second.")) if sort > 0.95 else first


def _some(words: Lexicon, kinds: tuple[str, ...], role: str) -> NounPhrase:
    """A noun phrase as a subject: the cat, my black cat, cats, two cats."""
    number = words.chance.choice(NUMBERS)
    choices = ["the", "the", "the", "a", "my", "this", "the*", "this*", "*", number]
    return adorned(words, determined(words, words.noun(*kinds), choices, role), 0.15)


def object_of(words: Lexicon, verb: Verb, *, negative: bool) -> Topic | None:
    """What the verb is done to; None if it takes no object."""
    if not verb.objects:
        return None
    noun = words.noun(*verb.objects)
    if noun.plural and verb.en in COLLECTED and not negative and words.chance.random() < 0.1:
        first = adorned(words, NounPhrase(noun, role="object.", plural=True), 0.3)
        return Both(
            first, adorned(words, NounPhrase(words.noun("foods"), role="other.", plural=True), 0.3), "object."
        )
    choices = _object_determiners(words, noun, verb, negative=negative)
    return adorned(words, determined(words, noun, choices, "object."), 0.35)


def _object_determiners(words: Lexicon, noun: Noun, verb: Verb, *, negative: bool) -> list[str]:
    if not noun.plural:
        return [""]
    if noun.kind in DEFINITE:
        return ["the", "the", "this"]
    if noun.kind in PEOPLE:
        return ["my", "this", "this*"]
    if negative:
        return ["a"] if verb.en == "have" else ["*", "my", "this", "the"]
    generic = [] if verb.en in PARTICULAR else ["*", "*", "*"]
    return [*generic, "a", "a", "my", "this", "this*", "the", words.chance.choice(NUMBERS)]


def reversible(topic: Topic, *, as_subject: bool = True) -> bool:
    """Whether its Chinese says as much as its English: 猫 is the cat as a subject, cats as an object."""
    if isinstance(topic, Subject):
        return True
    if isinstance(topic, Both):
        return all(reversible(part, as_subject=as_subject) for part in (topic.first, topic.second))
    if as_subject:
        return not topic.plural or topic.determiner not in ("", "the")
    return topic.determiner != "the" or topic.noun.kind in DEFINITE
