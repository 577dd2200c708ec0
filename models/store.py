"""Traces kept for a while, so that the arrays of a run can be asked for one by one without running it again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, runtime_checkable

from models.errors import ServerBusy
from models.record import Request
from models.trace import Trace

CAPACITY = 64
"""Traces kept; one of the longest built-in runs is about 2 MB."""

MEMORY_LIMIT = 1 << 30
"""The bytes that they may take together; GPT-2 small at 1024 tokens takes about 150 MB. The newest always stays."""

WAITING_LIMIT = 64
"""Runs that may wait for their turn before the next one is refused."""

RUNS_AT_ONCE = 2


@runtime_checkable
class Sized(Protocol):
    """What a run gives: it knows about how much memory it takes."""

    @property
    def nbytes(self) -> int: ...


Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Sized)


class RunStore(Generic[Q, R]):
    """What was run most recently; what is missing is run again. Equal requests at the same time run once."""

    def __init__(
        self, run: Callable[[Q], R], capacity: int, memory: int, keeps: Callable[[R], bool] = lambda _: True
    ) -> None:
        self._run, self._capacity, self._memory, self._keeps = run, capacity, memory, keeps
        self._traces: OrderedDict[Q, R] = OrderedDict()
        self._lock = threading.Lock()
        self._running: dict[Q, threading.Lock] = {}
        self._slots = threading.BoundedSemaphore(RUNS_AT_ONCE)

    def get(self, request: Q, run: Callable[[Q], R] | None = None) -> R:
        """What a request leads to; `run`: how to find it out this time.

        Raises:
            ServerBusy: too many runs wait already.
            MicroscopeError: whatever the run itself raises.
        """
        kept = self._kept(request)
        if kept is not None:
            return kept
        with self._turn(request):
            try:
                kept = self._kept(request)
                return kept if kept is not None else self._made(request, run or self._run)
            finally:
                with self._lock:
                    self._running.pop(request, None)

    def forget(self, model: tuple[str, str]) -> None:
        """Let go what a model made, by name and dtype: they hold its weights in memory."""
        with self._lock:
            for request in [each for each in self._traces if (each.model, each.dtype or "float32") == model]:
                del self._traces[request]

    def _kept(self, request: Q) -> R | None:
        with self._lock:
            if request in self._traces:
                self._traces.move_to_end(request)
            return self._traces.get(request)

    def _turn(self, request: Q) -> threading.Lock:
        with self._lock:
            if request not in self._running and len(self._running) >= WAITING_LIMIT:
                raise ServerBusy(WAITING_LIMIT)
            return self._running.setdefault(request, threading.Lock())

    def _made(self, request: Q, run: Callable[[Q], R]) -> R:
        with self._slots:
            made = run(request)
        return self.keep(request, made) if self._keeps(made) else made

    def keep(self, request: Q, trace: R) -> R:
        """From now on this is what the request leads to, until there is no more room."""
        with self._lock:
            self._traces[request] = trace
            total = sum(each.nbytes for each in self._traces.values())
            while len(self._traces) > 1 and (len(self._traces) > self._capacity or total > self._memory):
                total -= self._traces.popitem(last=False)[1].nbytes
        return trace


class TraceStore(RunStore[Request, Trace]):
    """The most recently used traces."""

    def __init__(self, capacity: int = CAPACITY, memory: int = MEMORY_LIMIT) -> None:
        super().__init__(lambda request: request.run(), capacity, memory)
