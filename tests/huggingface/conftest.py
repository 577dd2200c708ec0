"""Offline, on one thread: the suite shares two cores. A tiny model on disk, and a hub of our own that may serve it."""

import os

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import close_session
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tests.huggingface.fake_hub import FakeHub
from tests.huggingface.zoo import built

os.environ.setdefault("HF_HUB_OFFLINE", "1")
torch.set_num_threads(1)

WORDS = ["<pad>", "<s>", "</s>", "<unk>", "the", "cat", "sleeps", "猫", "睡"]


@pytest.fixture(scope="session")
def tokenizer():
    tokenizer = Tokenizer(models.WordLevel({word: id for id, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


@pytest.fixture
def folder(tmp_path, tokenizer):
    """A tiny GPT-2 as `save_pretrained` writes it."""
    place = tmp_path / "model"
    built("gpt2").save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty cache of the hub, and no limit or token from outside."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("HF_TOKEN", "ATTENTION_MICROSCOPE_MODEL_LIMIT", "ATTENTION_MICROSCOPE_MEMORY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def hub(hub_cache, monkeypatch):
    """A hub that offers nothing yet; huggingface_hub believes in it and no other."""
    with FakeHub().serving() as fake:
        monkeypatch.setattr(constants, "ENDPOINT", fake.address)
        template = fake.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4096)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(hub_cache / "no-token"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        close_session()
        yield fake
        close_session()
