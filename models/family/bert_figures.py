"""Measures a BERT on held-out sentences: masked words, next sentences, what the vector of a word knows of its sense."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import AutoTokenizer, BertForPreTraining, PreTrainedTokenizerFast

from models.family.course import Figure, Figures
from models.family.discourse import FAULTS, LANGUAGES, Passage, by_heart, part_of, passage

IGNORED = -100
"""A label that counts for nothing."""
IS_NEXT, NOT_NEXT = 0, 1
USUAL = 400
"""So many of each are measured."""
CHUNK = 128
AMBIGUOUS = {"en": "bank", "zh": "apple"}
"""By language, what the figure of its ambiguous word is called."""
STORE = (["the", "man", "went", "to", "the", "store"], ["he", "bought", "a", "gallon", "of", "milk"])


def padded(rows: Sequence[Sequence[int]], filling: int) -> Int[Tensor, "batch longest"]:
    """Rows made equally long."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filling] * (longest - len(row))] for row in rows])


def pair_ids(first: Sequence[str], second: Sequence[str], ids: Mapping[str, int]) -> list[int]:
    """[CLS] A [SEP], or [CLS] A [SEP] B [SEP]."""
    row = [ids["[CLS]"], *(ids[word] for word in first), ids["[SEP]"]]
    return [*row, *(ids[word] for word in second), ids["[SEP]"]] if second else row


def share(hits: Sequence[bool]) -> Figure:
    """The share of hits."""
    return Figure(sum(hits) / max(len(hits), 1), len(hits))


@dataclass(frozen=True)
class Shown:
    """Two sentences, or one, as the model reads them; `masked` is a place in the ids."""

    first: tuple[str, ...]
    second: tuple[str, ...] = ()
    masked: tuple[int, ...] = ()


@dataclass(frozen=True)
class Examiner:
    """A model and its tokenizer, and what may be asked of them."""

    model: BertForPreTraining
    tokenizer: PreTrainedTokenizerFast

    @cached_property
    def ids(self) -> dict[str, int]:
        """Word → id."""
        return self.tokenizer.get_vocab()

    @torch.no_grad()
    def read(self, shown: Sequence[Shown]) -> Iterator[tuple[Shown, Tensor, Tensor, Tensor]]:
        """Of each: the scores of the words, of IsNext and NotNext, and the last layer's vectors."""
        for start in range(0, len(shown), CHUNK):
            chunk = shown[start : start + CHUNK]
            rows = [pair_ids(one.first, one.second, self.ids) for one in chunk]
            for one, row in zip(chunk, rows, strict=True):
                for place in one.masked:
                    row[place] = self.ids["[MASK]"]
            segments = [
                [int(i > len(one.first) + 1) for i in range(len(row))]
                for one, row in zip(chunk, rows, strict=True)
            ]
            output = self.model(
                padded(rows, self.ids["[PAD]"]),
                attention_mask=padded([[1] * len(row) for row in rows], 0),
                token_type_ids=padded(segments, 0),
                output_hidden_states=True,
            )
            yield from zip(
                chunk,
                output.prediction_logits,
                output.seq_relationship_logits,
                output.hidden_states[-1],
                strict=True,
            )

    def guesses(self, shown: Sequence[Shown]) -> list[bool]:
        """Whether each masked word is guessed."""
        hits = list[bool]()
        for one, words, _, _ in self.read(shown):
            row = pair_ids(one.first, one.second, self.ids)
            hits += [int(words[place].argmax()) == row[place] for place in one.masked]
        return hits

    def judged(self, told: Sequence[Passage]) -> Figure:
        """How often the model knows whether the second sentence follows."""
        shown = [Shown(one.first, one.second) for one in told]
        said = [int(next_.argmax()) == IS_NEXT for _, _, next_, _ in self.read(shown)]
        return share([one.follows == follows for one, follows in zip(told, said, strict=True)])

    def masked(self, seed: int, language: str, n: int = USUAL) -> Figure:
        """Held-out pairs in which one settled word is masked: how often it is guessed."""
        chance = random.Random(f"masked {seed} {language}")
        return share(self.guesses([_one_masked(one, chance) for one in held_out(chance, language, n)]))

    def next_hard(self, seed: int, n: int = USUAL) -> Figure:
        """Held-out pairs of one topic, of which half follow: how often it is known whether they do."""
        chance = random.Random(f"next {seed}")
        hard = [fault for fault in FAULTS if fault != "unrelated"]
        faults = [chance.choice(hard) if i % 2 else "" for i in range(n)]
        told = [next(iter(held_out(chance, chance.choice(LANGUAGES), 1, fault))) for fault in faults]
        return self.judged(told)

    def next_kinds(self, seed: int, n: int = USUAL) -> Figures:
        """The same for each kind of second sentence."""
        found = {}
        for fault in ("", *FAULTS):
            chance = random.Random(f"kind {seed} {fault}")
            told = [one for language in LANGUAGES for one in held_out(chance, language, n // 2, fault)]
            found[f"next.kind.{fault or 'follows'}"] = self.judged(told)
        return found

    def sense(self, seed: int, language: str, n: int = USUAL) -> Figure:
        """How often an ambiguous word is closer to itself in the same sense, with other cues, than in the other sense.

        Closer by the cosine of the last layer's vectors; a triple is a sentence, one of its sense, one of the other.
        """
        chance = random.Random(f"sense {seed} {language}")
        told = senses(chance, language, n)
        vectors = self.vectors(told)
        hits = [_closer(vectors[a], vectors[b], vectors[c]) for a, b, c in triples(told, chance, n)]
        return share(hits)

    def vectors(self, told: Sequence[Passage]) -> list[Float[Tensor, " d_model"]]:
        """The last layer's vector of the ambiguous word of each first sentence, read alone."""
        shown = [Shown(one.first) for one in told]
        return [
            hidden[1 + one.sense.place]
            for one, (_, _, _, hidden) in zip(told, self.read(shown), strict=True)
            if one.sense
        ]

    def static(self, seed: int, language: str, n: int = USUAL) -> Figure:
        """How often the ambiguous word's own embedding is, bit by bit, what it is in the first sentence."""
        told = senses(random.Random(f"sense {seed} {language}"), language, n)
        table = self.model.get_parameter("bert.embeddings.word_embeddings.weight")
        rows = [table[pair_ids(one.first, (), self.ids)[1 + one.sense.place]] for one in told if one.sense]
        return share([bool(torch.equal(row, rows[0])) for row in rows])

    def lessons(self) -> Figures:
        """The pairs of the lessons; and the two masked words of the man who went to the store."""
        store = Shown(tuple(STORE[0]), tuple(STORE[1]), masked=(5, 12))
        return {"lesson.next": self.judged(by_heart()), "lesson.masked": share(self.guesses([store]))}


def held_out(chance: random.Random, language: str, n: int, fault: str = "") -> Iterator[Passage]:
    """So many passages with this fault whose first sentence was never learned."""
    found = 0
    while found < n:
        one = passage(chance, language, fault)
        if part_of(one) == "test":
            found += 1
            yield one


def _one_masked(told: Passage, chance: random.Random) -> Shown:
    place = chance.choice(told.settled)
    return Shown(told.first, told.second, (place + (1 if place < len(told.first) else 2),))


def senses(chance: random.Random, language: str, n: int) -> list[Passage]:
    """So many held-out first sentences with an ambiguous word, each once."""
    found = dict[tuple[str, ...], Passage]()
    while len(found) < n:
        one = next(held_out(chance, language, 1, "sense"))
        found.setdefault(one.first, one)
    return list(found.values())


def triples(told: Sequence[Passage], chance: random.Random, n: int) -> Iterator[tuple[int, int, int]]:
    """So many (sentence, same sense without a cue word in common, other sense)."""
    by_sense = defaultdict[str, list[int]](list)
    for i, one in enumerate(told):
        by_sense[one.sense.name if one.sense else ""].append(i)
    cues = _cues(told)
    while n:
        name, other = chance.sample(sorted(by_sense), 2)
        first, second = chance.sample(by_sense[name], 2)
        if not cues[first] & cues[second]:
            n -= 1
            yield first, second, chance.choice(by_sense[other])


def _cues(told: Sequence[Passage]) -> list[set[str]]:
    """The cue words of each, without those that cues of both senses have, such as "a"."""
    said = [(one.sense.name, {one.first[i] for i in one.sense.cues}) for one in told if one.sense]
    names = {name for name, _ in said}
    common = set[str].intersection(
        *({w for sense, words in said if sense == name for w in words} for name in names)
    )
    return [words - common for _, words in said]


def _closer(anchor: Tensor, same: Tensor, other: Tensor) -> bool:
    near, far = (torch.cosine_similarity(anchor, vector, dim=0) for vector in (same, other))
    return bool(near > far)


def opened(folder: Path) -> Examiner:
    """The model as it lies on disk, in single precision."""
    model = BertForPreTraining.from_pretrained(folder, dtype=torch.float32)
    return Examiner(model.eval(), AutoTokenizer.from_pretrained(folder))


def measured(folder: Path, seed: int, n: int = USUAL) -> Figures:
    """Every figure of the scenes and of the lessons."""
    examiner = opened(folder)
    found = {f"masked.settled.{language}": examiner.masked(seed, language, n) for language in LANGUAGES}
    found |= {"next.hard": examiner.next_hard(seed, 2 * n)} | examiner.next_kinds(seed, n)
    for language, word in AMBIGUOUS.items():
        found[f"sense.{word}"] = examiner.sense(seed, language, n)
        found[f"static.{word}"] = examiner.static(seed, language, n)
    return found | examiner.lessons()


def corpus_figures(
    folder: Path, seed: int, groups: Sequence[Sequence[tuple[str, ...]]], n: int = USUAL
) -> Figures:
    """Any word of held-out sentences of the corpus, masked alone: many cannot be known, so nothing is asked."""
    examiner, chance = opened(folder), random.Random(f"corpus {seed}")
    known = [[words for words in group if examiner.ids.keys() >= set(words)] for group in groups]
    known = [group for group in known if group]
    shown = list[Shown]()
    for _ in range(n):
        words = chance.choice(chance.choice(known))
        shown.append(Shown(words, masked=(chance.randrange(len(words)) + 1,)))
    return {"masked.any": share(examiner.guesses(shown))}
