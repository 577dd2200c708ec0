"""The grammar's Chinese: measure words, 的, 了, and time before the verb."""

from __future__ import annotations

from models.builtin.corpus.grammar import Both, Clause, NounPhrase, State, Subject, Topic
from models.builtin.corpus.lexicon import Adjective
from models.builtin.corpus.sentence import Words, say

JOINED = frozenset("大小新旧老好")
"""Adjectives that need no 的 before a noun."""
MODALS = {"possible": ("能", "can"), "future": ("会", "will"), "wished": ("想", "want")}
NUMBERS = {"a": "一", "two": "两", "three": "三", "four": "四", "five": "五", "ten": "十"}


def topic(phrase: Topic) -> Words:
    """A noun phrase or a pronoun."""
    if isinstance(phrase, Subject):
        return [say(phrase.pronoun.zh, phrase.role + "noun")]
    if isinstance(phrase, Both):
        return [*topic(phrase.first), say("和", phrase.role + "and"), *topic(phrase.second)]
    adjectives = [word for i, a in enumerate(phrase.adjectives) for word in _attribute(phrase, a, i)]
    return [*_determiner(phrase), *adjectives, say(phrase.noun.zh, phrase.role + "noun")]


def _attribute(phrase: NounPhrase, adjective: Adjective, index: int) -> Words:
    """绿色的, but 大: the shortest adjectives need no 的."""
    idea = f"{phrase.role}adjective{index}"
    plain = phrase.official or adjective.zh in JOINED
    return [say(adjective.zh, idea)] if plain else [say(adjective.zh, idea), say("的", idea)]


def _determiner(phrase: NounPhrase) -> Words:
    the = phrase.role + "the"
    if phrase.determiner == "my" and phrase.owner:
        return [say(phrase.owner.zh, the), say("的", the)]
    if phrase.determiner == "this":
        return [say("这些", the)] if phrase.plural else [say("这", the), say(phrase.noun.measure, the)]
    if phrase.determiner in NUMBERS:
        return [say(NUMBERS[phrase.determiner], the), say(phrase.noun.measure, the)]
    return []


def clause(said: Clause) -> Words:
    """Subject, time, verb, object; a question ends with 吗."""
    obj, when = topic(said.object) if said.object else [], said.when.zh
    if _place_first(said):
        when = [say("正在", "being", *when[0].ideas), *when[1:]]
    return [*topic(said.subject), *when, *_verb(said), *obj, *_end(question=said.question)]


def _place_first(said: Clause) -> bool:
    """Whether 在 of a place stands where 正在 would: 孩子正在公园里玩."""
    return said.tense == "progressive" and bool(said.when.zh) and said.when.zh[0].text == "在"


def _modal(said: Clause) -> Words:
    return [say(*MODALS[said.tense])] if said.tense in MODALS else []


def _end(*, question: bool) -> Words:
    return [say("吗", "question"), say("？", "stop")] if question else [say("。", "stop")]


def _verb(said: Clause) -> Words:
    verb = say(said.verb.zh, "verb")
    if said.negative:
        if said.verb.zh == "有":
            return [say("没有", "not", "verb")]
        return [say("没有" if said.tense == "past" else "不", "not"), *_modal(said), verb]
    if said.tense in MODALS:
        return [*_modal(said), verb]
    if said.tense == "progressive":
        return [verb] if _place_first(said) else [say("正在", "being"), verb]
    return [verb, say("了", "verb")] if said.tense == "past" else [verb]


def state(said: State) -> Words:
    """Time, subject, 很, quality; colours and professions take 是."""
    body = [*_copula(said), *_end(question=said.question)]
    return [*said.when.zh, *topic(said.subject), *body]


def _copula(said: State) -> Words:
    quality = say(said.quality.zh, "quality")
    negation = [say("不", "not")] if said.negative else []
    if not isinstance(said.quality, Adjective):
        return [*negation, say("是", "be"), quality]
    if said.quality.zh.endswith("色"):
        return [*negation, say("是", "be"), quality, say("的", "quality")]
    future = [say("会", "be")] if said.tense == "future" else []
    degree = [say("非常", "very")] if said.very else [say("很", "be")]
    plain = said.negative or (said.question and not said.very)
    return [*future, *negation, *([] if plain else degree), quality]
