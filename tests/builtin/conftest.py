"""The corpus and the shipped translators, each made once."""

from pathlib import Path

import pytest
import torch

from models.builtin.checkpoint import load_translator
from models.builtin.corpus.generator import build

CHECKPOINTS = Path(__file__).parents[2] / "assets" / "checkpoints" / "builtin"

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def corpus():
    return build()


@pytest.fixture(scope="session")
def guided():
    """The shipped guided translator: model, tokenizer, config."""
    return load_translator(CHECKPOINTS / "translator")


@pytest.fixture(scope="session")
def plain():
    """The shipped plain translator: model, tokenizer, config."""
    return load_translator(CHECKPOINTS / "translator-plain")
