"""The courses of the two recurrent translators: what they are shown, and what length costs them.

They learn the translator's corpus, read forwards and read backwards in equal parts, and longer sources that are made
of two or three of its sentences, so that there is something which one vector cannot hold.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from models.builtin.checkpoint import load_seq2seq, save_translator
from models.builtin.corpus.generator import UNSEEN_ORDER, Corpus, build
from models.builtin.corpus.joining import ends, joined, reversed_source
from models.builtin.corpus.lexicon import Lexicon
from models.builtin.corpus.pair import Pair
from models.builtin.corpus.variations import varied
from models.builtin.evaluation import Examiner, HeadName, aligned, chunks
from models.builtin.recurrent import CROSS, Config, Seq2Seq
from models.builtin.tokenizer import Tokenizer
from models.builtin.training import Batch, guidance_loss, to_batch, tokenizer_of, weighted
from models.family.course import Course, Figure, Figures, Recipe
from models.family.translator import known
from models.recorder import Recorder, recording
from models.trace import Site

LENGTHS = ((1, 5), (6, 10), (11, 15), (16, 20), (21, 30))
"""The bins of the length curve, in words of the source."""
JOINED = (0.5, 0.3, 0.2)
"""How often a source is made of one, two or three sentences."""
SENTENCES, POOL = 64, 8
"""A batch, and how many batches are drawn together, to be cut by length."""
REVERSED = 0.5
"""How often a source is read backwards."""
SMOOTHING = 0.05
MOST = 300
"""So many sources of each length are measured."""
SCALE = 0.3
"""How much of a corpus is drawn to measure on."""


class Drawing:
    """Draws sources of all lengths from groups of sentences, as somebody might type them."""

    def __init__(self, pairs: Mapping[str, Sequence[Pair]]) -> None:
        self._groups, self._weights = weighted({name: some for name, some in pairs.items() if some})
        self._variants = Lexicon(random.Random()).variants
        self._stopped: dict[str, tuple[list[list[Pair]], list[float]]] = {}
        for group, weight in zip(self._groups, self._weights, strict=True):
            if stopped := [pair for pair in group if ends(pair)]:
                groups, weights = self._stopped.setdefault(group[0].language, ([], []))
                groups.append(stopped)
                weights.append(weight)

    def draw(self, chance: random.Random) -> Pair:
        """One pair of one to three sentences, no longer than the longest bin."""
        pair = self._one(self._groups, self._weights, chance)
        for _ in range(chance.choices((0, 1, 2), JOINED)[0]):
            before = self._one(*self._stopped[pair.language], chance)
            if ends(before) and len(before.source) + len(pair.source) <= LENGTHS[-1][1]:
                pair = joined((before, pair))
        return pair

    def _one(self, groups: list[list[Pair]], weights: list[float], chance: random.Random) -> Pair:
        group = chance.choices(groups, weights)[0]
        return varied(chance.choice(group), chance, self._variants)


class Seq2SeqCourse(Course[Batch]):
    """`builtin/seq2seq`: no attention, one vector for the whole source."""

    name = "builtin/seq2seq"
    about = """
Two gated recurrent networks (Cho et al. 2014): one reads the source word by word, its last state is all that the other
one has to write from. It was trained on the sentences of the built-in translator and on longer sources made of two or
three of them, half of them read backwards, as in Sutskever et al. 2014. No attention: the figures by length show what
one vector for a whole sentence costs.
"""
    asked: ClassVar[Mapping[str, float]] = {"exact.1-5": 0.7, "words.1-5": 0.9}
    usual: ClassVar[Recipe] = Recipe(steps=3000, rate=3e-3)
    attention = False
    guidance = 0.0

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus of this seed."""
        return build(self.recipe.seed)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """A tokenizer that knows every word of the corpus."""
        return tokenizer_of(self.corpus)

    def fresh(self) -> Seq2Seq:
        """The untrained model."""
        return Seq2Seq(self._config)

    def batches(self, start: int) -> Iterator[Batch]:
        """Pairs of like length together, half of them with the source backwards."""
        drawing = Drawing(self.corpus.train)
        while True:
            pool, place = divmod(start, POOL)
            chance = random.Random(f"{self.recipe.seed} {pool}")
            pairs = [drawing.draw(chance) for _ in range(POOL * SENTENCES)]
            pairs.sort(key=lambda pair: (len(pair.source), len(pair.target)))
            pairs = [reversed_source(pair) if chance.random() < REVERSED else pair for pair in pairs]
            batches = [pairs[i : i + SENTENCES] for i in range(0, len(pairs), SENTENCES)]
            chance.shuffle(batches)
            for batch in batches[place:]:
                yield to_batch(batch, self.tokenizer)
            start = (pool + 1) * POOL

    def loss(self, model: Seq2Seq, batch: Batch) -> Tensor:
        """Cross-entropy of the next word; with guidance also of the attention towards the aligned words."""
        with recording(Recorder(sites={Site.MASKED_SCORES})) as recorder:
            logits = model(batch.source, batch.target)
        padding = model.config.padding
        loss = F.cross_entropy(
            logits.flatten(0, 1), batch.following.flatten(), ignore_index=padding, label_smoothing=SMOOTHING
        )
        if not self.guidance:
            return loss
        return loss + self.guidance * guidance_loss(
            recorder.tensors[Site.MASKED_SCORES, CROSS], batch.aligned
        )

    def glance(self, model: Seq2Seq) -> Mapping[str, float]:
        """Exact match of a few held-out sources."""
        examiner, by_length = Examiner(model, self.tokenizer), self._glimpsed
        short, long = (examiner.exact(by_length[bin]).value for bin in (LENGTHS[1], LENGTHS[3]))
        found = {"exact.6-10": short, "exact.16-20": long}
        return found | {name: figure.value for name, figure in pointing(examiner, by_length).items()}

    def save(self, model: Seq2Seq, folder: Path) -> None:
        """Weights in half precision, sizes and vocabulary."""
        guided = [{"block": CROSS, "head": 0, "target": "alignment"}] if self.guidance else []
        save_translator(folder, model, self.tokenizer, guided, name=self.name)

    def figures(self, folder: Path, seed: int) -> Figures:
        """Every figure by length, read forwards and backwards."""
        return measured(folder, seed)

    def sizes(self) -> Mapping[str, str]:
        """What the model card lists."""
        said = {"embedding": Config.d_model, "units of each network": Config.units}
        return {name: str(much) for name, much in said.items()} | {
            "sentences of a batch": str(SENTENCES),
            "sources of one, two, three sentences": " / ".join(map(str, JOINED)),
            "guidance of the attention": f"{self.guidance:g}" if self.guidance else "none",
        }

    @cached_property
    def _config(self) -> Config:
        return Config(len(self.tokenizer.vocabulary), attention=self.attention)

    @cached_property
    def _glimpsed(self) -> dict[tuple[int, int], list[Pair]]:
        return by_length(self.corpus.dev, self.recipe.seed, 40)


class AttentionCourse(Seq2SeqCourse):
    """`builtin/seq2seq-attention`: the same networks, and a context of its own for each word."""

    name = "builtin/seq2seq-attention"
    about = """
The two networks of `builtin/seq2seq`, with attention (Bahdanau et al. 2015; the score is Luong's "general"): each step
of the decoder makes its own context from all states of the encoder. Same sentences, same steps, same sizes.

The attention was guided: beside the next word, training asks that each row look at the words that are translated there
(weight 0.5; Garg et al. 2019). Without guidance it stayed on the right word in about 0.78 of all cases.
"""
    asked: ClassVar[Mapping[str, float]] = {"words.": 0.95, "alignment.": 0.9, "reversed_alignment.": 0.9}
    attention = True
    guidance = 0.5


def by_length(pairs: Mapping[str, Sequence[Pair]], seed: int, most: int) -> dict[tuple[int, int], list[Pair]]:
    """At most so many different sources of each length, drawn like those of training; none of the unseen order."""
    seen = {name: [p for p in some if UNSEEN_ORDER not in p.meaning] for name, some in pairs.items()}
    drawing, chance = Drawing(seen), random.Random(f"{seed} lengths")
    found: dict[tuple[int, int], dict[str, Pair]] = {bin: {} for bin in LENGTHS}
    for _ in range(most * 40):
        pair = drawing.draw(chance)
        bin = next((low, high) for low, high in LENGTHS if low <= len(pair.source) <= high)
        if len(found[bin]) < most:
            found[bin].setdefault(pair.key, pair)
        elif all(len(some) == most for some in found.values()):
            break
    return {bin: list(some.values()) for bin, some in found.items()}


def measured(folder: Path, seed: int, most: int = MOST, scale: float = SCALE) -> Figures:
    """The figures of the model in a folder on held-out sources that this seed draws."""
    model, tokenizer, _ = load_seq2seq(folder)
    examiner, sources = (
        Examiner(model, tokenizer),
        by_length(known(build(seed, scale), tokenizer).test, seed, most),
    )
    backwards = {bin: [reversed_source(pair) for pair in pairs] for bin, pairs in sources.items()}
    found = Figures()
    for prefix, pairs in (("", sources), ("reversed_", backwards)):
        for bin, some in pairs.items():
            exact, words = translated(examiner, some)
            found[f"{prefix}exact.{bin[0]}-{bin[1]}"] = exact
            found[f"{prefix}words.{bin[0]}-{bin[1]}"] = words
        found |= {f"{prefix}{name}": figure for name, figure in pointing(examiner, pairs).items()}
    return found


def translated(examiner: Examiner[Seq2Seq], pairs: Sequence[Pair]) -> tuple[Figure, Figure]:
    """Share of sources translated word for word, and of the expected words that are there in the same order."""
    exact, right, words = 0, 0, 0
    for chunk in chunks(pairs):
        for pair, output in zip(chunk, examiner.translate(chunk), strict=True):
            exact += output == pair.target
            right += in_common(output, pair.target)
            words += len(pair.target)
    return Figure(exact / max(len(pairs), 1), len(pairs)), Figure(right / max(words, 1), words)


def in_common(output: Sequence[str], expected: Sequence[str]) -> int:
    """The length of the longest sequence of words that both contain in this order."""
    row = [0] * (len(expected) + 1)
    for word in output:
        before = row
        row = [0]
        for i, other in enumerate(expected):
            row.append(before[i] + 1 if word == other else max(before[i + 1], row[i]))
    return row[-1]


def pointing(examiner: Examiner[Seq2Seq], by_length: Mapping[Any, Sequence[Pair]]) -> Figures:
    """Share of written words whose largest weight lies on a word that they translate; nothing without attention."""
    if not examiner.model.config.attention:
        return {}
    everything = [pair for pairs in by_length.values() for pair in pairs]
    tokens, _ = examiner.pointing(everything, [CROSS], aligned)[HeadName(CROSS, 0)]
    return {"alignment.tokens": Figure(*tokens)}
