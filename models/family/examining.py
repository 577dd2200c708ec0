"""Measures a decoder-only model: what it writes, whether it goes on with a row, where its heads look."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from models.family.course import Figure, Figures
from models.family.language import END_ID, begin_of, coded, words_of
from models.family.repeats import HeadScore, head_scores, row_of, twice
from models.family.texts import Text

CHUNK = 128
ROW = 20
"""So long are the rows of random words that heads are measured on."""
ROWS = 64

Coded = tuple[list[int], list[int]]
"""The ids of what is read and of what is written."""


class Batch(NamedTuple):
    """Texts as ids, filled up on the right; `following` is the next token, `counted` where it is to be written.

    `copied`: the texts whose next words stand in the text already.
    """

    ids: Int[Tensor, "batch token"]
    following: Int[Tensor, "batch token"]
    counted: Bool[Tensor, "batch token"]
    copied: Bool[Tensor, " batch"]


def to_batch(texts: Sequence[Coded], filler: int, copied: Sequence[bool] = ()) -> Batch:
    """Texts in one batch; a model that sees only what came before never sees the filler."""
    longest = max(len(read) + len(written) for read, written in texts)
    whole = torch.full((len(texts), longest), filler)
    counted = torch.zeros(len(texts), longest, dtype=torch.bool)
    for row, (read, written) in enumerate(texts):
        whole[row, : len(read) + len(written)] = torch.tensor([*read, *written])
        counted[row, len(read) : len(read) + len(written)] = True
    return Batch(whole[:, :-1], whole[:, 1:], counted[:, 1:], torch.tensor(copied or [False] * len(texts)))


@torch.no_grad()
def exact(model: Any, texts: Sequence[Text], tokenizer: PreTrainedTokenizerBase) -> list[bool]:
    """Whether the model writes each text as it should, end included.

    Greedily it writes the right text if and only if each right token is the most probable one after the right ones
    before it: so one pass over the whole text shows it.
    """
    ids = [coded(tokenizer, text) for text in texts]
    order = sorted(range(len(ids)), key=lambda i: sum(map(len, ids[i])))
    right = [False] * len(ids)
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        batch = to_batch([ids[i] for i in chunk], END_ID)
        hit = model(batch.ids, use_cache=False).logits.argmax(dim=-1) == batch.following
        for i, whole in zip(chunk, (hit | ~batch.counted).all(dim=-1).tolist(), strict=True):
            right[i] = whole
    return right


@torch.no_grad()
def repeats_right(model: Any, rows: Sequence[Sequence[int]], begin: Sequence[int]) -> float:
    """The share of tokens of a second round that the model says, given the first and the token before."""
    ids, length = twice(rows, begin), len(rows[0])
    logits = model(ids, use_cache=False).logits[:, -length:-1]
    return (logits.argmax(dim=-1) == ids[:, 1 - length :]).float().mean().item()


def random_rows(tokenizer: PreTrainedTokenizerBase, seed: str, count: int) -> list[list[int]]:
    """Rows of random words as ids."""
    chance, ids, words = random.Random(seed), tokenizer.get_vocab(), words_of(tokenizer)
    return [[ids[word] for word in row_of(words, chance, ROW)] for _ in range(count)]


def scored_heads(folder: Path, seed: str, count: int = ROWS) -> Mapping[str, list[HeadScore]]:
    """The heads of the model in this folder by their role, best first, on random rows of this seed."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return head_scores(model.eval(), random_rows(tokenizer, seed, count), begin_of(tokenizer))


def induction_score(folder: Path, seed: str, count: int = ROWS) -> float:
    """The score of the best induction head on rows of this seed; which is the best, other rows say."""
    layer, head, _ = scored_heads(folder, f"{seed} chosen", count)["induction"][0]
    found = scored_heads(folder, f"{seed} measured", count)["induction"]
    return next(score for *which, score in found if which == [layer, head])


def figures(folder: Path, texts: Mapping[str, Sequence[Text]], seed: str, rows: int = ROWS) -> Figures:
    """Exact match by part of these texts, and on so many random rows the score of the best induction head."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found: Figures = {}
    for part, some in texts.items():
        right = exact(model, some, tokenizer)
        found[part] = Figure(sum(right) / max(len(right), 1), len(right))
    right = repeats_right(model, random_rows(tokenizer, f"{seed} right", rows), begin_of(tokenizer))
    return found | {
        "induction.score": Figure(induction_score(folder, seed, rows), rows * ROW),
        "induction.right": Figure(right, rows * (ROW - 1)),
    }


def shares(figures: Mapping[str, Sequence[bool]]) -> Iterator[tuple[str, float]]:
    """First part of the name → the share that is right."""
    for start in dict.fromkeys(name.split(".")[0] for name in figures):
        right = [x for name, found in figures.items() if name.startswith(f"{start}.") for x in found]
        yield start, sum(right) / len(right)
