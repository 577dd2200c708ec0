"""The courses of the two translators: the same sentences, with two guided heads and without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from models.builtin.checkpoint import load_translator, save_translator
from models.builtin.corpus.generator import Corpus, build
from models.builtin.corpus.pair import Pair
from models.builtin.evaluation import Examiner, chosen, figures, most
from models.builtin.tokenizer import Tokenizer
from models.builtin.training import (
    GUIDED,
    PLAIN,
    Guidance,
    TranslatorRecipe,
    drawn,
    loss_of,
    to_batch,
    tokenizer_of,
)
from models.builtin.transformer import Config, Transformer
from models.family.course import Course, Figure, Figures, Recipe

GLANCED = 60
"""So many held-out sentences are translated to tell how training goes."""


class TranslatorCourse(Course[list[Pair]]):
    """The Transformer of 2017 on parallel sentences; one cross-attention head and one encoder head are guided."""

    name = "builtin/translator"
    about = """
A Transformer of 2017 (Vaswani et al.), small enough to be seen whole: it translates English into French, English into
Chinese and Chinese into English, within its own little world of words. The sentence pairs and their word alignments are
drawn from a grammar of our own (`models/builtin/corpus/`); nothing was downloaded. The sentences of the lessons and
some everyday phrases are learned by heart and never used to measure.
"""
    asked: ClassVar[Mapping[str, float]] = {
        "exact.": 0.97,
        "exact.unknown": 0.95,
        "alignment.tokens": 0.95,
        "alignment.sentences": 0.90,
        "antecedent.": 0.95,
        "flip.": 0.95,
    }
    usual: ClassVar[Recipe] = GUIDED
    whole: ClassVar[TranslatorRecipe] = GUIDED

    def __init__(self, recipe: Recipe | None = None) -> None:
        super().__init__(recipe)
        self.translating: TranslatorRecipe = replace(
            self.whole, steps=self.recipe.steps, seed=self.recipe.seed
        )

    @cached_property
    def corpus(self) -> Corpus:
        """The sentences, split."""
        return build(self.recipe.seed)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Knows every word of the corpus."""
        return tokenizer_of(self.corpus)

    @cached_property
    def config(self) -> Config:
        """The sizes."""
        return Config(len(self.tokenizer.vocabulary))

    def fresh(self) -> Transformer:
        """The untrained translator."""
        return Transformer(self.config)

    def batches(self, start: int) -> Iterator[list[Pair]]:
        """Pairs of like length."""
        return islice(drawn(self.corpus.train, self.translating), start, None)

    def loss(self, model: Transformer, batch: Sequence[Pair]) -> Tensor:
        """Cross-entropy of the next word, and of the guided heads."""
        return loss_of(model, to_batch(batch, self.tokenizer), self.translating)

    def glance(self, model: Transformer) -> Mapping[str, float]:
        """Sentences about "it" and treaties translated exactly."""
        examiner = Examiner(model, self.tokenizer)
        return {
            f"exact.{name}": examiner.exact(self.corpus.dev[name][:GLANCED]).value
            for name in ("reorder", "coref")
        }

    def save(self, model: Transformer, folder: Path) -> None:
        """Weights, sizes, vocabulary, guided heads."""
        guided = Guidance(model.config).heads() if self.translating.guidance else []
        save_translator(folder, model, self.tokenizer, guided, name=self.name)

    def figures(self, folder: Path, seed: int) -> Figures:
        """What it writes, where its heads look, and whether that is used."""
        examiner, corpus = self._examined(folder, seed)
        found, _ = figures(examiner, corpus)
        return {name: Figure(*figure) for name, figure in found.items()}

    def heads(self, folder: Path) -> Mapping[str, tuple[str, int]]:
        """The heads that the dev sentences chose."""
        examiner, corpus = self._examined(folder, self.recipe.seed)
        return {what: (head.block, head.head) for what, head in chosen(examiner, most(corpus.dev)).items()}

    def sizes(self) -> Mapping[str, str]:
        """Layers and widths."""
        sizes = self.config
        return {
            "layers": f"{sizes.encoder_layers} encoder, {sizes.decoder_layers} decoder",
            "parts": "post-norm, ReLU, sinusoidal positions",
            "sizes": f"d_model {sizes.d_model}, {sizes.heads} heads, d_hidden {sizes.d_hidden}, "
            f"vocabulary {sizes.vocabulary} (shared by the three languages)",
            "target language": "the decoder's start token: `<fr>`, `<zh>`, `<en>`",
            "guided heads": "; ".join(
                f"`{guided['block']}` head {guided['head']} → {guided['target']}"
                for guided in (Guidance(sizes).heads() if self.translating.guidance else [])
            )
            or "none: this model learned from translations alone",
        }

    def notes(self) -> str:
        """What the figures mean."""
        return NOTES

    def _examined(self, folder: Path, seed: int) -> tuple[Examiner[Transformer], Corpus]:
        model, tokenizer, _ = load_translator(folder)
        return Examiner(model, tokenizer), known(build(seed), tokenizer)


class PlainTranslatorCourse(TranslatorCourse):
    """The same without guidance: it translates as well, and its heads show less."""

    name = "builtin/translator-plain"
    asked: ClassVar[Mapping[str, float]] = {"exact.reorder": 0.9}
    usual: ClassVar[Recipe] = PLAIN
    whole: ClassVar[TranslatorRecipe] = PLAIN


NOTES = """
Held-out sentences share words and grammar with training but were in it in no direction: this measures recombination,
not new language.

- `exact.*`: translated word for word as the grammar would. `exact.unseen_order`: two adjectives that never follow each
  other in training. `exact.unknown`: sentences with unknown words, which must come out in the right places.
- `alignment.*`: the chosen head's largest weight lies on an aligned source word, by words and by whole sentences.
- `antecedent.coref`, `cue.sense`: the row of "it" looks at the noun it means; the row of an ambiguous word at a word
  that settles its sense.
- `flip.coref`: that one row is forced onto the wrong noun; share in which il and elle change places.
- `without_*`: exact match with that head silenced. `alone.*`: with only the chosen heads on in their blocks.
"""


def known(corpus: Corpus, tokenizer: Tokenizer) -> Corpus:
    """The held-out pairs whose words this tokenizer knows."""
    words = set(tokenizer.vocabulary)
    parts: list[dict[str, list[Pair]]] = [
        {name: [p for p in pairs if words.issuperset((*p.source, *p.target))] for name, pairs in part.items()}
        for part in (corpus.dev, corpus.test)
    ]
    return Corpus(corpus.train, *parts)
