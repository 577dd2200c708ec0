"""Little stories whose last words only the story itself can tell: who likes what, and what has which colour.

    recall   Tom likes apples, Mary likes milk. Mary drinks → milk.      小明喜欢苹果，小红喜欢牛奶。小红喝 → 牛奶。
    colour   the hat is blue, the door is red. the door is → red.        帽子是蓝色的，门是红色的。门是 → 红色的。

Who goes with what is drawn by chance, so nothing but the story helps. What a held-out story asks for is a combination
of two words that no story of the training holds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from models.builtin.corpus.lexicon import Adjective, Lexicon, Noun
from models.family.texts import Text, held_out, joined

LANGUAGES = ("en", "zh")
CHINESE_NAMES = ("小明", "小红", "小刚", "小丽", "小华", "小芳", "小强", "小军")
VERBS = {"likes": "喜欢", "buys": "买", "wants": "想要", "sells": "卖"}
EATING, DRINKING = ("eats", "吃"), ("drinks", "喝")
FEWEST, MOST = 2, 4
"""So many facts a story has."""


@dataclass(frozen=True)
class Fact:
    """Two things that go together in one story."""

    who: str
    what: Noun | Adjective

    @property
    def held(self) -> bool:
        """Whether no story of the training says so."""
        return held_out(f"{self.who} {self.what.en}")


@dataclass(frozen=True)
class Stories:
    """Draws stories in one language, for training or, `held`, for measuring."""

    language: str
    chance: random.Random
    held: bool = False

    def draw(self, kind: str) -> Text:
        """A story of this kind: `recall` or `colour`."""
        return MAKERS[kind](self)

    def recall(self) -> Text:
        """What does one of them like, or eat, or drink?"""
        facts, asked = self._facts(self._names(), self._goods())
        verb = self.chance.choice(list(VERBS.items()))
        asking = self._eaten(asked.what) if self.chance.random() < 0.5 else verb
        told = [(fact.who, self._of(verb), self._named(fact.what)) for fact in facts]
        return self._text("recall", told, (asked.who, self._of(asking)), (self._named(asked.what),))

    def colour(self) -> Text:
        """Which colour has one of them?"""
        things = [self._of((noun.en, noun.zh)) for noun in _LEXICON.nouns("foods", "things", "animals")]
        facts, asked = self._facts(things, _LEXICON.adjectives("colours"))
        told = [(*self._is(fact.who), *self._coloured(fact.what)) for fact in facts]
        return self._text("colour", told, self._is(asked.who), self._coloured(asked.what))

    def _text(
        self, kind: str, told: Sequence[Sequence[str]], asked: Sequence[str], answer: Sequence[str]
    ) -> Text:
        comma, stop = self._of((",", "，")), self._of((".", "。"))
        between = comma if self.chance.random() < 0.7 else stop
        words = [word for fact in told[:-1] for word in (*fact, between)]
        read = joined([*words, *told[-1], stop, *asked], self.language)
        return Text(read, joined([*answer, stop], self.language), f"{kind}.{self.language}")

    def _facts(self, who: Sequence[str], what: Sequence[Noun | Adjective]) -> tuple[list[Fact], Fact]:
        """Some facts about different things, and the one that is asked for."""
        while True:
            count = self.chance.randint(FEWEST, MOST)
            pairs = zip(self.chance.sample(who, count), self.chance.sample(what, count), strict=True)
            facts = [Fact(*pair) for pair in pairs]
            fitting = [fact for fact in facts if fact.held == self.held]
            if self.held and fitting:
                return facts, self.chance.choice(fitting)
            if len(fitting) == count:
                return facts, self.chance.choice(facts)

    def _names(self) -> list[str]:
        names = [self._of((noun.en, noun.zh)) for noun in _LEXICON.nouns("names")]
        return [*names, *CHINESE_NAMES] if self.language == "zh" else names

    def _goods(self) -> list[Noun]:
        return _LEXICON.nouns("foods", "dishes", "drinks")

    def _named(self, noun: Noun | Adjective) -> str:
        return self._of((getattr(noun, "plural", "") or noun.en, noun.zh))

    def _eaten(self, noun: Noun | Adjective) -> tuple[str, str]:
        return DRINKING if noun in _LEXICON.nouns("drinks") else EATING

    def _is(self, what: str) -> tuple[str, ...]:
        return ("the", what, "is") if self.language == "en" else (what, "是")

    def _coloured(self, colour: Noun | Adjective) -> tuple[str, ...]:
        return (colour.en,) if self.language == "en" else (colour.zh, "的")

    def _of(self, words: tuple[str, str]) -> str:
        return words[LANGUAGES.index(self.language)]


_LEXICON = Lexicon(random.Random())
MAKERS: Mapping[str, Callable[[Stories], Text]] = {
    "recall": Stories.recall,
    "colour": Stories.colour,
}


def story(chance: random.Random, *, held: bool = False) -> Text:
    """A story of any kind in any of the languages."""
    return Stories(chance.choice(LANGUAGES), chance, held).draw(chance.choice(list(MAKERS)))


def story_words() -> list[str]:
    """The words of the stories that the corpus of sentences may not have."""
    english = [*VERBS, EATING[0], DRINKING[0]]
    return [*english, *VERBS.values(), EATING[1], DRINKING[1], *CHINESE_NAMES]
