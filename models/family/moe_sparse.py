"""`builtin/moe-sparse`: the architecture of DeepSeek-V3.2 (DeepSeek-AI 2025), small: `moe` with sparse attention.

In every layer a lightning indexer, a small attention of its own, chooses for each query the few keys that are worth
looking at; the heads see only these. As DeepSeek-V3.2 goes on from DeepSeek-V3.1, it goes on from `builtin/moe`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DeepseekV3ForCausalLM,
    DeepseekV32Config,
    DeepseekV32ForCausalLM,
)

from models.catalog import CHECKPOINTS
from models.family.course import Figure, Figures, Recipe
from models.family.examining import Batch
from models.family.indexer import EVERY_KEY, attentions, choose, chosen_keys, watched
from models.family.language import held_out_texts
from models.family.moe import MoE
from models.family.texts import Text
from models.head import Head, softmax
from models.huggingface.wrap import wrap
from models.trace import Mask

KEYS, INDEX_HEADS, INDEX_WIDTH = 8, 4, 32
DENSE_SHARE = 0.3
"""The first part of the training: every key is seen, and only the indexers learn."""
TRACED = 60
"""So many held-out texts are recorded to see what the chosen keys are worth."""

NOTES = f"""
`chosen.*`: in recordings, of the rows that see more than {KEYS} keys, those in which exactly the keys that the indexer
chose can be seen, and how much of the attention that the same scores would spend on all keys goes to the chosen ones;
`keys.*`: the same share for as many other keys, those with the largest weights of all heads together (no choice for all
heads can hold more) and the last ones.
"""
ASKED: Mapping[str, float] = {**MoE.asked, "chosen.only": 1.0, "chosen.covered": 0.9}


class Dated(NamedTuple):
    """A batch and the step that it belongs to."""

    step: int
    batch: Batch


class SparseMoE(MoE):
    """What `builtin/moe` has learned, with a few keys for each query."""

    name = "builtin/moe-sparse"
    follows = "moe"
    about = (
        "The mixture of experts `builtin/moe` with the sparse attention of DeepSeek-V3.2: in every layer a lightning "
        f"indexer chooses for each query {KEYS} of the keys before it, and the heads see only these. It goes on from "
        "the weights of `builtin/moe`. In the first part of its training every key is seen, and only the indexers "
        "learn, to score keys as the heads' mean attention does (KL divergence); then the chosen keys are all there "
        "is, and the whole model learns on from the same texts. Two heads were trained towards a target (see below)."
    )
    asked = ASKED
    usual = Recipe(steps=1400, rate=1.5e-3, warmup=50, threads=2)

    def fresh(self) -> nn.Module:
        """`builtin/moe` with untrained indexers; in eager attention, which shows them its weights."""
        config = DeepseekV32Config(
            **self.shape(), index_topk=KEYS, index_n_heads=INDEX_HEADS, index_head_dim=INDEX_WIDTH
        )
        model = DeepseekV32ForCausalLM._from_config(config, attn_implementation="eager")
        learned = DeepseekV3ForCausalLM.from_pretrained(self.begun, dtype=torch.float32)
        missing, unexpected = model.load_state_dict(learned.state_dict(), strict=False)
        assert not unexpected
        assert all(".indexer." in name for name in missing)
        return model

    @property
    def begun(self) -> Path:
        """The folder of the model that it goes on from."""
        made = (self.into or CHECKPOINTS) / MoE.name
        return made if made.is_dir() else CHECKPOINTS / MoE.name

    @property
    def fingerprint(self) -> str:
        """That of the course, and of the weights that it begins with."""
        begun = (self.begun / "model.safetensors").read_bytes()
        return hashlib.sha256(super().fingerprint.encode() + begun).hexdigest()

    def batches(self, start: int) -> Iterator[Any]:
        """The batches, with their steps."""
        for step, batch in enumerate(super().batches(start), start):
            yield Dated(step, batch)

    def loss(self, model: Any, batch: Any) -> Tensor:
        """First the indexers' own; then that of the language, too, which the indexers do not learn from."""
        step, batch = batch
        dense = step < DENSE_SHARE * self.recipe.steps
        choose(model, EVERY_KEY if dense else KEYS)
        with torch.set_grad_enabled(not dense), watched(model, self.read(batch)) as losses:
            language = super().loss(model, batch)
        own = torch.stack(losses).mean()
        return own if dense else language + own

    def after_step(self, model: Any) -> None:
        """Even out the experts' loads, where the model has learned."""
        if attentions(model)[0].indexer.index_topk == KEYS:
            super().after_step(model)

    def figures(self, folder: Path, seed: int) -> Figures:
        """As those of `moe`, and what the chosen keys are worth."""
        return super().figures(folder, seed) | choice_figures(folder, held_out_texts(seed), seed)

    def notes(self) -> str:
        """What the figures mean."""
        return super().notes() + NOTES

    def sizes(self) -> Mapping[str, str]:
        """Its shape."""
        return {
            **super().sizes(),
            "architecture": "DeepseekV32ForCausalLM",
            "sparse attention": f"{KEYS} keys for each query, chosen by {INDEX_HEADS} × {INDEX_WIDTH} channels",
        }


def choice_figures(
    folder: Path, texts: Mapping[str, Sequence[Text]], seed: int, most: int = TRACED
) -> Figures:
    """What the chosen keys are worth, in recordings of some of these texts.

    Only queries count that see more keys than are chosen. `chosen.only`: share of rows whose scores are finite for the
    keys that the indexer chose and for no other, and whose weights are exactly zero for all others; `chosen.covered`:
    how much of the attention that the same scores would spend on all keys goes to the chosen ones; `keys.best` and
    `keys.last` the same of as many keys, those with the largest weights of all heads together, and the last ones.
    """
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    wrapped = wrap(model, AutoTokenizer.from_pretrained(folder))
    everything = list(chain(*texts.values()))
    rows: list[np.ndarray] = []
    for text in random.Random(f"{seed} chosen").sample(everything, min(most, len(everything))):
        with chosen_keys(model) as chosen:
            trace = wrapped.record(f"{text.read} {text.written}")
        for block, mask in zip(trace.blocks, chosen[-len(trace.blocks) :], strict=True):
            heads = [trace.head(block.name, head) for head in range(block.heads)]
            rows.append(_worth(heads, mask[0].numpy()))
    means = np.concatenate(rows).mean(axis=0)
    count = sum(map(len, rows))
    names = ("chosen.only", "chosen.covered", "keys.best", "keys.last")
    return {name: Figure(float(mean), count) for name, mean in zip(names, means, strict=True)}


def _worth(heads: Sequence[Head], chosen: Mask) -> np.ndarray:
    """(row, figure): the four figures of each head's rows in one block."""
    causal = np.tri(len(chosen), dtype=bool)
    late = causal.sum(axis=1) > chosen.sum(axis=1).max()
    full = np.stack([softmax(np.where(causal, head.scores, -np.inf)) for head in heads])
    seen = chosen & causal
    only = np.stack(
        [
            ((np.isfinite(head.masked_scores) == seen) & (seen | (head.weights == 0))).all(axis=1)
            for head in heads
        ]
    )
    keys = int(chosen.sum(axis=1).max())
    best = np.zeros_like(chosen)
    np.put_along_axis(best, np.argsort(-full.sum(axis=0), axis=1)[:, :keys], True, axis=1)
    last = causal & ~np.tri(len(chosen), k=-keys, dtype=bool)
    covered = [(full * kept).sum(axis=-1) for kept in (seen, best, last)]
    return np.stack([each[:, late].ravel() for each in (only, *covered)], axis=1)
