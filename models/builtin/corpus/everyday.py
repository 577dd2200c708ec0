"""Everyday sentences: who does what (`svo`), who is what (`copula`), and when, which Chinese says first (`zh-reorder`)."""

from __future__ import annotations

from dataclasses import replace

from models.builtin.corpus import chinese, english, french
from models.builtin.corpus.grammar import Adjunct, Both, Clause, NounPhrase, State, Subject, Topic
from models.builtin.corpus.lexicon import PEOPLE, Adjective, Lexicon, Noun, Time, Verb
from models.builtin.corpus.sentence import ROUTES, Sentence, marked, say

STATIVE = frozenset({"like", "love", "have", "want"})
INSTANT = frozenset({"see", "find", "reach", "leave", "open", "close", "catch"})
DEFINITE = frozenset({"places", "buildings", "openings"})
"""Kinds of objects that Chinese names without a determiner where English says the: 打开门."""
NUMBERS = ("two", "three", "four", "five", "ten")


def svo(words: Lexicon) -> Sentence:
    """Somebody does something: the cat sleeps, I am eating green apples, do you like music?"""
    clause = _clause(words, _verb(words))
    question = clause.tense == "present" and not clause.negative and words.chance.random() < 0.1
    return _clause_sentence("svo", replace(clause, question=question))


def timed(words: Lexicon) -> Sentence:
    """Somebody does something at some time: he drinks tea every morning ↔ 他每天早上喝茶."""
    clause = _clause(words, _verb(words))
    while clause.verb.en in STATIVE or clause.tense == "possible":
        clause = _clause(words, _verb(words))
    place = not clause.verb.objects and clause.tense != "future" and words.chance.random() < 0.5
    adjunct = _place(words) if place else when(words.time("action", clause.tense))
    return _clause_sentence("zh-reorder", replace(clause, when=adjunct))


def state(words: Lexicon) -> Sentence:
    """Something is nice today: 今天天气很好."""
    tense = words.chance.choice(["present", "present", "past", "future"])
    animate = words.chance.random() < 0.4
    kind, group = words.chance.choice([("ambience", "climates"), ("events", "opinions")])
    subject = _owned(words, words.noun("people", "animals")) if animate else NounPhrase(words.noun(kind), "the")
    if words.chance.random() < 0.2 and animate:
        subject = Subject(words.pronoun())
    quality = words.adjective("weary" if animate else group)
    said = State(subject, quality, tense, very=words.chance.random() < 0.2, when=when(words.time("state", tense)))
    return _state_sentence("zh-reorder", said)


def copula(words: Lexicon) -> Sentence:
    """Somebody is something: I am a student, this cat is black, my mother is not a doctor."""
    subject = _subject(words)
    kind = _kind(subject)
    profession = kind in {*PEOPLE, "pronoun"} and words.chance.random() < 0.3
    quality = words.noun("professions") if profession else _quality(words, kind)
    colour = isinstance(quality, Adjective) and quality.zh.endswith("色")
    mood = words.chance.random()
    very = mood < 0.2 and not colour and not profession
    return _state_sentence("copula", State(subject, quality, negative=0.2 < mood < 0.4, very=very, question=mood > 0.9))


def _kind(subject: Topic) -> str:
    if isinstance(subject, Subject):
        return "pronoun"
    return subject.noun.kind if isinstance(subject, NounPhrase) else "several"


def _verb(words: Lexicon) -> Verb:
    transitive = words.chance.random() < 0.75
    return words.chance.choice([verb for verb in words.verbs.values() if bool(verb.objects) == transitive])


def _clause(words: Lexicon, verb: Verb) -> Clause:
    tense = words.chance.choice(_tenses(verb))
    negative = tense in ("present", "past", "possible") and words.chance.random() < 0.2
    subject, obj = _subject(words, things=False), _object(words, verb, negative=negative)
    if verb.en in ("like", "love", "see") and tense == "present" and not negative and words.chance.random() < 0.15:
        others = [pronoun for pronoun in words.pronouns.values() if pronoun.person != subject.person]
        obj = Subject(words.chance.choice(others), "object.")
    return Clause(subject, verb, obj, tense, negative)


def _tenses(verb: Verb) -> list[str]:
    if verb.en in STATIVE:
        return ["present"]
    past = [] if verb.past == verb.en else ["past", "past"]
    return ["present", "present", "future", "possible", *past, *([] if verb.en in INSTANT else ["progressive"])]


def _subject(words: Lexicon, *, things: bool = True) -> Topic:
    kind = words.chance.random()
    if kind < 0.36:
        return Subject(words.pronoun())
    if kind < 0.44:
        return NounPhrase(words.noun("names"))
    kinds = ("people", "animals", "goods", "foods", "dishes") if things else ("people", "animals")
    first = _some(words, kinds, "subject.")
    if kind > 0.94:
        return Both(first, _some(words, kinds, "second."))
    return first


def _some(words: Lexicon, kinds: tuple[str, ...], role: str) -> NounPhrase:
    """A noun phrase as a subject: the cat, my black cat, cats, two cats."""
    number = words.chance.choice(NUMBERS)
    noun = words.noun(*kinds)
    phrase = _determined(words, noun, ["the", "the", "the", "a", "my", "this", "the plural", "these", "", number], role)
    return replace(phrase, adjectives=(_look(words, noun),)) if words.chance.random() < 0.15 else phrase


def _owned(words: Lexicon, noun: Noun) -> NounPhrase:
    return _determined(words, noun, ["the", "the", "my"])


def _determined(words: Lexicon, noun: Noun, choices: list[str], role: str = "subject.") -> NounPhrase:
    """The noun with one of these determiners; what cannot be counted takes the first."""
    choice = words.chance.choice(choices) if noun.plural else choices[0]
    owner = words.pronoun() if choice == "my" else None
    plural = choice in ("the plural", "these", "", *NUMBERS)
    determiner = {"the plural": "the", "these": "this"}.get(choice, choice)
    return NounPhrase(noun, determiner, role, plural=plural and bool(noun.plural), owner=owner)


def _object(words: Lexicon, verb: Verb, *, negative: bool) -> Topic | None:
    if not verb.objects:
        return None
    noun = words.noun(*verb.objects)
    if verb.en in ("like", "buy", "eat", "sell") and not negative and words.chance.random() < 0.08:
        pair = (NounPhrase(noun, "", "object.", plural=True), NounPhrase(words.noun("foods"), "", "other.", plural=True))
        return Both(*pair, "object.") if noun.plural else pair[1]
    phrase = _determined(words, noun, _object_determiners(words, noun, verb, negative=negative), "object.")
    official = noun.kind in ("fields", "football", "basketball")
    if official or words.chance.random() < 0.65:
        return phrase
    return replace(phrase, adjectives=(_look(words, noun),))


def _object_determiners(words: Lexicon, noun: Noun, verb: Verb, *, negative: bool) -> list[str]:
    if not noun.plural:
        return [""]
    if noun.kind in DEFINITE:
        return ["the", "the", "this"]
    if noun.kind in PEOPLE:
        return ["my", "this", "these"]
    if negative:
        return ["a"] if verb.en == "have" else ["", "my", "this", "the"]
    generic = [] if verb.en in ("have", "see", "find", "catch", "chase") else ["", "", ""]
    return [*generic, "a", "a", "my", "this", "these", "the", words.chance.choice(NUMBERS)]


def _look(words: Lexicon, noun: Noun) -> Adjective:
    """An adjective that may stand before the noun."""
    groups = {
        "animals": ("colours", "animal_looks"),
        "foods": ("colours", "tastes"),
        "dishes": ("tastes",),
        "drinks": ("tastes",),
        "family": ("moods",),
        "professions": ("moods",),
        "places": ("scenery",),
        "buildings": ("scenery",),
    }
    return words.adjective(*groups.get(noun.kind, ("colours", "looks")))


def _quality(words: Lexicon, kind: str) -> Adjective:
    """What somebody or something of this kind may be."""
    if kind in {*PEOPLE, "pronoun", "unknown", ""}:
        return words.adjective("moods")
    if kind == "animals":
        return words.adjective("animal_moods", "colours")
    if kind == "several":
        return words.adjective("colours", "looks")
    return words.adjective("tastes") if kind in ("foods", "dishes") else words.adjective("qualities", "colours")


def when(time: Time) -> Adjunct:
    """A time as an adjunct."""
    return Adjunct(*(marked(time.words[language], "when.") for language in ("en", "fr", "zh")))


def _place(words: Lexicon) -> Adjunct:
    """In the park ↔ dans le parc ↔ 在公园里."""
    phrase = NounPhrase(words.noun("places", "buildings"), "the", "place.")
    inside = say("in", "place.in")
    return Adjunct(
        [inside, *english.topic(phrase)],
        [say("dans", "place.in"), *french.topic(phrase)],
        [say("在", "place.in"), *chinese.topic(phrase), say("里", "place.in")],
    )


def _clause_sentence(phenomenon: str, said: Clause) -> Sentence:
    spoken = {"en": english.clause(said), "fr": french.clause(said), "zh": chinese.clause(said)}
    backward = _reversible(said.subject) and (said.object is None or _reversible(said.object, subject=False))
    return Sentence(phenomenon, spoken, routes=ROUTES if backward else ROUTES[:2])


def _state_sentence(phenomenon: str, said: State) -> Sentence:
    spoken = {"en": english.state(said), "fr": french.state(said), "zh": chinese.state(said)}
    return Sentence(phenomenon, spoken, routes=ROUTES if _reversible(said.subject) else ROUTES[:2])


def _reversible(topic: Topic, *, subject: bool = True) -> bool:
    """Whether its Chinese says as much as its English: 猫 is the cat as a subject, cats as an object."""
    if isinstance(topic, Subject):
        return True
    if isinstance(topic, Both):
        return _reversible(topic.first, subject=subject) and _reversible(topic.second, subject=subject)
    if subject:
        return not topic.plural or topic.determiner not in ("", "the")
    return topic.determiner != "the" or topic.noun.kind in DEFINITE
