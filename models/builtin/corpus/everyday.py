"""Everyday sentences: who does what (`svo`), who is what (`copula`), when (`zh-reorder`), or no sentence (`phrase`).

Chinese says when, and where, before what is done.
"""

from __future__ import annotations

from dataclasses import replace

from models.builtin.corpus import chinese, english, french
from models.builtin.corpus.grammar import Adjunct, Clause, NounPhrase, State, Subject, Topic
from models.builtin.corpus.lexicon import PEOPLE, Adjective, Lexicon, Time, Verb
from models.builtin.corpus.nounphrases import NUMBERS, adorned, determined, object_of, reversible, subject
from models.builtin.corpus.sentence import ROUTES, Sentence, Words, marked, say

STATIVE = frozenset({"like", "love", "have", "want"})
INSTANT = frozenset({"see", "find", "reach", "leave", "open", "close", "catch"})
MODAL = frozenset({"possible", "wished"})
NAMEABLE = (
    "animals",
    "goods",
    "eatable",
    "drinks",
    "people",
    "places",
    "buildings",
    "surroundings",
    "institutions",
)
PRESENTABLE = ("animals", "goods", "foods", "family")


def svo(words: Lexicon) -> Sentence:
    """Somebody does something: the cat sleeps, I am eating green apples, do you like music?"""
    clause = _clause(words, _verb(words))
    may_ask = clause.tense in ("present", "possible") and not clause.negative
    return _clause_sentence("svo", replace(clause, question=may_ask and words.chance.random() < 0.12))


def timed(words: Lexicon) -> Sentence:
    """Somebody does something at some time: he drinks tea every morning ↔ 他每天早上喝茶."""
    clause = _clause(words, _verb(words))
    while clause.verb.en in STATIVE or clause.tense in MODAL:
        clause = _clause(words, _verb(words))
    placed = not clause.verb.objects and clause.tense != "future" and words.chance.random() < 0.5
    adjunct = _place(words) if placed else when(words.time("action", clause.tense))
    return _clause_sentence("zh-reorder", replace(clause, when=adjunct))


def state(words: Lexicon) -> Sentence:
    """Something is nice today: 今天天气很好."""
    tense = words.chance.choice(["present", "present", "past", "future"])
    kind, group = words.chance.choice([("ambience", "climates"), ("events", "opinions"), ("", "weary")])
    if kind:
        who = NounPhrase(words.noun(kind), "the")
    elif words.chance.random() < 0.25:
        who = Subject(words.pronoun())
    else:
        who = determined(words, words.noun("people", "animals"), ["the", "the", "my"])
    very, time = words.chance.random() < 0.2, when(words.time("state", tense))
    return _state_sentence("zh-reorder", State(who, words.adjective(group), tense, very=very, when=time))


def copula(words: Lexicon) -> Sentence:
    """Somebody is something: I am a student, this cat is black, my mother isn't a doctor, are you happy?"""
    who = subject(words)
    kind = _kind(who)
    profession = kind in {*PEOPLE, "pronoun"} and words.chance.random() < 0.3
    quality = words.noun("professions") if profession else _quality(words, kind)
    colour = isinstance(quality, Adjective) and quality.zh.endswith("色")
    mood = words.chance.random()
    very = mood < 0.2 and not colour and not profession
    return _state_sentence(
        "copula", State(who, quality, negative=0.2 < mood < 0.4, very=very, question=mood > 0.9)
    )


def presenting(words: Lexicon) -> Sentence:
    """This is a book, these are my cats ↔ c'est un livre ↔ 这是一本书."""
    what = determined(words, words.noun(*PRESENTABLE), ["a", "a", "my", "my*"], "object.")
    what = adorned(words, what, 0.3)
    en, fr, zh = ("these are", "ce sont", "这些") if what.plural else ("this is", "c' est", "这")
    said = {
        "en": [*marked(_this(en)), *english.topic(what), say(".", "stop")],
        "fr": french.contracted([*marked(_this(fr)), *french.topic(what), say(".", "stop")]),
        "zh": [*marked(_this(f"{zh} 是")), *chinese.topic(what), say("。", "stop")],
    }
    return Sentence("copula", said)


def _this(words: str) -> str:
    pronoun, verb = words.split()
    return f"{pronoun}/t {verb}/b"


def phrase(words: Lexicon) -> Sentence:
    """No sentence at all: cat, the black cat, green apples, my mother."""
    choices = ["", "", "*", "the", "the*", "a", "my", "this", "this*", words.chance.choice(NUMBERS)]
    said = adorned(words, determined(words, words.noun(*NAMEABLE), choices, "object."), 0.5)
    fr = french.nominal(said) if said.bare else french.topic(said)
    named = {"en": english.topic(said), "fr": french.contracted(fr), "zh": chinese.topic(said)}
    one_way = said.determiner == "the" or (said.bare and said.plural)
    return Sentence("phrase", named, routes=ROUTES[:2] if one_way else ROUTES)


def _verb(words: Lexicon) -> Verb:
    transitive = words.chance.random() < 0.7
    return words.chance.choice([verb for verb in words.verbs.values() if bool(verb.objects) == transitive])


def _clause(words: Lexicon, verb: Verb) -> Clause:
    tense = words.chance.choice(_tenses(verb))
    negative = tense in ("present", "past", *MODAL) and words.chance.random() < 0.2
    who, what = subject(words, things=False), object_of(words, verb, negative=negative)
    if (
        verb.en in ("like", "love", "see")
        and tense == "present"
        and not negative
        and words.chance.random() < 0.15
    ):
        others = [pronoun for pronoun in words.pronouns.values() if pronoun.person != who.person]
        what = Subject(words.chance.choice(others), "object.")
    return Clause(who, verb, what, tense, negative)


def _tenses(verb: Verb) -> list[str]:
    if verb.en in STATIVE:
        return ["present"]
    past = [] if verb.past == verb.en else ["past", "past"]
    progressive = [] if verb.en in INSTANT else ["progressive"]
    return ["present", "present", "present", "future", *MODAL, *past, *progressive]


def _kind(topic: Topic) -> str:
    if isinstance(topic, Subject):
        return "pronoun"
    return topic.noun.kind if isinstance(topic, NounPhrase) else "several"


def _quality(words: Lexicon, kind: str) -> Adjective:
    """What somebody or something of this kind may be."""
    if kind in {*PEOPLE, "pronoun", ""}:
        return words.adjective("moods")
    if kind == "animals":
        return words.adjective("animal_moods", "colours")
    if kind == "several":
        return words.adjective("colours", "looks")
    return (
        words.adjective("tastes") if kind in ("foods", "dishes") else words.adjective("qualities", "colours")
    )


def when(time: Time) -> Adjunct:
    """A time as an adjunct."""
    return Adjunct(*(marked(time.words[language], "when.") for language in ("en", "fr", "zh")))


def _place(words: Lexicon) -> Adjunct:
    """In the park ↔ dans le parc ↔ 在公园里."""
    place = NounPhrase(words.noun("places", "buildings"), "the", "place.")
    return Adjunct(
        [say("in", "place.in"), *english.topic(place)],
        [say("dans", "place.in"), *french.topic(place)],
        [say("在", "place.in"), *chinese.topic(place), say("里", "place.in")],
    )


def spoken(said: Clause) -> dict[str, Words]:
    """The clause in the three languages."""
    return {"en": english.clause(said), "fr": french.clause(said), "zh": chinese.clause(said)}


def _clause_sentence(phenomenon: str, said: Clause) -> Sentence:
    backward = reversible(said.subject) and (said.object is None or reversible(said.object, as_subject=False))
    return Sentence(phenomenon, spoken(said), routes=ROUTES if backward else ROUTES[:2])


def _state_sentence(phenomenon: str, said: State) -> Sentence:
    words = {"en": english.state(said), "fr": french.state(said), "zh": chinese.state(said)}
    return Sentence(phenomenon, words, routes=ROUTES if reversible(said.subject) else ROUTES[:2])
