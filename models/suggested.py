"""Models to begin with, one or two per family, and whether the hub can be reached at all.

The ids and sizes are written from knowledge and were not fetched where this was written: sizes are rounded, and a
repository may keep other weights than safetensors on its main branch (opus-mt did for years). What is true of an id is
known when it is opened, and its refusal then says so.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from huggingface_hub import constants
from huggingface_hub.utils import get_session

from models.huggingface.hub import cached

NETWORK_TIMEOUT = 2.0
NETWORK_KNOWN = 30.0
"""Seconds for which an answer of `network` holds."""


@dataclass(frozen=True)
class Suggestion:
    """A model to begin with: what would be downloaded, about, and the languages it reads; none for images."""

    id: str
    family: str
    download_bytes: int
    languages: tuple[str, ...]


MB = 10**6
SUGGESTED = (
    Suggestion("openai-community/gpt2", "GPT-2", 550 * MB, ("en",)),
    Suggestion("google-bert/bert-base-uncased", "BERT", 440 * MB, ("en",)),
    Suggestion("google-bert/bert-base-chinese", "BERT", 412 * MB, ("zh",)),
    Suggestion("distilbert/distilbert-base-multilingual-cased", "DistilBERT", 542 * MB, ("en", "zh", "fr")),
    Suggestion("Helsinki-NLP/opus-mt-en-zh", "Marian", 315 * MB, ("en", "zh")),
    Suggestion("Helsinki-NLP/opus-mt-zh-en", "Marian", 315 * MB, ("zh", "en")),
    Suggestion("google-t5/t5-small", "T5", 245 * MB, ("en", "fr")),
    Suggestion("Qwen/Qwen2.5-0.5B", "Qwen", 1000 * MB, ("en", "zh")),
    Suggestion("Qwen/Qwen3-0.6B", "Qwen", 1520 * MB, ("en", "zh")),
    Suggestion("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "Llama", 2200 * MB, ("en",)),
    Suggestion("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "DeepSeek", 3560 * MB, ("en", "zh")),
    Suggestion("google/vit-base-patch16-224", "ViT", 346 * MB, ()),
    Suggestion("microsoft/swin-tiny-patch4-window7-224", "Swin", 113 * MB, ()),
)

_lock = threading.Lock()
_known: tuple[float, str, bool] | None = None


def network() -> bool:
    """Whether the hub, or the mirror that `HF_ENDPOINT` names, answers within two seconds; asked at most every 30."""
    global _known  # noqa: PLW0603 -- one answer for the whole server
    if constants.is_offline_mode():
        return False
    with _lock:
        endpoint, now = constants.ENDPOINT, time.monotonic()
        if _known is None or _known[1] != endpoint or now - _known[0] > NETWORK_KNOWN:
            _known = (now, endpoint, _answers(endpoint))
        return _known[2]


def endpoint() -> str:
    """Where models are asked for: the hub, or the mirror that `HF_ENDPOINT` names."""
    return str(constants.ENDPOINT)


def is_local(id: str) -> bool:
    """Whether the hub's cache on this machine holds a model with all its weights, so that it opens offline."""
    return cached(id) is not None


def _answers(endpoint: str) -> bool:
    """Whether anybody answers there; asked in a thread, because looking up a name has no timeout of its own."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            answers.append(get_session().head(endpoint, timeout=NETWORK_TIMEOUT).status_code < 500)
        except Exception:  # noqa: BLE001 -- whatever the network does wrong, the answer is no
            answers.append(False)

    asking = threading.Thread(target=ask, daemon=True, name="network")
    asking.start()
    asking.join(NETWORK_TIMEOUT)
    return bool(answers and answers[0])
