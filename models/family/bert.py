"""A small BERT: reads in both directions, guesses masked words, and says whether a second sentence follows the first.

loss = cross-entropy of the masked words + cross-entropy of IsNext / NotNext        (Devlin et al. 2018, §3.1)
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Int
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from torch.nn import functional
from transformers import BertConfig, BertForPreTraining, PreTrainedTokenizerFast

from models.builtin.corpus.generator import Corpus, build
from models.family import bert_figures
from models.family.bert_figures import IGNORED, IS_NEXT, NOT_NEXT, Examiner
from models.family.course import Course, Figures, Recipe
from models.family.discourse import STOPS, Passage, by_heart, couples, vocabulary
from models.family.scenes import meanings
from models.family.words import word_tokenizer

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MARKS = (".", ",", "!", "?", "。", "，", "！", "？")
MASKED, MASKED_OFTEN = 0.15, 0.3
"""So many words are chosen to be guessed: of all, and of those that the rest settles or that settle a word's sense."""
AS_MASK, AS_OTHER = 0.8, 0.1
"""Of the chosen words, so many are masked and so many are another word; the rest stay."""
ONE_MASKED = 0.5
"""In so many pairs that follow only one word is masked, one that the rest settles."""
HIDDEN = 0.15
"""In so many pairs of which is asked whether they follow, a word is masked too."""
ALONE, ALONE_OF_TWO_SENSES = 0.12, 0.35
"""So many first sentences stand alone; of those with an ambiguous word, so many."""
SUBJECTS, SENSES = 0.1, 0.3
"""So many couples are about who it is, so many pairs about a word with two senses, beside those that happen to be."""
TRANSLATED = 0.5
"""So often is asked what a word with two senses is called in the other language."""
MEANT = frozenset({"subject", "object", "place"})
"""Where a second sentence is wrong in this way, the one right word is known, and the wrong one is corrected."""


NOTES = """
Settled words are those that the rest of the two sentences settles; only they are measured under `masked.settled`, one
masked at a time, and any word of a sentence of the corpus under `masked.any`, where many cannot be known. Under
`next` as many pairs follow as do not, all of one topic, and `next.kind` tells how often each kind is known. Under
`sense`: triples of sentences with `bank` or 苹果 (`apple`), two of the same sense without a cue word in common and one
of the other sense; how often the last layer's vector of the first is closer (cosine) to the second than to the third.
`static`: the same word's own embedding is the same in all of them. No first sentence that is measured was learned;
those of `lesson` were, for they are learned by heart.
"""


class Example(NamedTuple):
    """One sentence or two, as words; `follows` is one of IS_NEXT, NOT_NEXT, IGNORED."""

    first: tuple[str, ...]
    second: tuple[str, ...] = ()
    follows: int = IGNORED
    alone: tuple[int, ...] = ()
    """Positions, counted over both sentences, of which one is masked and nothing else."""
    often: frozenset[int] = frozenset()
    """Positions of the words that are chosen more often."""
    right: tuple[str, ...] = ()
    """The words of both sentences as they should be."""
    meanings: tuple[tuple[int, str], ...] = ()
    """Positions of words with two senses, and what the other language calls them there."""


@dataclass(frozen=True)
class Batch:
    """Sentences, padded; `labels` holds the words to be guessed and `follows` the label of each pair."""

    ids: Int[Tensor, "batch token"]
    segments: Int[Tensor, "batch token"]
    attended: Int[Tensor, "batch token"]
    labels: Int[Tensor, "batch token"]
    follows: Int[Tensor, " batch"]


class Bert(Course[Batch]):
    """`builtin/bert`."""

    name = "builtin/bert"
    about = """
A BERT of three layers with segment embeddings and learned positions, an ordinary `BertForPreTraining` of transformers.
It reads English and Chinese: sentences of the corpus, and pairs of sentences from a grammar of small scenes
(`models/family/discourse.py`). It learns masked words in sentences that follow each other (in half of these pairs one
word that the rest settles; else 15 % of all words, and 30 % of those that are settled or settle a sense; of them 80 %
masked, 10 % another word, 10 % unchanged), and the next sentence: to the same first sentence one that follows and one
that does not. Most of these are of the same topic: somebody else, another thing, another place, another deed,
the opposite, the other sense of the word. Where one wrong word makes the difference, it also learns the right one. No
head was trained towards a target. Senses it learned from these two tasks and from a third, small one: where `bank` or
苹果 can be read, it is asked in half of the cases what the other language says there (银行 or 河岸, Apple or apple).
"""
    asked: ClassVar[Mapping[str, float]] = {
        "masked.settled": 0.95,
        "next.hard": 0.95,
        "next.kind": 0.9,
        "sense.": 0.95,
        "static.": 1.0,
        "lesson.": 1.0,
    }
    usual = Recipe(steps=8500, rate=2.5e-3, warmup=300, threads=2)
    size: ClassVar[dict[str, Any]] = {
        "hidden_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 384,
        "max_position_embeddings": 64,
        "type_vocab_size": 2,
        "initializer_range": 0.06,
    }
    couples, pairs, singles = 18, 26, 8
    """So many of each are in a batch; of a couple, both second sentences."""
    scale = 0.4
    """How much of the sentence corpus is drawn."""

    @cached_property
    def corpus(self) -> Corpus:
        """The single sentences."""
        return build(self.recipe.seed, self.scale)

    @cached_property
    def sentences(self) -> list[list[tuple[str, ...]]]:
        """The sentences of the corpus by phenomenon and language, each once."""
        return grouped(self.corpus.train)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Words of the corpus and of the scenes."""
        words = self.corpus.words
        said = chain.from_iterable(chain(*self.sentences))
        return pair_tokenizer({*words["en"], *words["zh"], *said, *MARKS, *vocabulary(), *meanings()})

    @cached_property
    def ids(self) -> dict[str, int]:
        """Word → id."""
        return self.tokenizer.get_vocab()

    def fresh(self) -> BertForPreTraining:
        """Three layers, without dropout: no sentence is seen often enough to be learned by heart."""
        config = BertConfig(
            vocab_size=len(self.ids),
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=self.ids["[PAD]"],
            **self.size,
        )
        config.id2label, config.label2id = {0: "IsNext", 1: "NotNext"}, {"IsNext": 0, "NotNext": 1}
        return BertForPreTraining(config)

    def batches(self, start: int) -> Iterator[Batch]:
        """Couples, pairs and single sentences, masked anew in every step."""
        lessons, step = by_heart(), start
        while True:
            chance = random.Random(f"{self.recipe.seed} {step}")
            of_whom = couples(chance, fault="subject", often=SUBJECTS)
            asked = [each for told in islice(of_whom, self.couples) for each in both(*told)]
            asked += [lesson(chance.choice(lessons)) for _ in range(self.singles // 4)]
            told = [right for right, _ in islice(couples(chance, fault="sense", often=SENSES), self.pairs)]
            pairs = [guessed(one, chance) for one in told]
            examples = [*asked, *pairs, *(self._single(chance) for _ in range(self.singles))]
            yield to_batch(examples, self.ids, chance)
            step += 1

    def _single(self, chance: random.Random) -> Example:
        words = chance.choice(chance.choice(self.sentences))
        stopped = words[-1] in STOPS.values() and len(words) > 1
        return Example(words[:-1] if stopped and chance.random() < 0.3 else words)

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Masked words and next sentence, in equal parts; words are only scored where they are to be guessed."""
        output = model.bert(batch.ids, attention_mask=batch.attended, token_type_ids=batch.segments)
        chosen = batch.labels != IGNORED
        words = model.cls.predictions(output.last_hidden_state[chosen])
        next_ = model.cls.seq_relationship(output.pooler_output)
        guessed = functional.cross_entropy(words, batch.labels[chosen])
        return guessed + functional.cross_entropy(next_, batch.follows, ignore_index=IGNORED)

    def glance(self, model: Any) -> Mapping[str, float]:
        """Masked words, next sentences and senses, of a few held-out sentences."""
        examiner, seed = Examiner(model, self.tokenizer), -1
        return {
            "masked": examiner.masked(seed, "en", 60).value,
            "next": examiner.next_hard(seed, 100).value,
            "sense": examiner.sense(seed, "en", 60).value,
        }

    def save(self, model: Any, folder: Path) -> None:
        """The folder that transformers loads."""
        copy.deepcopy(model).half().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def figures(self, folder: Path, seed: int) -> Figures:
        """Everything that is asked, of the weights on disk."""
        held_out = grouped(build(seed, self.scale).test)
        return bert_figures.measured(folder, seed) | bert_figures.corpus_figures(folder, seed, held_out)

    def notes(self) -> str:
        """What the figures mean."""
        return NOTES

    def sizes(self) -> Mapping[str, str]:
        """Layers, widths, words."""
        return {
            "layers": str(self.size["num_hidden_layers"]),
            "heads": str(self.size["num_attention_heads"]),
            "d_model": str(self.size["hidden_size"]),
            "d_ff": str(self.size["intermediate_size"]),
            "words": str(len(self.ids)),
            "longest input": f"{self.size['max_position_embeddings']} tokens",
        }


def pair_tokenizer(words: set[str]) -> PreTrainedTokenizerFast:
    """A word tokenizer that writes [CLS] A [SEP] or [CLS] A [SEP] B [SEP], with segments 0 and 1."""
    tokens = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "cls", "sep", "mask")}
    read = ["input_ids", "token_type_ids", "attention_mask"]
    longest = Bert.size["max_position_embeddings"]
    tokenizer = word_tokenizer(
        words, SPECIALS, unknown="[UNK]", model_input_names=read, model_max_length=longest, **tokens
    )
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, SPECIALS.index(token)) for token in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def grouped(parts: Mapping[str, Sequence[Any]]) -> list[list[tuple[str, ...]]]:
    """The source sentences without unknown words, by phenomenon and language, each once."""
    groups = dict[tuple[str, str], dict[tuple[str, ...], None]]()
    for name, pairs in parts.items():
        for pair in pairs:
            if "<unk>" not in pair.source:
                groups.setdefault((name, pair.source_language), {})[pair.source] = None
    return [list(group) for group in groups.values()]


def both(right: Passage, wrong: Passage) -> tuple[Example, Example]:
    """Of both is asked whether the second sentence follows."""
    corrected = wrong.fault in MEANT and len(wrong.words) == len(right.words)
    return (
        Example(right.first, right.second, IS_NEXT, right=right.words),
        Example(wrong.first, wrong.second, NOT_NEXT, right=right.words if corrected else ()),
    )


def lesson(told: Passage) -> Example:
    """A pair of the lessons."""
    return Example(told.first, told.second, IS_NEXT if told.follows else NOT_NEXT)


def guessed(told: Passage, chance: random.Random) -> Example:
    """A passage that follows, in which words are to be guessed; now and then only its first sentence."""
    often = frozenset((*told.settled, *((told.sense.place, *told.sense.cues) if told.sense else ())))
    meanings = ((told.sense.place, told.sense.meaning),) if told.sense else ()
    if chance.random() < (ALONE_OF_TWO_SENSES if told.sense else ALONE):
        return Example(told.first, often=often, meanings=meanings)
    only = told.settled if chance.random() < ONE_MASKED else ()
    return Example(told.first, told.second, alone=only, often=often, meanings=meanings)


def to_batch(examples: Sequence[Example], ids: Mapping[str, int], chance: random.Random) -> Batch:
    """The examples with some of their words masked."""
    rows, labels = list[list[int]](), list[list[int]]()
    for one in examples:
        row, label = masked(one, ids, chance)
        rows.append(row)
        labels.append(label)
    segments = [[0] * (len(e.first) + 2) + [1] * (len(e.second) + 1 if e.second else 0) for e in examples]
    return Batch(
        bert_figures.padded(rows, ids["[PAD]"]),
        bert_figures.padded(segments, 0),
        bert_figures.padded([[1] * len(row) for row in rows], 0),
        bert_figures.padded(labels, IGNORED),
        torch.tensor([one.follows for one in examples]),
    )


def masked(one: Example, ids: Mapping[str, int], chance: random.Random) -> tuple[list[int], list[int]]:
    """The ids of an example and what is to be guessed at each place."""
    row = bert_figures.pair_ids(one.first, one.second, ids)
    labels = [IGNORED] * len(row)
    words = [*range(1, len(one.first) + 1), *range(len(one.first) + 2, len(row) - 1)]
    if one.follows != IGNORED:
        corrected = [ids[word] for word in one.right] or [row[place] for place in words]
        for place, id in zip(words, corrected, strict=True):
            if row[place] != id:
                labels[place] = id
        if chance.random() < HIDDEN:
            place, id = chance.choice(list(zip(words, corrected, strict=True)))
            row[place], labels[place] = ids["[MASK]"], id if one.right else IGNORED
    elif one.alone:
        place = words[chance.choice(one.alone)]
        labels[place], row[place] = row[place], ids["[MASK]"]
    else:
        for word, place in enumerate(words):
            if chance.random() < (MASKED_OFTEN if word in one.often else MASKED):
                labels[place], row[place] = row[place], _shown(row[place], ids, chance)
    for word, meaning in one.meanings:
        if labels[words[word]] == IGNORED and chance.random() < TRANSLATED:
            labels[words[word]] = ids[meaning]
    return row, labels


def _shown(id: int, ids: Mapping[str, int], chance: random.Random) -> int:
    kind = chance.random()
    if kind < AS_MASK:
        return ids["[MASK]"]
    return chance.randrange(len(SPECIALS), len(ids)) if kind < AS_MASK + AS_OTHER else id
