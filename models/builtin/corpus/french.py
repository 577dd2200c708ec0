"""The grammar's French: agreement, elision (l'accord), contraction (du, au) and word order."""

from __future__ import annotations

from collections.abc import Sequence

from models.builtin.corpus.grammar import Both, Clause, NounPhrase, State, Subject, Topic
from models.builtin.corpus.lexicon import Adjective, Noun
from models.builtin.corpus.sentence import Word, Words, say

VOWELS = frozenset("aeiouhâàéèêëîïôœùû")  # every h of this vocabulary is mute
BEFORE_NOUN = frozenset({"beau", "bon", "grand", "jeune", "mauvais", "nouveau", "petit", "vieux"})
ELIDED = {
    "le": "l'",
    "la": "l'",
    "je": "j'",
    "me": "m'",
    "te": "t'",
    "se": "s'",
    "ne": "n'",
    "de": "d'",
    "que": "qu'",
}
BEFORE_VOWEL = ELIDED | {"ce": "cet", "ma": "mon", "ta": "ton", "sa": "son"}
FINE = {"beau": "bel", "nouveau": "nouvel", "vieux": "vieil"}
CONTRACTED = {("de", "le"): "du", ("à", "le"): "au", ("à", "les"): "aux"}
NUMBERS = {"two": "deux", "three": "trois", "four": "quatre", "five": "cinq", "ten": "dix"}
ARTICLES = {"the": ("le", "la", "les"), "a": ("un", "une", "des"), "this": ("ce", "cette", "ces")}
BE = ("suis", "es", "est", "sommes", "sont")
WAS = ("étais", "étais", "était", "étions", "étaient")
WILL_BE = ("serai", "seras", "sera", "serons", "seront")
HAVE = ("ai", "as", "a", "avons", "ont")
MODALS = {
    "future": ("will", ("vais", "vas", "va", "allons", "vont")),
    "possible": ("can", ("peux", "peux", "peut", "pouvons", "peuvent")),
    "wished": ("want", ("veux", "veux", "veut", "voulons", "veulent")),
}
GENERAL = frozenset({"like", "love", "learn"})
"""Verbs whose object is meant in general: j'aime les pommes, j'apprends l'anglais."""


def contracted(words: Sequence[Word]) -> Words:
    """The words as French writes them: le + accord → l' accord, à + le parc → au parc."""
    written: Words = []
    for word, following in zip(words, [*words[1:], None], strict=True):
        text = word.text
        if following is not None and following.text[0].lower() in VOWELS:
            text = BEFORE_VOWEL.get(text, text)
        before = written[-1] if written else None
        if before is not None and (before.text, text) in CONTRACTED:
            both = CONTRACTED[before.text, text]
            written[-1] = Word(both, before.ideas | word.ideas, before.fallback or word.fallback)
        else:
            written.append(Word(text, word.ideas, word.fallback))
    return written


def agreeing(adjective: Adjective, gender: str, *, plural: bool) -> str:
    """The form of an adjective beside a noun of this gender and number."""
    form = adjective.masculine if gender == "m" else adjective.feminine
    return french_plural(form) if plural else form


def french_plural(word: str) -> str:
    """The plural of a noun or adjective: chats, oiseaux, animaux, souris."""
    if word.startswith("<") or word.endswith(("s", "x", "z")):
        return word
    if word.endswith("al"):
        return word[:-2] + "aux"
    return word + ("x" if word.endswith(("eau", "eu")) and word != "bleu" else "s")


def topic(phrase: Topic, *, negative: bool = False, general: bool = False) -> Words:
    """A noun phrase or a subject pronoun; in a negative sentence a and some become de."""
    if isinstance(phrase, Subject):
        return [say(phrase.pronoun.fr, phrase.role + "noun")]
    if isinstance(phrase, Both):
        parts = [topic(part, negative=negative, general=general) for part in (phrase.first, phrase.second)]
        return [*parts[0], say("et", phrase.role + "and"), *parts[1]]
    noun = nominal(phrase)
    adjective_first = phrase.role + "noun" not in noun[0].ideas
    return [*_determiner(phrase, adjective_first, negative=negative, general=general), *noun]


def nominal(phrase: NounPhrase) -> Words:
    """The noun and its adjectives, without a determiner."""
    noun = french_plural(phrase.noun.fr) if phrase.plural else phrase.noun.fr
    before, after = _adjectives(phrase, noun)
    return [*before, say(noun, phrase.role + "noun"), *after]


def _adjectives(phrase: NounPhrase, noun: str) -> tuple[Words, Words]:
    """The adjectives before the noun, and those after it in reversed order."""
    before, after = [], []
    for index, adjective in enumerate(phrase.adjectives):
        text = agreeing(adjective, phrase.noun.gender, plural=phrase.plural)
        if noun[0].lower() in VOWELS:
            text = FINE.get(text, text)
        side = before if adjective.masculine in BEFORE_NOUN else after
        side.append(say(text, f"{phrase.role}adjective{index}"))
    return before, after[::-1]


def _determiner(phrase: NounPhrase, adjective_first: bool, *, negative: bool, general: bool) -> Words:
    noun, role = phrase.noun, phrase.role
    index = 2 if phrase.plural else "mf".index(noun.gender)
    links = {"fallback": role + "noun"}
    if phrase.bare and noun.kind == "names":
        return []
    if phrase.bare and general:
        return [say(ARTICLES["the"][index], **links)]
    indefinite = phrase.bare or phrase.determiner == "a"
    if indefinite and (negative or (phrase.plural and adjective_first)):
        return [say("de", role + "the", **links)]
    if phrase.bare and not phrase.plural:
        return [say("de", **links), say(ARTICLES["the"][index], **links)]
    return [say(_article(phrase, index), role + "the", **links)]


def _article(phrase: NounPhrase, index: int) -> str:
    if phrase.owner:
        return phrase.owner.fr_possessives[index]
    return NUMBERS.get(phrase.determiner) or ARTICLES[phrase.determiner or "a"][index]


def clause(said: Clause) -> Words:
    """Subject, negation around the verb, object, time; a question begins with est-ce que."""
    proclitic, obj = _object(said)
    finite, rest = _verb(said)
    verb = _negated([*proclitic, finite], negative=said.negative)
    asked = [say("est-ce", "question"), say("que", "question")] if said.question else []
    stop = say("?" if said.question else ".", "stop")
    return contracted([*asked, *topic(said.subject, general=True), *verb, *rest, *obj, *said.when.fr, stop])


def _object(said: Clause) -> tuple[Words, Words]:
    """What stands before the verb (me, te, le), and what after it."""
    if said.object is None:
        return [], []
    if isinstance(said.object, Subject):
        return [say(said.object.pronoun.fr_object, said.object.role + "noun")], []
    obj = topic(said.object, negative=said.negative, general=said.verb.en in GENERAL)
    if said.verb.fr_particle == "au":
        return [], [say("au", "verb"), obj[-1]]
    particle = [say(said.verb.fr_particle, "particle")] if said.verb.fr_particle else []
    return [], [*particle, *obj]


def _negated(words: Words, *, negative: bool) -> Words:
    return [say("ne", "not"), *words, say("pas", "not")] if negative else words


def _verb(said: Clause) -> tuple[Word, Words]:
    """The finite verb, and what follows it."""
    verb, person = said.verb, said.subject.person
    if said.tense == "past" and verb.infinitive == "aller":
        went = verb.participle + ("e" if said.subject.gender == "f" else "")
        agreed = french_plural(went) if said.subject.plural else went
        return say(BE[person], "not" if said.negative else "verb"), [say(agreed, "verb")]
    if said.tense in MODALS:
        idea, forms = MODALS[said.tense]
        return say(forms[person], idea), [say(verb.infinitive, "verb")]
    if said.tense == "past":
        return say(HAVE[person], "not" if said.negative else "verb"), [say(verb.participle, "verb")]
    return say(verb.fr[person], "verb"), []


def state(said: State) -> Words:
    """Subject, être, quality, time; a question begins with est-ce que."""
    form = {"present": BE, "past": WAS, "future": WILL_BE}[said.tense][said.subject.person]
    asked = [say("est-ce", "question"), say("que", "question")] if said.question else []
    verb = _negated([say(form, "be")], negative=said.negative)
    very = [say("très", "very")] if said.very else []
    stop = say("?" if said.question else ".", "stop")
    quality = say(_quality(said), "quality")
    return contracted(
        [*asked, *topic(said.subject, general=True), *verb, *very, quality, *said.when.fr, stop]
    )


def _quality(said: State) -> str:
    gender, plural = said.subject.gender, said.subject.plural
    if isinstance(said.quality, Adjective):
        return agreeing(said.quality, gender, plural=plural)
    return _profession(said.quality, gender, plural=plural)


def _profession(noun: Noun, gender: str, *, plural: bool) -> str:
    form = noun.feminine if gender == "f" and noun.feminine else noun.fr
    return french_plural(form) if plural else form
