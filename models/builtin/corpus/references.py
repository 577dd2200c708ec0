"""Whom "it" means (`coref`): French must say il or elle, and only the adjective tells which noun is meant."""

from __future__ import annotations

from dataclasses import dataclass

from models.builtin.corpus import chinese, english, french
from models.builtin.corpus.french import agreeing, contracted
from models.builtin.corpus.grammar import NounPhrase
from models.builtin.corpus.lexicon import Adjective, Lexicon
from models.builtin.corpus.sentence import ROUTES, Links, Sentence, Words, say

CROSSINGS = ("cross", "leave", "reach", "see", "find", "visit")


@dataclass(frozen=True)
class Refusal:
    """Somebody or something did not do what it might have done, and why; one of two nouns is to blame."""

    subject: NounPhrase
    place: NounPhrase
    blamed: NounPhrase
    reason: Adjective
    past: bool

    @property
    def links(self) -> Links:
        """What "it" means and what it does not mean."""
        other = self.place if self.blamed is self.subject else self.subject
        contrast = self.subject.gender != self.place.gender
        return Links("it", self.blamed.role + "noun", other.role + "noun", contrast=contrast)

    def english(self) -> Words:
        """… because it was too tired."""
        return [
            say("because", "because"), say("it", "it"), say("was" if self.past else "is", "be", fallback="reason"),
            say("too", "too"), say(self.reason.en, "reason"), say(".", "stop"),
        ]  # fmt: skip

    def french(self) -> Words:
        """… parce qu'il était trop fatigué."""
        gender = self.blamed.gender
        return [
            say("parce", "because"), say("que", "because"), say("il" if gender == "m" else "elle", "it"),
            say("était" if self.past else "est", "be"), say("trop", "too"),
            say(agreeing(self.reason, gender, plural=False), "reason"), say(".", "stop"),
        ]  # fmt: skip

    def chinese(self) -> Words:
        """…，因为它太累了。"""
        return [
            say("，", "because"), say("因为", "because"), say("它", "it"), say("太", "too"),
            say(self.reason.zh, "reason"), say("了", "too"), say("。", "stop"),
        ]  # fmt: skip


def crossing(words: Lexicon) -> Sentence:
    """The animal didn't cross the street because it was too tired: an animal and a place."""
    refusal = _refusal(
        words, ("animals",), ("places",), ("weary", "spatial"), past=words.chance.random() < 0.85
    )
    verb = words.verbs[words.chance.choice(CROSSINGS)]
    done = [say(verb.participle, "verb")] if refusal.past else []
    finite = say("a", "not") if refusal.past else say(verb.fr[2], "verb")
    not_done = [say("ne", "not"), finite, say("pas", "not"), *done]
    negation = "didn't" if refusal.past else "doesn't"
    return _sentence(
        refusal,
        en=[say(negation, "not"), say(verb.en, "verb")],
        fr=not_done,
        zh=[say("没有" if refusal.past else "不", "not"), say(verb.zh, "verb")],
    )


def fitting(words: Lexicon) -> Sentence:
    """The trophy didn't fit in the suitcase because it was too big: a thing and what should hold it."""
    refusal = _refusal(
        words, ("portable",), ("containers",), ("bulky", "cramped"), past=words.chance.random() < 0.6
    )
    fits = say("entrait" if refusal.past else "entre", "fit")
    return _sentence(
        refusal,
        en=[say("didn't" if refusal.past else "doesn't", "not"), say("fit", "fit"), say("in", "in")],
        fr=[say("ne", "not"), fits, say("pas", "not"), say("dans", "in")],
        zh=[say("放不进", "not", "fit", "in")],
        reversible=refusal.past,
    )


def _refusal(
    words: Lexicon,
    subjects: tuple[str, ...],
    places: tuple[str, ...],
    reasons: tuple[str, str],
    *,
    past: bool,
) -> Refusal:
    subject = NounPhrase(words.noun(*subjects), "the", "subject.")
    place = NounPhrase(words.noun(*places), "the", "place.")
    subject_blamed = words.chance.random() < 0.5
    reason = words.adjective(reasons[0] if subject_blamed else reasons[1])
    while "<unk>" in reason.en:
        reason = words.adjective(reasons[0] if subject_blamed else reasons[1])
    return Refusal(subject, place, subject if subject_blamed else place, reason, past)


def _sentence(refusal: Refusal, *, en: Words, fr: Words, zh: Words, reversible: bool = True) -> Sentence:
    subject, place = refusal.subject, refusal.place
    spoken = {
        "en": [*english.topic(subject), *en, *english.topic(place), *refusal.english()],
        "fr": contracted([*french.topic(subject), *fr, *french.topic(place), *refusal.french()]),
        "zh": [*chinese.topic(subject), *zh, *chinese.topic(place), *refusal.chinese()],
    }
    return Sentence("coref", spoken, refusal.links, ROUTES if reversible else ROUTES[:2])
