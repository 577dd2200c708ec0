"""The models offered by name, and the one place that loads them."""

from __future__ import annotations

import threading
from pathlib import Path

from models.builtin.translator import Translator
from models.errors import UnknownModel
from models.huggingface.load import load_pretrained
from models.huggingface.wrap import Wrapped

CHECKPOINTS = Path(__file__).parents[1] / "assets" / "checkpoints"
BUILTIN = ("builtin/translator", "builtin/translator-plain")
"""Models in the box, in the order in which they are offered."""

Model = Translator | Wrapped
"""Anything that has a card, a tokenizer, and `record`."""

_loaded: dict[str, Model] = {}
_loading: dict[str, threading.Lock] = {}
_lock = threading.Lock()


def load(name: str) -> Model:
    """A model by its catalogue name, its Hugging Face id, or its local folder; loaded once and shared.

    Raises:
        ModelError: no such model, or one that cannot be fetched or used; see `models.errors`.
    """
    with _lock:
        if name in _loaded:
            return _loaded[name]
        turn = _loading.setdefault(name, threading.Lock())
    with turn:  # a slow download keeps nobody waiting who wants another model
        model = _loaded.get(name) or _fresh(name)
        with _lock:
            _loaded[name] = model
            _loading.pop(name, None)
    return model


def _fresh(name: str) -> Model:
    if name in BUILTIN:
        return Translator(name, CHECKPOINTS / name)
    if name.startswith("builtin/"):
        raise UnknownModel(name, BUILTIN)
    return load_pretrained(name, BUILTIN)
