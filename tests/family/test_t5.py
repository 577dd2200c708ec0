"""The shipped T5: what it writes, how it reads, that every head is proved; and that its course is repeatable."""

import random
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, T5ForConditionalGeneration

from models.family.t5 import Encoder, T5Course, evenly, held_out, measure
from models.family.text_to_text import SENTINELS, Example
from models.family.trainer import Training
from models.huggingface.load import load_pretrained

FOLDER = Path(__file__).parents[2] / "assets" / "checkpoints" / "builtin" / "t5"
NAME = "builtin/t5"
OTHER_SEED = 77_003
MOST = 60
SCALE = 0.2

torch.set_num_threads(1)


class Tiny(T5Course):
    """The same course on a small part of the corpus."""

    scale = 0.01


def tiny(steps=2):
    return Tiny(replace(T5Course.usual, steps=steps))


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def eager():
    return T5ForConditionalGeneration.from_pretrained(
        FOLDER, dtype=torch.float32, attn_implementation="eager"
    ).eval()


@pytest.fixture(scope="module")
def wrapped():
    return load_pretrained(NAME, (NAME,), place=FOLDER)


@pytest.fixture(scope="module")
def examples(tokenizer):
    return held_out(tokenizer, OTHER_SEED, MOST, SCALE)


def test_it_answers_what_was_never_learned(examples):
    figures = measure(FOLDER, examples)
    assert T5Course().missed(figures) == []


def test_all_that_is_learned_and_measured_is_read_as_it_was_meant(tokenizer, examples):
    encoder = Encoder(tokenizer)
    for _, *both in random.Random(0).sample(examples, 300):
        for words in both:
            assert tokenizer(" ".join(words))["input_ids"] == encoder.encode(words)
            assert tokenizer(tokenizer.decode(encoder.encode(words)[:-1]))["input_ids"] == encoder.encode(
                words
            )


def test_a_text_ends_with_the_end_token(tokenizer):
    read = tokenizer.tokenize("translate English to French: The cat sleeps.", add_special_tokens=True)
    assert read == ["translate", "English", "to", "French", ":", "the", "cat", "sleeps", ".", "</s>"]


@pytest.mark.parametrize(
    "text", [f"the {SENTINELS[0]} sleeps", "the_sleeps", "我_苹果。", f"我{SENTINELS[1]}苹果。"]
)
def test_a_gap_is_a_token_wherever_it_stands(tokenizer, text):
    assert len(tokenizer.tokenize(text)) >= 3
    assert {"_", *SENTINELS} & set(tokenizer.tokenize(text))


def test_opening_it_takes_less_than_a_second():
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        load_pretrained(NAME, (NAME,), place=FOLDER)
        taken.append(time.perf_counter() - started)
    assert min(taken) < 1.0


def test_its_attention_is_that_of_transformers_and_every_head_is_proved(wrapped, eager, tokenizer):
    text = "translate English to French: The animal didn't cross the street because it was too tired."
    trace = wrapped.record(text)
    ids = torch.tensor([[token.id for token in trace.tokens["decoder"]]])
    with torch.no_grad():
        wanted = eager(**tokenizer(text, return_tensors="pt"), decoder_input_ids=ids, output_attentions=True)
    places = {"encoder": wanted.encoder_attentions, "decoder": wanted.decoder_attentions}
    for block in trace.blocks:
        stream, layer, kind = block.name.split(".")
        weights = wanted.cross_attentions if kind == "cross" else places[stream]
        np.testing.assert_allclose(trace.weights(block.name), weights[int(layer)][0].numpy(), atol=1e-5)
        assert all(trace.head(block.name, head).proved for head in range(block.heads))


def test_scores_have_no_factor_and_the_bias_is_the_one_of_the_distance(wrapped, eager):
    trace = wrapped.record("translate English to French: The cat sleeps.")
    for stream, tower in (("encoder", eager.encoder), ("decoder", eager.decoder)):
        length = len(trace.tokens[stream])
        attention = tower.block[0].layer[0].SelfAttention
        wanted = attention.compute_bias(length, length)[0].detach().numpy()
        for layer in range(2):
            for head in range(4):
                seen = trace.head(f"{stream}.{layer}.self", head)
                assert seen.scale == 1.0
                np.testing.assert_allclose(seen.scores, seen.query @ seen.key.T, atol=1e-4)
                np.testing.assert_allclose(seen.bias[seen.mask], wanted[head][seen.mask], atol=1e-6)


def test_cross_attention_has_no_bias(wrapped):
    head = wrapped.record("translate English to French: The cat sleeps.").head("decoder.1.cross", 0)
    assert head.bias is None or not head.bias.any()
    assert head.scale == 1.0


def test_the_same_seed_makes_the_same_weights():
    first, second = Training(tiny()), Training(tiny())
    for training in (first, second):
        for _ in training.run():
            pass
    for name, weight in first.model.state_dict().items():
        assert torch.equal(weight, second.model.state_dict()[name]), name


def test_every_matrix_moves_by_about_the_same_share_of_its_size():
    training = Training(tiny(steps=1))
    before = {name: weight.detach().clone() for name, weight in training.model.named_parameters()}
    for _ in training.run():
        pass
    shares = {
        name: float((weight.detach() - before[name]).abs().max() / before[name].square().mean().sqrt())
        for name, weight in training.model.named_parameters()
        if weight.dim() > 1
    }
    assert max(shares.values()) < 2 * min(shares.values()), shares


def test_batches_go_on_where_they_were_left():
    course = tiny()
    for start in (3, 17):
        whole = list(islice(course.batches(0), start, start + 2))
        for wanted, found in zip(whole, course.batches(start), strict=False):
            assert all(map(torch.equal, wanted, found))


def test_batches_hold_every_example_once_and_about_as_many_tokens():
    chance = random.Random(1)
    examples = [Example("", ("a",) * chance.randint(1, 30), ("b",) * i) for i in range(60)]
    parts = evenly(examples, 6)
    assert sorted(example for part in parts for example in part) == sorted(examples)
    sizes = [sum(len(source) + len(target) for _, source, target in part) for part in parts]
    assert max(sizes) - min(sizes) <= 2 * 90


def test_a_tenth_of_a_tiny_course_is_saved_and_measured(tmp_path):
    course = tiny(steps=1)
    training = Training(course)
    for _ in training.run():
        pass
    course.save(training.model, tmp_path)
    figures = measure(tmp_path, held_out(course.tokenizer, OTHER_SEED, 2, 0.02))
    assert all(0 <= figure.value <= 1 and figure.n <= 2 for figure in figures.values())
