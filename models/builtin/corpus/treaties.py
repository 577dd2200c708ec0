"""Official sentences (`reorder`): in French the noun comes first, then its adjectives, agreeing, in reversed order."""

from __future__ import annotations

from models.builtin.corpus import chinese, english, french
from models.builtin.corpus.french import agreeing, contracted
from models.builtin.corpus.grammar import NounPhrase
from models.builtin.corpus.lexicon import Adjective, Lexicon
from models.builtin.corpus.sentence import Sentence, Words, say

FIRST_YEAR, LAST_YEAR = 1985, 2026


def treaty(words: Lexicon) -> Sentence:
    """The agreement on the European economic area was signed in August 1992."""
    head = NounPhrase(words.noun("accords"), "the", "head.")
    about = _institution(words)
    on = [say("on", "on")], [say("sur", "on")], [say("关于", "on")]
    return _sentence(
        words,
        en=[*english.topic(head), *on[0], *english.topic(about)],
        fr=[*french.topic(head), *on[1], *french.topic(about)],
        zh=[*on[2], *chinese.topic(about), say("的", "on"), *chinese.topic(head)],
        gender=head.gender,
    )


def policy(words: Lexicon) -> Sentence:
    """The national monetary policy was approved in May 1999."""
    about = _institution(words)
    return _sentence(
        words, en=english.topic(about), fr=french.topic(about), zh=chinese.topic(about), gender=about.gender
    )


def _institution(words: Lexicon) -> NounPhrase:
    noun = words.noun("institutions")
    count = words.chance.choice([1, 2, 2])
    adjectives = words.chance.sample(words.adjectives("official"), count)
    if words.chance.random() < words.unknown_share:
        adjectives[0] = words.adjective("official")
    return NounPhrase(noun, "the", "about.", adjectives=tuple(adjectives), official=True)


def _sentence(words: Lexicon, *, en: Words, fr: Words, zh: Words, gender: str) -> Sentence:
    """The subject, and what became of it when."""
    done = words.chance.choice(words.participles)
    month, mois, yue = words.chance.choice(words.months)
    year = str(words.chance.randint(FIRST_YEAR, LAST_YEAR))
    inside, dated = ("in", "en", "于"), say(year, "year")
    stop, full_stop = say(".", "stop"), say("。", "stop")
    english_end = [
        say("was", "was", fallback="done"),
        say(done.en, "done"),
        say(inside[0], "in"),
        say(month, "month"),
    ]
    french_end = [
        say("a", "was"),
        say("été", "was"),
        say(_agreed(done, gender), "done"),
        say(inside[1], "in"),
    ]
    chinese_end = [say(inside[2], "in"), dated, say("年", "year"), say(yue, "month"), say(done.zh, "done")]
    return Sentence(
        "reorder",
        {
            "en": [*en, *english_end, dated, stop],
            "fr": contracted([*fr, *french_end, say(mois, "month"), dated, stop]),
            "zh": [*zh, *chinese_end, full_stop],
        },
    )


def _agreed(done: Adjective, gender: str) -> str:
    return agreeing(done, gender, plural=False)
