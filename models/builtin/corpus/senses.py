"""One word, two things (`sense`): the bank where money lies and the bank of a river, 苹果 the company and 苹果 the fruit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from models.builtin.corpus import chinese, english, french
from models.builtin.corpus.everyday import when
from models.builtin.corpus.french import HAVE, contracted
from models.builtin.corpus.grammar import NOWHEN, Adjunct, NounPhrase, Subject, Topic
from models.builtin.corpus.lexicon import Adjective, Lexicon, Noun, Pronoun, table
from models.builtin.corpus.sentence import ROUTES, Links, Sentence, Words, marked, say

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


def _went(subject: Topic, goal: NounPhrase, purpose: Mapping[str, str], links: Links, time: Adjunct) -> Sentence:
    by_person = purpose["fr"].format(se=REFLEXIVE[subject.person])
    gone = "allé" + ("e" if subject.gender == "f" else "") + ("s" if subject.plural else "")
    to = say("sur" if goal.noun.fr == "rive" else "à", "go")
    went = [say("went", "go"), say("to", "go")]
    spoken = {
        "en": [*english.topic(subject), *went, *english.topic(goal), *marked(purpose["en"], "cue."), *time.en, _stop()],
        "fr": contracted(
            [*french.topic(subject), say(BE[subject.person], "go"), say(gone, "go"), to, *french.topic(goal),
             *marked(by_person, "cue."), *time.fr, _stop()]
        ),
        "zh": [*chinese.topic(subject), *time.zh, say("去", "go"), say("了", "go"), *chinese.topic(goal),
               *marked(purpose["zh"], "cue."), say("。", "stop")],
    }  # fmt: skip
    return Sentence("sense", spoken, links)


def homonym(words: Lexicon) -> Sentence:
    """He lit the match, he won the match; the train left the station, the astronaut left the station."""
    entry = words.chance.choice(_senses()["senses"])
    sense = words.chance.choice([entry["first"], entry["second"]])
    fr, gender = sense["fr"].split()
    thing = NounPhrase(Noun(entry["en"], entry["en"] + "s", fr, gender, sense["zh"]), "the", "thing.")
    verb = words.chance.choice(sense["verbs"].split())
    told_by_subject = "who" in sense
    subject = _protagonist(words, sense["who"]) if told_by_subject else _person(words)
    cue = "subject.noun" if told_by_subject else "verb"
    links = Links(ambiguous="thing.noun", cues=frozenset({cue}))
    participle, zh = _senses()["verbs"][verb].split()
    time = _past(words, 0.6)
    spoken = {
        "en": [*english.topic(subject), say(verb, "verb"), *english.topic(thing), *time.en, _stop()],
        "fr": contracted(
            [*french.topic(subject), say(HAVE[subject.person], "verb"), say(participle, "verb"),
             *french.topic(thing), *time.fr, _stop()]
        ),
        "zh": [*chinese.topic(subject), *time.zh, say(zh, "verb"), say("了", "verb"), *chinese.topic(thing),
               say("。", "stop")],
    }  # fmt: skip
    return Sentence("sense", spoken, links)


def station(words: Lexicon) -> Sentence:
    """The train left the station, the astronaut left the station: the sense that needs most practice."""
    sentence = homonym(words)
    while not any(word.text == "station" for word in sentence.words["en"]):
        sentence = homonym(words)
    return sentence


@dataclass(frozen=True)
class Release:
    """A company brings out a product; perhaps its share price rises or falls."""

    company: tuple[str, str, str]
    deed: tuple[str, str, str]
    product: NounPhrase
    risen: bool | None

    def english(self) -> Words:
        """Apple released a new phone, and its share price rose."""
        tail = "its/s~k share/k price/k " + ("rose/u at/o once/o" if self.risen else "fell/u at/o once/o")
        after = [] if self.risen is None else [say(",", "and"), say("and", "and"), *marked(tail)]
        return [say(self.company[0], "company"), say(self.deed[0], "deed"), *english.topic(self.product), *after, _stop()]

    def french(self) -> Words:
        """Apple a sorti un nouveau téléphone, et son cours a aussitôt monté."""
        risen = "monté" if self.risen else "baissé"
        after = [] if self.risen is None else marked(f"et/+ son/s cours/k a/u aussitôt/o {risen}/u")
        after = [replace(word, ideas=frozenset({"and"})) if word.text == "et" else word for word in after]
        did = [say("a", "deed"), say(self.deed[1], "deed")]
        return contracted([say(self.company[1], "company"), *did, *french.topic(self.product), *after, _stop()])

    def chinese(self, *, formal: bool) -> Words:
        """苹果公司发布了新款手机，股价应声上涨。"""
        tail = [say("，", "and"), *marked(f"股价/k 应声/o {'上涨' if self.risen else '下跌'}/u")]
        name = [say(self.company[2], "company"), *([say("公司", "company")] if formal else [])]
        did = [say(self.deed[2], "deed"), say("了", "deed")]
        product = [say("新款", "product.adjective0"), say(self.product.noun.zh, "product.noun")]
        return [*name, *did, *product, *([] if self.risen is None else tail), say("。", "stop")]


def release(words: Lexicon) -> Sentence:
    """苹果公司发布了新款手机: here 苹果 is a company."""
    tables, chance = _senses(), words.chance
    company, deed, product = (chance.choice(list(tables[name].items())) for name in ("companies", "deeds", "products"))
    fr, gender, zh = product[1].split()
    thing = Noun(product[0], product[0] + "s", fr, gender, zh)
    new = Adjective("new", "nouveau", "nouvelle", "新款")
    phrase = NounPhrase(thing, "a", "product.", adjectives=(new,))
    risen = chance.choice([None, None, None, True, False])
    said = Release(_triple(company), _triple(deed), phrase, risen)
    formal = chance.random() < 0.5
    spoken = {"en": said.english(), "fr": said.french(), "zh": said.chinese(formal=formal)}
    cues = frozenset({"deed", "product.noun", "k"})
    links = Links(ambiguous="company", cues=cues, language="zh") if company[0] in ("Apple", "Xiaomi") else Links()
    return Sentence("sense", spoken, links, ROUTES if formal else [("en", "fr"), ("zh", "en")])


def meal(words: Lexicon) -> Sentence:
    """她每天吃一个苹果: here 苹果 is eaten."""
    name, kinds = words.chance.choice(EATEN)
    verb, noun = words.verbs[name], words.noun(*kinds.split(), "apple", "apple", "apple", "millet", "millet")
    obj = NounPhrase(noun, words.chance.choice(["", "a"]) if noun.plural else "", "object.")
    obj = replace(obj, plural=bool(noun.plural) and obj.bare)
    subject, time = _person(words), when(words.time("action", "present"))
    third = subject.person == english.THIRD
    spoken = {
        "en": [*english.topic(subject), say(verb.third if third else verb.en, "verb"), *english.topic(obj),
               *time.en, _stop()],
        "fr": contracted([*french.topic(subject), say(verb.fr[subject.person], "verb"), *french.topic(obj),
                          *time.fr, _stop()]),
        "zh": [*chinese.topic(subject), *time.zh, say(verb.zh, "verb"), *chinese.topic(obj), say("。", "stop")],
    }  # fmt: skip
    ambiguous = noun.zh in ("苹果", "小米")
    links = Links(ambiguous="object.noun", cues=frozenset({"verb"}), language="zh") if ambiguous else Links()
    return Sentence("sense", spoken, links)


def _stop() -> Any:
    return say(".", "stop")


def _triple(entry: tuple[str, str]) -> tuple[str, str, str]:
    """English, French, Chinese of a row `english = "french chinese"`."""
    fr, zh = entry[1].split()
    return entry[0], fr, zh


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
