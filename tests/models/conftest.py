"""Runs of the shipped models that many tests look at, each made once."""

import pytest
import torch

from models import load, record

torch.set_num_threads(1)

TIRED = "The animal didn't cross the street because it was too tired."
RUNS = {
    "English to French": {"text": TIRED},
    "English to Chinese": {"text": "The weather is nice today.", "language": "zh"},
    "Chinese to English": {"text": "今天天气很好"},
    "a given target": {"text": "I eat apples", "target": "<fr> je mange des pommes"},
    "an unknown word": {"text": "The flurble didn't cross the street."},
    "ready ids": {"inputs": {"input_ids": [[9, 40, 0, 11, 1]], "decoder_input_ids": [3, 12, 9]}},
    "one word": {"text": "cat"},
}


@pytest.fixture(scope="session")
def translator():
    return load("builtin/translator")


@pytest.fixture(scope="session", params=RUNS)
def run(request):
    """The arguments of one run."""
    return RUNS[request.param]


@pytest.fixture(scope="session")
def trace(run):
    """One run of the guided translator."""
    return record("builtin/translator", **run)
