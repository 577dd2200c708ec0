"""Trains a translator, plainly or with two guided heads.

    loss = cross-entropy of the next word                                          (Vaswani et al. 2017, §5.4)
         + 0.5 · cross-entropy of one cross-attention head towards the gold alignment      (Garg et al. 2019)
         + 0.5 · cross-entropy of one encoder head: "it" towards its antecedent, an ambiguous word towards its cues

A guided map can be right and yet unused. So for three sentences in ten the guided heads are the only ones left on in
their blocks, and the earlier decoder layers lose their cross-attention (DropHead; Zhou et al. 2020): what these heads
show is then what the translation has to be made from.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.builtin.corpus.generator import Corpus
from models.builtin.corpus.lexicon import Lexicon
from models.builtin.corpus.pair import Pair
from models.builtin.corpus.variations import varied
from models.builtin.tokenizer import SPECIALS, Tokenizer
from models.builtin.transformer import Config, Transformer
from models.family.course import Recipe
from models.recorder import Recorder, recording
from models.trace import Site

GUIDED_HEAD = 0
SHARES = {
    "reorder": 0.06, "coref": 0.08, "sense": 0.10, "zh-reorder": 0.16, "svo": 0.26, "copula": 0.12,
    "phrase": 0.12, "unknown": 0.05, "seeds": 0.025, "everyday": 0.025,
}  # fmt: skip
"""How often each phenomenon is drawn."""
LANGUAGES = {"fr": 0.5, "zh": 0.25, "en": 0.25}
"""How often each target language is drawn: French has the most forms to learn."""
POOL = 1024
"""So many pairs are drawn at once and sorted by length, to compute little padding."""


@dataclass(frozen=True)
class TranslatorRecipe(Recipe):
    """How to train a translator: sizes of steps, and how hard the two heads are guided (0: not at all)."""

    steps: int = 4000
    rate: float = 3e-3
    tokens: int = 2000
    """The most tokens of one batch, source and target together."""
    smoothing: float = 0.05
    guidance: float = 0.5
    drop_heads: float = 0.3


GUIDED = TranslatorRecipe()
PLAIN = TranslatorRecipe(guidance=0.0, drop_heads=0.0)


@dataclass(frozen=True)
class Batch:
    """Pairs as tensors. `aligned` and `referred` are True where a guided row should look."""

    source: Int[Tensor, "batch source"]
    target: Int[Tensor, "batch target"]
    following: Int[Tensor, "batch target"]
    aligned: Bool[Tensor, "batch target source"]
    referred: Bool[Tensor, "batch source source"]


@dataclass(frozen=True)
class GateHeads:
    """Training only: each sentence's heads of a block, times 1 or 0."""

    block: str
    gates: Float[Tensor, "batch head 1 1"]
    site: ClassVar[Site] = Site.CONTEXT

    def apply(self, tensor: Tensor) -> Tensor:
        """The context with some heads of some sentences silent."""
        return tensor * self.gates


@dataclass(frozen=True)
class Guidance:
    """Which blocks hold the guided heads: the last of the encoder and the last cross-attention."""

    config: Config

    @property
    def antecedent(self) -> str:
        """The block whose head finds out whom "it" means."""
        return f"encoder.{self.config.encoder_layers - 1}.self"

    @property
    def alignment(self) -> str:
        """The block whose head finds the word to translate."""
        return f"decoder.{self.config.decoder_layers - 1}.cross"

    def heads(self) -> list[dict[str, str | int]]:
        """The guided heads as `config.json` lists them."""
        return [
            {"block": self.alignment, "head": GUIDED_HEAD, "target": "alignment"},
            {"block": self.antecedent, "head": GUIDED_HEAD, "target": "antecedent"},
        ]

    def gates(self, sentences: int, share: float) -> list[GateHeads]:
        """For a random share of the sentences, only the guided heads stay on."""
        kept = (torch.rand(sentences, 1, 1, 1) >= share).float()
        others = kept.repeat(1, self.config.heads, 1, 1)
        guided = others.index_fill(1, torch.tensor([GUIDED_HEAD]), 1.0)
        earlier = [GateHeads(f"decoder.{i}.cross", others) for i in range(self.config.decoder_layers - 1)]
        return [GateHeads(self.antecedent, guided), GateHeads(self.alignment, guided), *earlier]


def tokenizer_of(corpus: Corpus) -> Tokenizer:
    """A tokenizer that knows every word of the corpus."""
    tokens = {
        word for pairs in corpus.train.values() for pair in pairs for word in (*pair.source, *pair.target)
    }
    known = tokens.union(*corpus.words.values()) - set(SPECIALS)
    return Tokenizer((*SPECIALS, *sorted(known)), corpus.words)


def to_batch(pairs: Sequence[Pair], tokenizer: Tokenizer) -> Batch:
    """Pairs of words → padded ids, with the rows that guidance speaks of."""
    sources = [[*map(tokenizer.id, pair.source), tokenizer.end] for pair in pairs]
    targets = [[tokenizer.start(pair.language), *map(tokenizer.id, pair.target)] for pair in pairs]
    source, target = padded(sources, tokenizer.pad), padded(targets, tokenizer.pad)
    following = padded([[*ids[1:], tokenizer.end] for ids in targets], tokenizer.pad)
    aligned = torch.zeros(*target.shape, source.shape[1], dtype=torch.bool)
    referred = torch.zeros(*source.shape, source.shape[1], dtype=torch.bool)
    for row, pair in enumerate(pairs):
        for position, links in enumerate((*pair.alignment, (len(pair.source),))):
            aligned[row, position, list(links)] = True
        for position, links in references(pair):
            referred[row, position, list(links)] = True
    return Batch(source, target, following, aligned, referred)


def references(pair: Pair) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Source positions whose meaning lies in other source positions, with those."""
    if pair.pronoun is not None and pair.antecedent is not None:
        yield pair.pronoun, (pair.antecedent,)
    if pair.ambiguous is not None and pair.cues:
        yield pair.ambiguous, pair.cues


def padded(rows: Sequence[Sequence[int]], padding: int) -> Int[Tensor, "batch longest"]:
    """Rows of ids, made equally long."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[padding] * (longest - len(row))] for row in rows])


def guidance_loss(
    masked_scores: Float[Tensor, "batch head query key"], wanted: Bool[Tensor, "batch query key"]
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the guided head's rows towards the wanted keys, in equal parts; no wanted row: zero."""
    log_weights = masked_scores[:, GUIDED_HEAD].log_softmax(dim=-1)
    share = wanted / wanted.sum(dim=-1, keepdim=True).clamp(min=1)
    return -(share * log_weights.masked_fill(~wanted, 0.0)).sum() / wanted.any(dim=-1).sum().clamp(min=1)


def loss_of(model: Transformer, batch: Batch, recipe: TranslatorRecipe) -> Float[Tensor, ""]:
    """The training loss of one batch, under this recipe."""
    guidance = Guidance(model.config)
    edits = guidance.gates(len(batch.source), recipe.drop_heads) if recipe.drop_heads else []
    with recording(Recorder(edits, {Site.MASKED_SCORES})) as recorder:
        logits = model(batch.source, batch.target)
    padding, smoothing = model.config.padding, recipe.smoothing
    loss = F.cross_entropy(
        logits.flatten(0, 1), batch.following.flatten(), ignore_index=padding, label_smoothing=smoothing
    )
    if not recipe.guidance:
        return loss
    alignment = guidance_loss(recorder.tensors[Site.MASKED_SCORES, guidance.alignment], batch.aligned)
    antecedent = guidance_loss(recorder.tensors[Site.MASKED_SCORES, guidance.antecedent], batch.referred)
    return loss + recipe.guidance * (alignment + antecedent)


def drawn(pairs: Mapping[str, Sequence[Pair]], recipe: TranslatorRecipe) -> Iterator[list[Pair]]:
    """Endless batches of pairs of like length, each as somebody might type it."""
    chance = random.Random(recipe.seed)
    variants = Lexicon(chance).variants
    groups, weights = weighted(pairs)
    while True:
        chosen = chance.choices(groups, weights, k=POOL)
        batches = list(
            cut([varied(chance.choice(group), chance, variants) for group in chosen], recipe.tokens)
        )
        chance.shuffle(batches)
        yield from batches


def cut(pairs: list[Pair], tokens: int) -> Iterator[list[Pair]]:
    """The pairs, short ones first, in batches of at most so many tokens."""
    batch: list[Pair] = []
    longest = 0
    for pair in sorted(pairs, key=lambda pair: (len(pair.target), len(pair.source))):
        longest = max(longest, len(pair.source) + len(pair.target) + 2)
        if batch and (len(batch) + 1) * longest > tokens:
            yield batch
            batch, longest = [], len(pair.source) + len(pair.target) + 2
        batch.append(pair)
    yield batch


def weighted(
    pairs: Mapping[str, Sequence[Pair]], shares: Mapping[str, float] = SHARES
) -> tuple[list[list[Pair]], list[float]]:
    """The pairs by phenomenon and language, and how often each group is drawn."""
    groups: dict[tuple[str, str], list[Pair]] = {}
    for name, some in pairs.items():
        for pair in some:
            groups.setdefault((name, pair.language), []).append(pair)
    return list(groups.values()), [shares[name] * LANGUAGES[language] for name, language in groups]
