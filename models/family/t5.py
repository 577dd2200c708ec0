"""`builtin/t5`: a small T5 that reads its task from a prefix and writes its answer, whatever the task, as text.

Scores are Q Kᵀ + b with no factor 1/√d; b depends on the distance between query and key only, is learned for each
head of the first layer, and used by all layers of the same tower (Raffel et al. 2020, §2.1).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, count
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from models.builtin.corpus.generator import Corpus, build
from models.builtin.training import padded
from models.family.course import Course, Figure, Figures, Recipe
from models.family.discourse import vocabulary
from models.family.text_to_text import (
    SENTINELS,
    SIGNS,
    Cutter,
    Example,
    FillTheGap,
    NextSentence,
    Task,
    Translation,
    apart,
    judged,
    measured,
)
from models.family.words import word_tokenizer

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
TOGETHER = 16
"""So many batches are drawn at once and sorted by length, to compute little padding."""
SENTENCES = 64
"""Examples of a batch in the mean; a batch of short ones has more."""
SMOOTHING = 0.05
IGNORED = -100
"""The label of a place that teaches nothing."""
MEASURED = 300
"""The most examples of a kind that are measured."""
LONGEST = 40
"""Tokens after which the model stops writing."""


SIZES: Mapping[str, Any] = {
    "d_model": 128,
    "d_kv": 32,
    "d_ff": 320,
    "num_layers": 2,
    "num_heads": 4,
    "relative_attention_num_buckets": 16,
    "relative_attention_max_distance": 32,
    "dropout_rate": 0.0,
    "feed_forward_proj": "relu",
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
    "tie_word_embeddings": True,
}


class Batch(NamedTuple):
    """Ids, and `IGNORED` in `labels` where nothing is to be learned."""

    input_ids: Int[Tensor, "batch source"]
    attention_mask: Int[Tensor, "batch source"]
    decoder_input_ids: Int[Tensor, "batch target"]
    labels: Int[Tensor, "batch target"]


class T5Course(Course[Batch]):
    """Text to text: translating, judging and filling, told apart by nothing but a prefix."""

    name = "builtin/t5"
    about = """
A small T5 (Raffel et al. 2020): an encoder-decoder that reads its task from the words in front of a text and writes the
answer, whatever the task, as text. Positions enter as a learned bias on the scores that depends on the distance between
query and key alone, and the scores are not divided by √d. It translates English into French, English into Chinese and
Chinese into English, says whether one sentence follows another, and fills gaps, in its own little world of words.
Everything it learned was drawn from grammars of our own (`models/builtin/corpus/`, `models/family/discourse.py`);
nothing was downloaded. No head was guided. The sentences of the lessons are learned by heart and never used to measure.
"""
    asked: ClassVar = {"exact.": 0.95}
    usual = Recipe(steps=6200, rate=3e-3, threads=2)
    scale = 1.0
    """Share of the corpus that is drawn; less makes small tests quick."""

    def fresh(self) -> T5ForConditionalGeneration:
        """T5's own layers and its own way to draw weights."""
        return T5ForConditionalGeneration(config(len(self.tokenizer)))

    @cached_property
    def corpus(self) -> Corpus:
        """The sentences that are learned from."""
        return build(self.recipe.seed, self.scale)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """A tokenizer that knows every word of every task."""
        pairs = chain(*self.corpus.train.values())
        words = {word for pair in pairs for word in (*apart(pair.source), *apart(pair.target))}
        typed = {word for words in self.corpus.words.values() for word in apart(words)}
        return tokenizer_of(words | typed | vocabulary() | SIGNS)

    @cached_property
    def tasks(self) -> Mapping[Task, float]:
        """What is learned, and how often each is drawn."""
        cutter = Cutter(self.tokenizer)
        return {Translation(self.corpus): 0.6, NextSentence(cutter): 0.24, FillTheGap(cutter): 0.16}

    def batches(self, start: int) -> Iterator[Batch]:
        """Batches of like length; a few are drawn at once, from a seed that counts them."""
        encoder = Encoder(self.tokenizer)
        for pool in count(start // TOGETHER):
            chance = random.Random(f"{self.recipe.seed} {pool}")
            tasks = chance.choices([*self.tasks], [*self.tasks.values()], k=TOGETHER * SENTENCES)
            batches = evenly([example for task in tasks for example in task.draw(chance)], TOGETHER)
            chance.shuffle(batches)
            for batch in batches[max(0, start - pool * TOGETHER) :]:
                yield encoder.batch(batch)

    def loss(self, model: T5ForConditionalGeneration, batch: Batch) -> Float[Tensor, ""]:
        """Cross-entropy of each next token, the tokens before it given."""
        read = model.encoder(batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
        written = model.decoder(
            batch.decoder_input_ids,
            encoder_hidden_states=read,
            encoder_attention_mask=batch.attention_mask,
            use_cache=False,
        ).last_hidden_state
        asked = batch.labels != IGNORED
        scale = model.model_dim**-0.5 if model.config.scale_decoder_outputs else 1.0
        logits = model.lm_head(written[asked] * scale)
        return F.cross_entropy(logits, batch.labels[asked], label_smoothing=SMOOTHING)

    def rates(self, model: T5ForConditionalGeneration) -> Mapping[str, float]:
        """Each matrix learns in proportion to its own size, as under Adafactor, with which T5 was trained.

        Queries begin small because nothing divides by √d, embeddings large. At one rate for all, Adam blows up the
        queries until softmax is saturated, before the heads have found anything; and embeddings hardly move.
        """
        matrices = {name: weight.detach() for name, weight in model.named_parameters() if weight.dim() > 1}
        usual = model.config.d_model**-0.5
        return {name: weight.square().mean().sqrt().item() / usual for name, weight in matrices.items()}

    def glance(self, model: T5ForConditionalGeneration) -> Mapping[str, float]:
        """Exact match on a few examples of the dev set."""
        parts = {
            "translation": list(measured(self.corpus.dev, 8)),
            "judged": list(judged(self.tokenizer, random.Random(0), 10)),
        }
        right = {part: exact(model, self.tokenizer, few) for part, few in parts.items()}
        return {part: sum(hits) / len(hits) for part, hits in right.items()}

    def save(self, model: Any, folder: Path) -> None:
        """Half the digits are enough: the weights as float16, the tokenizer, how to write."""
        kept = T5ForConditionalGeneration(model.config)
        kept.load_state_dict(model.state_dict())
        kept.generation_config = GenerationConfig(
            decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, max_new_tokens=LONGEST
        )
        kept.half().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def figures(self, folder: Path, seed: int) -> Figures:
        """Exact match of each phenomenon and task."""
        return measure(folder, held_out(AutoTokenizer.from_pretrained(folder), seed, MEASURED))

    def sizes(self) -> Mapping[str, str]:
        """The model card's table."""
        sizes = config(len(self.tokenizer))
        return {
            "layers": f"{sizes.num_layers} + {sizes.num_decoder_layers}",
            "heads": f"{sizes.num_heads} of {sizes.d_kv} dimensions",
            "d_model": f"{sizes.d_model}, feed-forward {sizes.d_ff} (ReLU)",
            "position": f"relative bias, {sizes.relative_attention_num_buckets} buckets for each head, "
            f"up to {sizes.relative_attention_max_distance} tokens apart",
            "vocabulary": f"{sizes.vocab_size:,} words and signs of English, French and Chinese",
        }

    def notes(self) -> str:
        """What the figures mean."""
        return NOTES


NOTES = """
Held-out examples share words and grammar with training, but neither these meanings (translation) nor these first
sentences (the other tasks) were in it: this measures recombination, not new language.

- `exact.reorder` … `exact.phrase`: translated word for word as the grammar would, all three directions together, every
  second sentence typed without its full stop. `exact.unknown`: with words that the model cannot know, which must come
  out as `<unk>` in the right places.
- `exact.next.*`: two sentences judged rightly: the second follows; or it does not, though it is of the same topic
  (`hard`: somebody else, another thing or place, a deed that fits elsewhere, a contradiction, a word's other sense);
  or it is of another topic.
- `exact.gap.*`: one word left out that the rest of two sentences settles, typed as `_` or as `<extra_id_0>`. That no
  second answer is right is a claim of our grammar.
"""


class Encoder:
    """Words → ids by a look into the vocabulary, much faster than through text."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.ids = tokenizer.get_vocab()
        self.pad, self.end = self.ids[PAD], self.ids[END]

    def encode(self, words: Sequence[str]) -> list[int]:
        """The ids, with the end token."""
        return [*(self.ids[word] for word in words), self.end]

    def batch(self, examples: Sequence[Example]) -> Batch:
        """Examples as padded tensors."""
        source = padded([self.encode(example.source) for example in examples], self.pad)
        target = padded([[self.pad, *self.encode(example.target)] for example in examples], IGNORED)
        shifted = target[:, :-1].where(target[:, :-1] != IGNORED, self.pad)
        return Batch(source, (source != self.pad).long(), shifted, target[:, 1:].contiguous())


def config(vocabulary: int) -> T5Config:
    """The sizes."""
    return T5Config(vocab_size=vocabulary, **SIZES)


def tokenizer_of(words: set[str]) -> PreTrainedTokenizerFast:
    """Words by id; every text ends with the end token, as T5's own do."""
    tokenizer = word_tokenizer(
        words,
        (PAD, END, UNKNOWN),
        typed=SENTINELS,
        unknown=UNKNOWN,
        pad_token=PAD,
        eos_token=END,
        model_max_length=512,
    )
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"$A {END}", pair=f"$A {END} $B {END}", special_tokens=[(END, 1)]
    )
    return tokenizer


def evenly(examples: Sequence[Example], batches: int) -> list[list[Example]]:
    """The examples in so many batches, short sources first, each of about as many tokens as any other."""
    ordered = sorted(examples, key=lambda example: len(example.source))
    total = sum(len(source) + len(target) for _, source, target in ordered)
    parts, seen = [list[Example]() for _ in range(batches)], 0
    for example in ordered:
        parts[min(seen * batches // total, batches - 1)].append(example)
        seen += len(example.source) + len(example.target)
    return parts


def held_out(tokenizer: PreTrainedTokenizerFast, seed: int, most: int, scale: float = 1.0) -> list[Example]:
    """Examples that no seed's training has and whose words it knows, at most so many of a kind."""
    known = set(tokenizer.get_vocab())
    translations = {
        phenomenon: [pair for pair in pairs if known.issuperset(apart((*pair.source, *pair.target)))]
        for phenomenon, pairs in build(seed, scale).test.items()
    }
    return [*measured(translations, most), *judged(tokenizer, random.Random(f"{seed} held out"), most)]


def measure(folder: Path, examples: Sequence[Example]) -> Figures:
    """Share of each kind that the stored model writes word for word as expected."""
    model = T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    right: dict[str, list[bool]] = {}
    for example, hit in zip(
        examples, exact(model, AutoTokenizer.from_pretrained(folder), examples), strict=True
    ):
        right.setdefault(example.kind, []).append(hit)
    return {f"exact.{kind}": Figure(sum(hits) / len(hits), len(hits)) for kind, hits in right.items()}


def exact(model: Any, tokenizer: PreTrainedTokenizerFast, examples: Sequence[Example]) -> list[bool]:
    """Which examples the model answers word for word, written greedily."""
    encoder, right = Encoder(tokenizer), dict[int, bool]()
    ordered = sorted(range(len(examples)), key=lambda i: len(examples[i].source))
    for first in range(0, len(ordered), 64):
        chosen = ordered[first : first + 64]
        batch = encoder.batch([examples[i] for i in chosen])
        written = model.generate(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, max_new_tokens=LONGEST
        )
        for i, ids in zip(chosen, written[:, 1:].tolist(), strict=True):
            wanted = encoder.encode(examples[i].target)
            right[i] = ids[: len(wanted)] == wanted
    return [right[i] for i in range(len(examples))]
