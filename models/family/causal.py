"""The course of every decoder-only model of the family: one next token after another.

    loss = mean over what is written of −log p(token | everything before) + guidance of two heads

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
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from models.builtin.corpus.pair import STOPS
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
from models.family.guidance import guidance, listed, places
from models.family.language import END_ID, PHENOMENON_SHARES, Language, begin_of, coded, held_out_texts
from models.family.texts import Text

CONTEXT = 96
POOL = 16
"""So many batches are drawn at once, their texts sorted by length, to compute little padding."""
SMOOTHING = 0.05
EAGER = "eager"
"""The attention of transformers that gives its weights out; the saved model does not remember it."""
INITIAL = 0.06
"""Standard deviation of the first weights: larger than usual, so that so narrow a model begins to learn at once."""
NOTES = """
Two heads were trained towards a target, in little stories and rows of random words only: `decoder.0.self` head 0 to
look at the token before, `decoder.2.self` head 0 to look at the earlier places of the word that is to be written. The
other heads found their own way.

`exact.*`: held-out sentences that the model translates word for word, greedily, end included, by what they were built
to force; `exact.unknown` has a word that the tokenizer does not know. `recall`, `colour`: little stories in
English and Chinese whose last words only the story can tell, about a combination of two words that no story of the
training held. `heart.*`: what was learned by heart. `induction.score`: the mean weight, over the second round of rows
of random words, on the token after the first occurrence of the same token, in the best head, chosen on other rows;
`induction.right`: the tokens of the second round that the model says.
"""
ASKED: Mapping[str, float] = {
    **dict.fromkeys(("exact.", "recall.", "colour."), 0.95),
    "heart.": 1.0,
    "induction.score": 0.7,
}


class Drawn(NamedTuple):
    """A text as ids, and whether its next words stand in it already."""

    ids: tuple[list[int], list[int]]
    copied: bool

    @property
    def length(self) -> int:
        """Read and written together."""
        return len(self.ids[0]) + len(self.ids[1])


class CausalCourse(Course[Batch]):
    """A decoder-only model of transformers; a subclass says which."""

    asked: ClassVar = ASKED
    usual: ClassVar[Recipe] = Recipe(steps=5600, rate=4e-3, decay=0.05, threads=2)
    begins: ClassVar[bool] = False
    """Whether every text has `<s>` in front."""
    shares: ClassVar[Mapping[str, float]] = PHENOMENON_SHARES
    """How often each phenomenon is drawn among sentences."""
    glanced: ClassVar[int] = 16
    """So many held-out texts of each part tell how training goes."""
    tokens: ClassVar[int] = 1300
    """About so many tokens a batch has, read and written together."""
    scale: ClassVar[float] = 1.0
    """How much of the corpus of sentences is drawn."""

    @cached_property
    def language(self) -> Language:
        """The texts to learn from."""
        return Language(self.recipe.seed, self.scale, begins=self.begins, shares=self.shares)

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
        """Cross-entropy of what is written, whose logits alone are computed, and guidance of two heads."""
        if model.config._attn_implementation != EAGER:
            model.set_attn_implementation(EAGER)
        out = model.base_model(batch.ids, use_cache=False, output_attentions=True)
        logits = model.get_output_embeddings()(out.last_hidden_state[batch.counted])
        asked = batch.counted & batch.copied[:, None] & ~torch.isin(batch.following, self._closing)
        wanted = places(batch.ids, batch.following, asked)
        plain = F.cross_entropy(logits, batch.following[batch.counted], label_smoothing=SMOOTHING)
        return plain + guidance(out.attentions, wanted, batch.ids != END_ID)

    def glance(self, model: Any) -> Mapping[str, float]:
        """A few translations and stories, and whether it goes on with rows of random words."""
        tokenizer = self.language.tokenizer
        right = {part: exact(model, texts, tokenizer) for part, texts in self._glanced.items()}
        rows = random_rows(tokenizer, "glance", self.glanced)
        return {**dict(shares(right)), "repeats": repeats_right(model, rows, begin_of(tokenizer))}

    def save(self, model: Any, folder: Path) -> None:
        """An ordinary folder of transformers; its `config.json` lists the guided heads too."""
        saved = copy.deepcopy(model).half()
        saved.config.guided = listed()
        saved.save_pretrained(folder)
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
        texts, total = list[Drawn](), 0
        done = 1.0 if self.follows else number * POOL / self.recipe.steps
        while total < POOL * self.tokens:
            text = self.language.text(chance, done)
            texts.append(Drawn(coded(self.language.tokenizer, text), text.copied))
            total += texts[-1].length
        texts.sort(key=lambda text: text.length)
        at = [end * POOL // (total + 1) for end in accumulate(text.length for text in texts)]
        cut = [[text for text, place in zip(texts, at, strict=True) if place == i] for i in range(POOL)]
        chance.shuffle(cut)
        return [to_batch([text.ids for text in some], END_ID, [text.copied for text in some]) for some in cut]

    @cached_property
    def _closing(self) -> Int[Tensor, " token"]:
        """The tokens that end a text: they stand everywhere, and nobody need look for them."""
        ids = self.language.tokenizer.get_vocab()
        return torch.tensor([END_ID, *(ids[stop] for stop in sorted(STOPS) if stop in ids)])

    @cached_property
    def _glanced(self) -> dict[str, list[Text]]:
        return held_out_texts(self.recipe.seed + 1, min(self.scale, 0.05), self.glanced)
