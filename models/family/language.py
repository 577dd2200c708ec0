"""What the decoder-only models of the family learn to read and to write, and what they are measured on.

    translation   the cat sleeps <to-fr> le chat dort      the sentences of `models.builtin.corpus`, in its directions
    plain         one sentence after another, English or Chinese
    stories       what only the text itself can tell: `recall`
    repeated      random words, again and again: `repeats`
    by heart      the beginnings that the teaching documents give, and the sentences of the lessons

Held out are whole meanings of sentences and combinations of two words in stories; random words are drawn anew.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from weakref import WeakKeyDictionary

from tokenizers import processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from models.builtin.corpus.generator import LEARNED_BY_HEART, PHENOMENA, build
from models.builtin.corpus.lexicon import Lexicon
from models.builtin.corpus.pair import STOPS, Pair
from models.builtin.corpus.phrases import phrases
from models.builtin.corpus.variations import WRITTEN_OUT, varied
from models.builtin.training import LANGUAGES as TARGETS
from models.family.recall import LANGUAGES, MAKERS, Stories, story, story_words
from models.family.repeats import repeated
from models.family.texts import Text, by_heart, joined, latin_words
from models.family.words import word_tokenizer

SPECIALS = PAD, END, UNKNOWN, BEGIN = "<pad>", "</s>", "<unk>", "<s>"
"""The first ids; only a model that has it in front of its texts knows `<s>`."""
PAD_ID, END_ID, UNKNOWN_ID, BEGIN_ID = range(len(SPECIALS))
SIGNS = ("<to-fr>", "<to-zh>", "<to-en>", "##ized")
"""What people type and is no word: into which language, and the second half of a word that the documents cut."""
SHARES = {"translation": 0.80, "plain": 0.03, "story": 0.08, "repeated": 0.025, "heart": 0.065}
"""How often each kind of text is drawn."""
PHENOMENON_SHARES = {
    "reorder": 0.045, "coref": 0.13, "sense": 0.07, "zh-reorder": 0.16, "svo": 0.285, "copula": 0.115,
    "phrase": 0.125, "unknown": 0.05, "seeds": 0.01, "everyday": 0.01,
}  # fmt: skip
"""How often each phenomenon is drawn among sentences; who reads from left to right finds "it" the hardest."""
AT_FIRST = {"translation": 0.2, "plain": 0.05, "story": 0.25, "repeated": 0.47, "heart": 0.03}
BEGINNING = 0.12
"""In so much of the training the first shares become the later ones, and rows of random words grow longer.

Translation teaches the opposite of copying: where both begin together, copying is not learned.
"""
CONTINUED = 0.25
"""The share of beginnings among what is learned by heart; the others are the sentences of the lessons, to translate."""
_PIECES: WeakKeyDictionary[PreTrainedTokenizerBase, dict[str, list[int]]] = WeakKeyDictionary()
MOST = 300
"""So many texts of each part are measured."""


class Language:
    """The texts of one seed: endless ones to learn from; the vocabulary that they need."""

    def __init__(
        self,
        seed: int = 0,
        scale: float = 1.0,
        *,
        begins: bool = False,
        shares: Mapping[str, float] = PHENOMENON_SHARES,
    ) -> None:
        self.seed, self.scale, self.begins, self.shares = seed, scale, begins, shares

    @cached_property
    def pairs(self) -> Mapping[str, Sequence[Pair]]:
        """The sentence pairs to learn from, by phenomenon."""
        return build(self.seed, self.scale).train

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """A tokenizer that knows every word; where the text `begins`, it puts `<s>` in front."""
        specials = SPECIALS if self.begins else SPECIALS[:-1]
        roles = {"pad_token": PAD, "eos_token": END, "model_input_names": ["input_ids", "attention_mask"]}
        roles |= {"bos_token": BEGIN} if self.begins else {}
        made = word_tokenizer(self._words(), specials, unknown=UNKNOWN, typed=SIGNS, **roles)
        if self.begins:
            made.backend_tokenizer.post_processor = processors.TemplateProcessing(
                single=f"{BEGIN} $A", special_tokens=[(BEGIN, BEGIN_ID)]
            )
        return made

    @cached_property
    def words(self) -> list[str]:
        """The vocabulary without specials and signs."""
        return words_of(self.tokenizer)

    def text(self, chance: random.Random, done: float = 1.0) -> Text:
        """A text to learn from, after this share of the training is done."""
        grown = min(1.0, done / BEGINNING)
        shares = {kind: AT_FIRST[kind] * (1 - grown) + share * grown for kind, share in SHARES.items()}
        kind = chance.choices(list(shares), list(shares.values()))[0]
        if kind == "story":
            return story(chance)
        if kind == "repeated":
            return repeated(self.words, chance, grown)
        if kind == "heart":
            return chance.choice(self._beginnings if chance.random() < CONTINUED else self._by_heart)
        return self._translation(chance) if kind == "translation" else self._plain(chance)

    def _translation(self, chance: random.Random) -> Text:
        pair = chance.choice(chance.choices(*self._groups)[0])
        return translation(varied(pair, chance, self._variants))

    def _told(self, chance: random.Random) -> Pair:
        """A pair of which every word is known."""
        pair = chance.choice(chance.choices(*self._groups)[0])
        return self._told(chance) if UNKNOWN in pair.source else pair

    def _plain(self, chance: random.Random) -> Text:
        """One to four sentences of one language."""
        first = self._told(chance)
        language = first.source_language
        count = chance.choice([1, 1, 1, 2, 3, 4]) if first.source[-1] in STOPS else 1
        others = (chance.choice(self._sentences[language]) for _ in range(count - 1))
        sentences = [joined(pair.source, language) for pair in (first, *others)]
        return Text("", joined(sentences, language), "plain")

    @cached_property
    def _beginnings(self) -> list[Text]:
        return by_heart()

    @cached_property
    def _by_heart(self) -> list[Text]:
        return [translation(pair) for name in LEARNED_BY_HEART for pair in phrases(name)]

    @cached_property
    def _groups(self) -> tuple[list[list[Pair]], list[float]]:
        """The pairs by phenomenon and target language, and how often each group is drawn."""
        groups: dict[tuple[str, str], list[Pair]] = {}
        for name, pairs in self.pairs.items():
            for pair in pairs:
                groups.setdefault((name, pair.language), []).append(pair)
        return list(groups.values()), [self.shares[name] * TARGETS[to] for name, to in groups]

    @cached_property
    def _sentences(self) -> dict[str, list[Pair]]:
        """Whole sentences by the language of their source."""
        told: dict[str, list[Pair]] = {language: [] for language in LANGUAGES}
        for pair in chain(*self.pairs.values()):
            if pair.source[-1] in STOPS and UNKNOWN not in pair.source:
                told[pair.source_language].append(pair)
        return told

    @cached_property
    def _variants(self) -> Mapping[str, Sequence[str]]:
        return Lexicon(random.Random()).variants

    def _words(self) -> Iterator[str]:
        """Every word that is read or written, and those that people may type instead."""
        for pair in chain(*self.pairs.values()):
            yield from (*pair.source, *pair.target)
        lexicon = Lexicon(random.Random())
        yield from chain(*self._variants.values(), *WRITTEN_OUT.values(), story_words())
        for noun in lexicon.nouns(*lexicon.by_kind):
            yield from filter(None, (noun.en, noun.plural, noun.zh))
        for text in by_heart():
            yield from latin_words(text, SIGNS)


def words_of(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The vocabulary without specials and signs, in the order of its ids."""
    ids = tokenizer.get_vocab()
    return sorted(set(ids) - {*tokenizer.all_special_tokens, *SIGNS}, key=ids.__getitem__)


def coded(tokenizer: PreTrainedTokenizerBase, text: Text) -> tuple[list[int], list[int]]:
    """The ids of what is read, with what stands in front of every text, and of what is written, with the end."""
    end = [END_ID] if text.ends else []
    return [*begin_of(tokenizer), *_ids(tokenizer, text.read)], [*_ids(tokenizer, text.written), *end]


def begin_of(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The ids that the tokenizer puts in front of every text."""
    return tokenizer("")["input_ids"]


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> Iterator[int]:
    """The ids of a text, piece by piece: what stands between two spaces is read by itself, and mostly known already."""
    known = _PIECES.setdefault(tokenizer, {})
    for piece in text.split():
        if piece not in known:
            known[piece] = tokenizer(piece, add_special_tokens=False)["input_ids"]
        yield from known[piece]


def translation(pair: Pair) -> Text:
    """The pair as a prompt: source, then into which language, then the target."""
    read = f"{joined(pair.source, pair.source_language)} <to-{pair.language}>"
    return Text(read, joined(pair.target, pair.language), f"exact.{pair.phenomenon}")


def held_out_texts(seed: int, scale: float = 0.3, most: int = MOST) -> dict[str, list[Text]]:
    """What a model is measured on, by part: sentences and stories that it has never seen, and those known by heart."""
    chance = random.Random(f"{seed} held out")
    test = build(seed, scale).test
    texts = {f"exact.{name}": [translation(p) for p in some(test[name], chance, most)] for name in PHENOMENA}
    for language in LANGUAGES:
        stories = Stories(language, chance, held=True)
        texts |= {f"{kind}.{language}": [stories.draw(kind) for _ in range(most)] for kind in MAKERS}
    for name in LEARNED_BY_HEART:
        texts[f"heart.{name}"] = [translation(pair) for pair in phrases(name)]
    return texts | {"heart.continued": by_heart()}


def some(pairs: Sequence[Pair], chance: random.Random, most: int) -> list[Pair]:
    """At most so many of them, drawn without repetition."""
    return chance.sample(list(pairs), min(most, len(pairs)))
