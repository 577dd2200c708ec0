"""The course of every decoder-only model of the family: one next token after another.

    loss = mean over what is written of −log p(token | everything before)

What is only read, the source of a translation or the first round of random words, is not learned.
"""

from __future__ import annotations

import copy
import random
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from models.family.course import Course, Figures, Recipe
from models.family.examining import (
    Batch,
    exact,
    figures,
    random_rows,
    repeats_right,
    scored_heads,
    shares,
    to_batch,
)
from models.family.language import END_ID, Language, begin_of, coded, held_out_texts
from models.family.texts import Text

CONTEXT = 96
POOL = 16
"""So many batches are drawn at once, their texts sorted by length, to compute little padding."""
GLANCED = 16
INITIAL = 0.06
"""Standard deviation of the first weights: larger than usual, so that so narrow a model begins to learn at once."""
NOTES = """
`exact.*`: held-out sentences that the model translates word for word, greedily, end included, by what they were built
to force; `exact.unknown` has a word that the tokenizer does not know. `recall`, `place`, `who`: little stories in
English and Chinese whose last words only the story can tell, about a combination of two words that no story of the
training held. `heart.*`: what was learned by heart. `induction.score`: the mean weight, over the second round of rows
of random words, on the token after the first occurrence of the same token, in one head that was chosen on other rows;
`induction.right`: the tokens of the second round that the model says.
"""
ASKED: Mapping[str, float] = {
    **dict.fromkeys(("exact.", "recall.", "place.", "who."), 0.95),
    "heart.": 1.0,
    "induction.score": 0.7,
}


class CausalCourse(Course[Batch]):
    """A decoder-only model of transformers; a subclass says which."""

    asked: ClassVar = ASKED
    usual: ClassVar[Recipe] = Recipe(steps=2700, rate=4e-3)
    begins: ClassVar[bool] = False
    """Whether every text has `<s>` in front."""
    tokens: ClassVar[int] = 1600
    """About so many tokens a batch has, read and written together."""
    scale: ClassVar[float] = 1.0
    """How much of the corpus of sentences is drawn."""

    @cached_property
    def language(self) -> Language:
        """The texts to learn from."""
        return Language(self.recipe.seed, self.scale, begins=self.begins)

    @abstractmethod
    def fresh(self) -> nn.Module:
        """The untrained model of `len(self.language.tokenizer)` words."""

    def batches(self, start: int) -> Iterator[Batch]:
        """Batches of texts of like length; a pool of them depends on nothing but its number."""
        number, skipped = divmod(start, POOL)
        while True:
            yield from self._pool(number)[skipped:]
            number, skipped = number + 1, 0

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Cross-entropy of what is written; logits are computed only there."""
        hidden = model.base_model(batch.ids, use_cache=False).last_hidden_state
        logits = model.get_output_embeddings()(hidden[batch.counted])
        return F.cross_entropy(logits, batch.following[batch.counted])

    def glance(self, model: Any) -> Mapping[str, float]:
        """A few translations and stories, and whether it goes on with rows of random words."""
        tokenizer = self.language.tokenizer
        right = {part: exact(model, texts, tokenizer) for part, texts in self._glanced.items()}
        rows = random_rows(tokenizer, "glance", GLANCED)
        return {**dict(shares(right)), "repeats": repeats_right(model, rows, begin_of(tokenizer))}

    def save(self, model: Any, folder: Path) -> None:
        """An ordinary folder of transformers."""
        copy.deepcopy(model).half().save_pretrained(folder)
        self.language.tokenizer.save_pretrained(folder)

    def figures(self, folder: Path, seed: int) -> Figures:
        """Exact match by part, and the induction score of the best head."""
        return figures(folder, held_out_texts(seed), f"{seed}")

    def heads(self, folder: Path) -> Mapping[str, tuple[str, int]]:
        """The best of each role, chosen on rows of random words of the seed of training."""
        found = scored_heads(folder, f"{self.recipe.seed}")
        return {role: (f"decoder.{best[0].layer}.self", best[0].head) for role, best in found.items()}

    def notes(self) -> str:
        """What the figures mean."""
        return NOTES

    def _pool(self, number: int) -> list[Batch]:
        """`POOL` batches of about as many tokens each."""
        chance = random.Random(f"{self.recipe.seed} pool {number}")
        texts, total = [], 0
        done = 1.0 if self.follows else number * POOL / self.recipe.steps
        while total < POOL * self.tokens:
            texts.append(coded(self.language.tokenizer, self.language.text(chance, done)))
            total += _length(texts[-1])
        texts.sort(key=_length)
        places = [end * POOL // (total + 1) for end in accumulate(map(_length, texts))]
        cut = [[text for text, at in zip(texts, places, strict=True) if at == i] for i in range(POOL)]
        chance.shuffle(cut)
        return [to_batch(some, END_ID) for some in cut]

    @cached_property
    def _glanced(self) -> dict[str, list[Text]]:
        return held_out_texts(self.recipe.seed + 1, min(self.scale, 0.05), GLANCED)


def _length(text: tuple[list[int], list[int]]) -> int:
    return len(text[0]) + len(text[1])
