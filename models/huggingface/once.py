"""What is true of a model as long as it lives, worked out once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


def per_model(work: Callable[[Any], T]) -> Callable[[Any], T]:
    """The same function of a model, done once for each; what it gives must not hold the model itself."""
    known: WeakKeyDictionary[Any, T] = WeakKeyDictionary()

    @functools.wraps(work)
    def remembered(model: Any) -> T:
        if model not in known:
            known[model] = work(model)
        return known[model]

    return remembered
