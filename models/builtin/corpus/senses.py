"""One word, two things (`sense`): the bank of money and of a river, 苹果 the company and 苹果 the fruit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from models.builtin.corpus import chinese, english, french
from models.builtin.corpus.everyday import spoken, when
from models.builtin.corpus.french import contracted
from models.builtin.corpus.grammar import NOWHEN, Adjunct, Clause, NounPhrase, Subject, Topic
from models.builtin.corpus.lexicon import Adjective, Lexicon, Noun, Pronoun, Verb, table
from models.builtin.corpus.sentence import ROUTES, Links, Sentence, Word, marked, say

BE = french.BE
REFLEXIVE = ("me", "te", "se", "nous", "se")
CUES = frozenset({"cue.d", "cue.c"})
EATEN = (("eat", "foods grains dishes"), ("buy", "foods grains"), ("sell", "foods grains"))


@cache
def _senses() -> dict[str, Any]:
    return table("senses")


def bank(words: Lexicon) -> Sentence:
    """I went to the bank to deposit cash, or to sit down; sometimes to another place, where nothing is ambiguous."""
    place = words.chance.choice(["bank", "bank", "riverside", "riverside", "other"])
    tables = _senses()
    kinds = ("bank", "riverside") if place == "other" else (place,)
    purpose = words.chance.choice([purpose for kind in kinds for purpose in tables[kind]["purposes"]])
    goal = {
        "bank": Noun("bank", "banks", "banque", "f", "银行"),
        "riverside": Noun("bank", "banks", "rive", "f", "河岸"),
    }.get(place) or words.noun("buildings", "park", "beach", "river", "lake")
    links = Links() if place == "other" else Links(ambiguous="goal.noun", cues=CUES)
    return _went(_person(words), NounPhrase(goal, "the", "goal."), purpose, links, _past(words, 0.4))


def _went(
    subject: Topic, goal: NounPhrase, purpose: Mapping[str, str], links: Links, time: Adjunct
) -> Sentence:
    by_person = purpose["fr"].format(se=REFLEXIVE[subject.person])
    gone = "allé" + ("e" if subject.gender == "f" else "") + ("s" if subject.plural else "")
    to = say("sur" if goal.noun.fr == "rive" else "à", "go")
    went = [say("went", "go"), say("to", "go")]
    said = {
        "en": [*english.topic(subject), *went, *english.topic(goal), *marked(purpose["en"], "cue."), *time.en, _stop()],
        "fr": contracted(
            [*french.topic(subject), say(BE[subject.person], "go"), say(gone, "go"), to, *french.topic(goal),
             *marked(by_person, "cue."), *time.fr, _stop()]
        ),
        "zh": [*chinese.topic(subject), *time.zh, say("去", "go"), say("了", "go"), *chinese.topic(goal),
               *marked(purpose["zh"], "cue."), say("。", "stop")],
    }  # fmt: skip
    return Sentence("sense", said, links)


def homonym(words: Lexicon) -> Sentence:
    """He lit the match, he won the match; the train left the station, the astronaut left the station."""
    entry = words.chance.choice(_senses()["senses"])
    sense = words.chance.choice([entry["first"], entry["second"]])
    fr, gender = sense["fr"].split()
    thing = NounPhrase(Noun(entry["en"], entry["en"] + "s", fr, gender, sense["zh"]), "the", "object.")
    past = words.chance.choice(sense["verbs"].split())
    participle, zh = _senses()["verbs"][past].split()
    verb = Verb(past, past, past, past, (), participle, "", zh)
    subject = _protagonist(words, sense["who"]) if "who" in sense else _person(words)
    said = Clause(subject, verb, thing, "past", when=_past(words, 0.6))
    cue = "subject.noun" if "who" in sense else "verb"
    return Sentence("sense", spoken(said), Links(ambiguous="object.noun", cues=frozenset({cue})))


def station(words: Lexicon) -> Sentence:
    """The train left the station, the astronaut left the station: the sense that needs most practice."""
    sentence = homonym(words)
    while not any(word.text == "station" for word in sentence.words["en"]):
        sentence = homonym(words)
    return sentence


def release(words: Lexicon) -> Sentence:
    """苹果公司发布了新款手机: here 苹果 is a company."""
    company, deed = _entry(words, "companies"), _entry(words, "deeds")
    product = _product(words)
    price = {language: marked(text) for language, text in words.chance.choice(_senses()["prices"]).items()}
    formal = words.chance.random() < 0.5
    name = [say(company["zh"], "company"), *([say("公司", "company")] if formal else [])]
    did = [say("a", "deed"), say(deed["fr"], "deed")]
    said = {
        "en": [say(company["en"], "company"), say(deed["en"], "deed"), *english.topic(product), *price["en"], _stop()],
        "fr": contracted(
            [say(company["fr"], "company"), *did, *french.topic(product), *price["fr"], _stop()]
        ),
        "zh": [*name, say(deed["zh"], "deed"), say("了", "deed"), say("新款", "product.adjective0"),
               say(product.noun.zh, "product.noun"), *price["zh"], say("。", "stop")],
    }  # fmt: skip
    links = Links(ambiguous="company", cues=frozenset({"deed", "product.noun", "k"}), language="zh")
    routes = ROUTES if formal else [("en", "fr"), ("zh", "en")]
    return Sentence("sense", said, links if company["en"] in ("Apple", "Xiaomi") else Links(), routes)


def _entry(words: Lexicon, name: str) -> dict[str, str]:
    """A row `english = "french chinese"` of a table."""
    en, row = words.chance.choice(list(_senses()[name].items()))
    fr, zh = row.split()
    return {"en": en, "fr": fr, "zh": zh}


def _product(words: Lexicon) -> NounPhrase:
    """A new phone."""
    en, row = words.chance.choice(list(_senses()["products"].items()))
    fr, gender, zh = row.split()
    new = Adjective("new", "nouveau", "nouvelle", "新款")
    return NounPhrase(Noun(en, en + "s", fr, gender, zh), "a", "product.", adjectives=(new,))


def meal(words: Lexicon) -> Sentence:
    """他每天吃一个苹果: here 苹果 is eaten."""
    name, kinds = words.chance.choice(EATEN)
    noun = words.noun(*kinds.split(), *3 * ["apple"], *2 * ["millet"])
    single = bool(noun.plural) and words.chance.random() < 0.5
    obj = NounPhrase(noun, "a" if single else "", "object.", plural=bool(noun.plural) and not single)
    said = Clause(_person(words), words.verbs[name], obj, when=when(words.time("action", "present")))
    ambiguous = noun.zh in ("苹果", "小米")
    links = Links(ambiguous="object.noun", cues=frozenset({"verb"}), language="zh") if ambiguous else Links()
    return Sentence("sense", spoken(said), links)


def _stop() -> Word:
    return say(".", "stop")


def _person(words: Lexicon) -> Topic:
    """Somebody: a pronoun, a name, the or my somebody."""
    kind = words.chance.random()
    if kind < 0.45:
        return Subject(words.pronoun())
    if kind < 0.6:
        return NounPhrase(words.noun("names"))
    owner: Pronoun | None = words.pronoun() if kind > 0.85 else None
    return NounPhrase(words.noun("people"), "my" if owner else "the", owner=owner)


def _protagonist(words: Lexicon, names: str) -> NounPhrase:
    name = words.chance.choice(names.split())
    fr, gender, zh = _senses()["subjects"][name].split()
    return NounPhrase(Noun(name, name + "s", fr, gender, zh), "the")


def _past(words: Lexicon, share: float) -> Adjunct:
    """Now and then, when it was."""
    return when(words.time("action", "past")) if words.chance.random() < share else NOWHEN
