"""The grammar's English."""

from __future__ import annotations

from dataclasses import replace

from models.builtin.corpus.grammar import Both, Clause, NounPhrase, State, Subject, Topic
from models.builtin.corpus.lexicon import Adjective
from models.builtin.corpus.sentence import Words, say

BE = ("am", "are", "is", "are", "are")
WAS = ("was", "were", "was", "were", "were")
THIRD = 2


def topic(phrase: Topic, *, subject: bool = True) -> Words:
    """A noun phrase, or a pronoun in the form its place asks for."""
    if isinstance(phrase, Subject):
        pronoun = phrase.pronoun
        return [say(pronoun.en if subject else pronoun.object, phrase.role + "noun")]
    if isinstance(phrase, Both):
        return [*topic(phrase.first), say("and", phrase.role + "and"), *topic(phrase.second)]
    noun = phrase.noun.plural if phrase.plural else phrase.noun.en
    adjectives = [say(a.en, f"{phrase.role}adjective{i}") for i, a in enumerate(phrase.adjectives)]
    words = [*adjectives, say(noun, phrase.role + "noun")]
    determiner = _determiner(phrase, words[0].text)
    return (
        [say(determiner, phrase.role + "the", fallback=phrase.role + "noun"), *words] if determiner else words
    )


def _determiner(phrase: NounPhrase, following: str) -> str:
    if phrase.determiner == "my" and phrase.owner:
        return phrase.owner.possessive
    if phrase.determiner == "a":
        return "an" if following[0].lower() in "aeiou" and not following.startswith(("uni", "use")) else "a"
    if phrase.determiner == "this" and phrase.plural:
        return "these"
    return phrase.determiner


def clause(said: Clause) -> Words:
    """Subject, verb, object, time."""
    subject = topic(said.subject)
    helper, verb = _verb(said)
    particle = [say(said.verb.particle, "particle", fallback="verb")] if said.verb.particle else []
    rest = [*particle, *(topic(said.object, subject=False) if said.object else []), *said.when.en]
    if said.question:
        return [*helper, *subject, *verb, *rest, say("?", "stop")]
    return [*subject, *helper, *verb, *rest, say(".", "stop")]


def _verb(said: Clause) -> tuple[Words, Words]:
    """The helping verb, and the verb itself."""
    verb, third, helper = said.verb, said.subject.person == THIRD, _helper(said)
    if said.tense == "progressive":
        return helper, [say(verb.ing, "verb")]
    if said.tense == "wished":
        want = "want" if helper or not third else "wants"
        return helper, [say(want, "want"), say("to", fallback="verb"), say(verb.en, "verb")]
    if helper:
        return helper, [say(verb.en, "verb")]
    if said.tense == "past":
        return helper, [say(verb.past, "verb")]
    return helper, [say(verb.third if third else verb.en, "verb")]


def _helper(said: Clause) -> Words:
    do = "does" if said.subject.person == THIRD else "do"
    if said.tense == "possible":
        asked = ["question"] if said.question else []
        return [say("can't", "can", "not") if said.negative else say("can", "can", *asked)]
    if said.question:
        return [say(do, "question")]
    if said.negative:
        return [say("didn't" if said.tense == "past" else f"{do}n't", "not")]
    if said.tense == "progressive":
        return [say(BE[said.subject.person], "being", fallback="verb")]
    return [say("will", "will")] if said.tense == "future" else []


def state(said: State) -> Words:
    """Subject, be, quality, time."""
    subject, be = topic(said.subject), _be(said)
    very = [say("very", "very")] if said.very else []
    rest = [*very, *_quality(said), *said.when.en]
    if said.question:
        asked = [replace(word, ideas=word.ideas | {"question"}) for word in be]
        return [*asked, *subject, *rest, say("?", "stop")]
    return [*subject, *be, *rest, say(".", "stop")]


def _be(said: State) -> Words:
    person = said.subject.person
    if said.tense == "future":
        return [say("will", "be"), say("be", "be")]
    form = (WAS if said.tense == "past" else BE)[person]
    if not said.negative:
        return [say(form, "be", fallback="quality")]
    if form == "am":
        return [say("am", "be", fallback="not"), say("not", "not")]
    return [say(f"{form}n't", "be", "not")]


def _quality(said: State) -> Words:
    quality = said.quality
    if isinstance(quality, Adjective):
        return [say(quality.en, "quality")]
    if said.subject.plural:
        return [say(quality.plural, "quality")]
    article = "an" if quality.en[0] in "aeiou" else "a"
    return [say(article, fallback="quality"), say(quality.en, "quality")]
