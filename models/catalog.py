"""The models offered by name, and the one place that loads them."""

from __future__ import annotations

import threading
from pathlib import Path

from models.builtin.translator import Translator
from models.errors import UnknownModel

CHECKPOINTS = Path(__file__).parents[1] / "assets" / "checkpoints"
BUILTIN = ("builtin/translator", "builtin/translator-plain")
"""Models in the box, in the order in which they are offered."""

_loaded: dict[str, Translator] = {}
_lock = threading.Lock()


def load(name: str) -> Translator:
    """A model by its catalogue name; loaded once and shared.

    Raises:
        UnknownModel: no model of that name.
    """
    if name not in BUILTIN:
        raise UnknownModel(name, BUILTIN)
    with _lock:
        if name not in _loaded:
            _loaded[name] = Translator(name, CHECKPOINTS / name)
        return _loaded[name]
