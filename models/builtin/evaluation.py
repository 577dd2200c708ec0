"""Measures a translator on held-out sentences: what it writes, where its heads look, whether that is used.

Heads are chosen on the dev sentences and measured on the test sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.builtin.corpus.generator import PHENOMENA, UNSEEN_ORDER, Corpus
from models.builtin.corpus.pair import Pair
from models.builtin.encoder_decoder import Network
from models.builtin.tokenizer import Tokenizer
from models.builtin.training import Batch, to_batch
from models.builtin.transformer import Transformer
from models.edits import ScaleHead
from models.recorder import Edit, Recorder, recording
from models.trace import Site

CHUNK = 256
MOST = 300
"""So many sentences of each phenomenon are measured."""
PRONOUNS = frozenset({"il", "elle"})


class Figure(NamedTuple):
    """A share in [0, 1] and of how many."""

    value: float
    n: int


class HeadName(NamedTuple):
    """One head of one block."""

    block: str
    head: int


Figures = dict[str, Figure]
Rows = Callable[[Batch], Bool[Tensor, "batch query key"]]


@dataclass(frozen=True)
class PointRows:
    """In one head, one row of each sentence attends to one key only."""

    name: HeadName
    queries: Int[Tensor, " batch"]
    keys: Int[Tensor, " batch"]
    site: ClassVar[Site] = Site.WEIGHTS

    @property
    def block(self) -> str:
        """The block of the head."""
        return self.name.block

    def apply(self, tensor: Tensor) -> Tensor:
        """The weights with those rows one-hot."""
        weights, sentences = tensor.clone(), torch.arange(len(tensor))
        weights[sentences, self.name.head, self.queries] = 0.0
        weights[sentences, self.name.head, self.queries, self.keys] = 1.0
        return weights


@dataclass(frozen=True)
class Examiner(Generic[Network]):
    """A model, its tokenizer, and what may be asked of them."""

    model: Network
    tokenizer: Tokenizer

    def translate(self, pairs: Sequence[Pair], edits: Sequence[Edit] = ()) -> list[tuple[str, ...]]:
        """The words that the model writes for each source, greedily, under these edits."""
        batch = to_batch(pairs, self.tokenizer)
        limit = batch.target.shape[1] + 3
        with recording(Recorder(edits, sites=())):
            start, end = batch.target[:, :1], self.tokenizer.end
            output = self.model.greedy(batch.source, start, end, limit, cached=not edits)
        return [self._words(ids) for ids in output[:, 1:].tolist()]

    def _words(self, ids: list[int]) -> tuple[str, ...]:
        end = ids.index(self.tokenizer.end) if self.tokenizer.end in ids else len(ids)
        return tuple(self.tokenizer.vocabulary[i] for i in ids[:end])

    def exact(self, pairs: Sequence[Pair], edits: Sequence[Edit] = ()) -> Figure:
        """Share of sentences translated word for word as expected."""
        right = [
            output == pair.target
            for chunk in chunks(pairs)
            for pair, output in zip(chunk, self.translate(chunk, edits), strict=True)
        ]
        return share(right)

    def pointing(
        self, pairs: Sequence[Pair], blocks: Sequence[str], rows: Rows
    ) -> dict[HeadName, tuple[Figure, Figure]]:
        """For each head of these blocks: share of rows whose largest weight is where `rows` wants it, and of sentences.

        Only rows that want anything count. The model reads the expected translation.
        """
        hits: dict[HeadName, list[list[bool]]] = {}
        for chunk in chunks(pairs):
            batch = to_batch(chunk, self.tokenizer)
            wanted = rows(batch)
            for name, weights in self._weights(batch, blocks):
                hit = wanted.gather(2, weights.argmax(dim=-1, keepdim=True))[..., 0]
                sentences = [h[w].tolist() for h, w in zip(hit, wanted.any(dim=-1), strict=True)]
                hits.setdefault(name, []).extend(sentence for sentence in sentences if sentence)
        return {
            name: (share([hit for sentence in found for hit in sentence]), share([all(s) for s in found]))
            for name, found in hits.items()
        }

    @torch.no_grad()
    def _weights(
        self, batch: Batch, blocks: Sequence[str]
    ) -> Iterator[tuple[HeadName, Float[Tensor, "batch query key"]]]:
        with recording(Recorder(sites={Site.WEIGHTS})) as recorder:
            self.model(batch.source, batch.target)
        for block in blocks:
            weights = recorder.tensors[Site.WEIGHTS, block]
            for head in range(weights.shape[1]):
                yield HeadName(block, head), weights[:, head]

    def flips(self, pairs: Sequence[Pair], head: HeadName) -> Figure:
        """Of the pronouns that are right, the share that turns il ↔ elle when "it" must look at the wrong noun."""
        flipped = []
        for chunk in chunks(pairs):
            queries = torch.tensor([pair.pronoun for pair in chunk])
            keys = torch.tensor([pair.rival for pair in chunk])
            free, forced = self.translate(chunk), self.translate(chunk, [PointRows(head, queries, keys)])
            for pair, before, after in zip(chunk, free, forced, strict=True):
                if pronoun(before) == pronoun(pair.target):
                    flipped.append(pronoun(after) in PRONOUNS - {pronoun(before)})
        return share(flipped)


def pronoun(words: Sequence[str]) -> str:
    """The last il or elle of a French sentence."""
    return next((word for word in reversed(words) if word in PRONOUNS), "")


def share(hits: Sequence[bool]) -> Figure:
    """The share of hits."""
    return Figure(sum(hits) / max(len(hits), 1), len(hits))


def chunks(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    """The pairs, so many at a time."""
    return (pairs[start : start + CHUNK] for start in range(0, len(pairs), CHUNK))


def aligned(batch: Batch) -> Bool[Tensor, "batch target source"]:
    """Where each target word's row should look; the row of the end token does not count."""
    ends = (batch.following != 0).sum(dim=1) - 1
    wanted = batch.aligned.clone()
    wanted[torch.arange(len(wanted)), ends] = False
    return wanted


def referred(batch: Batch) -> Bool[Tensor, "batch source source"]:
    """Where the rows of pronouns and ambiguous words should look."""
    return batch.referred


def most(pairs: Mapping[str, Sequence[Pair]]) -> dict[str, Sequence[Pair]]:
    """At most `MOST` pairs of each phenomenon, spread over all of them."""
    return {name: some[:: max(1, len(some) // MOST)][:MOST] for name, some in pairs.items()}


def contrasting(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs into French whose two nouns differ in gender, so that il or elle tells which one "it" is."""
    return [pair for pair in pairs if pair.language == "fr" and pair.contrast]


def best(found: Mapping[HeadName, tuple[Figure, Figure]]) -> HeadName:
    """The head that points right most often."""
    return max(found, key=lambda name: found[name])


def figures(examiner: Examiner[Transformer], corpus: Corpus) -> tuple[Figures, dict[str, HeadName]]:
    """Every held-out figure of a translator, by dotted name, and the heads that dev chose."""
    dev, test = most(corpus.dev), most(corpus.test)
    seen = {
        name: [pair for pair in pairs if UNSEEN_ORDER not in pair.meaning] for name, pairs in test.items()
    }
    unseen = [pair for pair in corpus.test["reorder"] if UNSEEN_ORDER in pair.meaning][:MOST]
    heads = chosen(examiner, dev)
    result = {f"exact.{name}": examiner.exact(seen[name]) for name in PHENOMENA}
    result["exact.unseen_order"] = examiner.exact(unseen)
    result |= pointing_figures(examiner, seen, heads)
    result["flip.coref"] = examiner.flips(contrasting(corpus.test["coref"]), heads["antecedent"])
    return result | ablations(examiner, seen, heads), heads


def chosen(examiner: Examiner[Transformer], dev: Mapping[str, Sequence[Pair]]) -> dict[str, HeadName]:
    """The cross-attention head that aligns best, and the encoder head that finds antecedents best."""
    config = examiner.model.config
    cross = [f"decoder.{i}.cross" for i in range(config.decoder_layers)]
    own = [f"encoder.{i}.self" for i in range(config.encoder_layers)]
    everything = [pair for name in PHENOMENA for pair in dev[name]]
    return {
        "alignment": best(examiner.pointing(everything, cross, aligned)),
        "antecedent": best(examiner.pointing(dev["coref"], own, referred)),
    }


def pointing_figures(
    examiner: Examiner[Transformer], test: Mapping[str, Sequence[Pair]], heads: Mapping[str, HeadName]
) -> Figures:
    """How often the chosen heads look where they should."""
    alignment, antecedent = heads["alignment"], heads["antecedent"]
    everything = [pair for name in PHENOMENA for pair in test[name]]
    tokens, sentences = examiner.pointing(everything, [alignment.block], aligned)[alignment]
    it, _ = examiner.pointing(test["coref"], [antecedent.block], referred)[antecedent]
    cue, _ = examiner.pointing(test["sense"], [antecedent.block], referred)[antecedent]
    return {
        "alignment.tokens": tokens,
        "alignment.sentences": sentences,
        "antecedent.coref": it,
        "cue.sense": cue,
    }


def ablations(
    examiner: Examiner[Transformer], test: Mapping[str, Sequence[Pair]], heads: Mapping[str, HeadName]
) -> Figures:
    """Exact match with a chosen head silenced, and with nothing but the chosen heads in their blocks."""
    alignment, antecedent = heads["alignment"], heads["antecedent"]
    alone = only(examiner.model, heads)
    result = {}
    for name in ("reorder", "coref"):
        result[f"without_alignment.{name}"] = examiner.exact(test[name], [ScaleHead(*alignment)])
        result[f"without_antecedent.{name}"] = examiner.exact(test[name], [ScaleHead(*antecedent)])
        result[f"alone.{name}"] = examiner.exact(test[name], alone)
    return result


def only(model: Transformer, heads: Mapping[str, HeadName]) -> list[ScaleHead]:
    """Edits that leave nothing on in the chosen heads' blocks but these, and no cross-attention elsewhere."""
    blocks = {heads["antecedent"].block, *(f"decoder.{i}.cross" for i in range(model.config.decoder_layers))}
    every = [HeadName(block, head) for block in sorted(blocks) for head in range(model.config.heads)]
    return [ScaleHead(*name) for name in every if name not in heads.values()]
