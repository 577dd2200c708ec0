"""Models to begin with, and whether they can be had."""

import socket
import time

import pytest
from huggingface_hub import constants

from models import suggested
from models.huggingface.load import HUB_ID
from models.machine import MODEL_LIMIT
from models.suggested import SUGGESTED, is_local, network
from tests.huggingface.test_hub import NAME, load_pretrained


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(suggested, "_known", None)


def test_every_family_has_a_model_that_may_be_opened():
    families = {suggestion.family for suggestion in SUGGESTED}
    assert families >= {
        "GPT-2",
        "BERT",
        "DistilBERT",
        "Marian",
        "T5",
        "Qwen",
        "Llama",
        "DeepSeek",
        "ViT",
        "Swin",
    }
    assert len({suggestion.id for suggestion in SUGGESTED}) == len(SUGGESTED)
    for suggestion in SUGGESTED:
        assert HUB_ID.fullmatch(suggestion.id)
        assert 0 < suggestion.download_bytes < MODEL_LIMIT * 10**9


def test_a_hub_that_answers_is_a_network_and_is_asked_once(hub):
    assert network()
    assert network()
    assert hub.asked == [("HEAD", "/")]


def test_a_closed_port_and_an_ill_hub_are_none(hub, monkeypatch):
    hub.ill = True
    assert not network()
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert not network()


def test_offline_nobody_is_asked(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not network()
    assert not hub.asked


def test_a_hub_that_is_silent_is_waited_for_two_seconds(hub, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        assert not network()
        assert 1 < time.monotonic() - began < 4


def test_a_model_is_local_once_it_is_fetched(hub, folder):
    hub.offer(NAME, folder)
    assert not is_local(NAME)
    load_pretrained(NAME)
    assert is_local(NAME)
    assert not is_local("no such/id at all")
