"""Models in memory, shared by all who ask; within a budget, the least recently used are let go."""

from __future__ import annotations

import gc
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from models.progress import Cancelled, Progress
from models.trace import ModelCard

Key = tuple[str, str]
"""(name, dtype)"""

PATIENCE = 0.2
"""Seconds after which somebody who waits for another's load looks whether the model is still wanted."""


class Sized(Protocol):
    """A model, as far as it matters here."""

    @property
    def card(self) -> ModelCard: ...


M = TypeVar("M", bound=Sized)


class ModelCache(Generic[M]):
    """Models by key. Each is loaded once, however many ask at once; those in use and those named `always` stay.

    `budget` gives the bytes that models may take together. A model that is let go lives on with whoever holds it;
    those in `closed` are told of it, so that they can let go too.
    """

    def __init__(self, budget: Callable[[], int], always: Collection[str] = ()) -> None:
        self._budget = budget
        self._always = always
        self._models: OrderedDict[Key, M] = OrderedDict()
        self._loading: dict[Key, Future[M]] = {}
        self._used: Counter[Key] = Counter()
        self._lock = threading.RLock()
        self.closed: list[Callable[[Key], None]] = []

    def get(self, key: Key, make: Callable[[], M], progress: Progress | None = None) -> M:
        """The model, made if it is not here; who asks while another makes it waits for that.

        Raises:
            Cancelled: `progress` says that this asker does not want it any more.
        """
        return self._get(key, make, progress or Progress(), hold=0)

    @contextmanager
    def leased(self, key: Key, make: Callable[[], M]) -> Iterator[M]:
        """The model, in use and so never let go within this block."""
        model = self._get(key, make, Progress(), hold=1)
        try:
            yield model
        finally:
            with self._lock:
                self._used[key] -= 1
                self._settle()

    def is_open(self, key: Key) -> bool:
        """Whether it is in memory."""
        with self._lock:
            return key in self._models

    def opened(self) -> tuple[ModelCard, ...]:
        """The cards of the models in memory, the most recently used last."""
        with self._lock:
            return tuple(model.card for model in self._models.values())

    def make_room(self, needed: int) -> None:
        """Let go what must go so that a model of so many bytes fits beside the rest."""
        with self._lock:
            self._settle(needed)

    def _get(self, key: Key, make: Callable[[], M], progress: Progress, hold: int) -> M:
        while True:
            with self._lock:
                if key in self._models:
                    return self._taken(key, hold)
                mine = key not in self._loading
                future = self._loading.setdefault(key, Future())
            if mine:
                return self._made(key, make, future, hold)
            while not wait([future], PATIENCE).done:
                progress.check()
            try:
                future.result()
            except Cancelled:  # the one who made it gave up; this asker did not
                progress.check()

    def _made(self, key: Key, make: Callable[[], M], future: Future[M], hold: int) -> M:
        try:
            model = make()
        except BaseException as error:
            with self._lock:
                del self._loading[key]
            future.set_exception(error)
            raise
        with self._lock:
            self._models[key] = model
            del self._loading[key]
            self._taken(key, hold)
            self._settle()
        future.set_result(model)
        return model

    def _taken(self, key: Key, hold: int) -> M:
        self._used[key] += hold
        self._models.move_to_end(key)
        return self._models[key]

    def _settle(self, needed: int = 0) -> None:
        """Let the least recently used go until the rest fits; without news, never the one that was just taken."""
        spare = [key for key in self._models if not self._used[key] and key[0] not in self._always]
        newest = next(reversed(self._models), None)
        let_go = False
        for key in spare:
            if self._taken_bytes() + needed <= self._budget():
                break
            if needed or key != newest:
                del self._models[key]
                let_go = True
                for tell in self.closed:
                    tell(key)
        if let_go:
            gc.collect()  # models hold themselves in circles, and their memory is wanted now

    def _taken_bytes(self) -> int:
        return sum(model.card.memory for model in self._models.values())
