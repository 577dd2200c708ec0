"""Models opened in the background: who waits sees how far it is, and may give up."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import Counter, OrderedDict
from typing import Any

from models import catalog
from models.errors import MicroscopeError, ServerBusy
from models.progress import Cancelled, Progress
from models.trace import ModelCard

OPENINGS_AT_ONCE = 2
WAITING_LIMIT = 16
"""Openings that may wait for their turn before the next one is refused."""

REMEMBERED = 64
"""Openings that are remembered, running or finished."""

FINAL = frozenset({"ready", "failed", "cancelled"})

log = logging.getLogger("attention_microscope")


class Opening(Progress):
    """The opening of one model, for all who asked for it.

    `state` is `queued`, `checking`, `downloading`, `loading`, and in the end `ready`, `failed` or `cancelled`. `done`
    of `total` bytes are downloaded; both are 0 where nothing is. `card` is there when it is ready, `error` when not.
    """

    def __init__(self, name: str, dtype: str | None = None) -> None:
        self.id = secrets.token_hex(8)
        self.name = name
        self.dtype = dtype
        self.state = "queued"
        self.done = 0
        self.total = 0
        self.card: ModelCard | None = None
        self.error: MicroscopeError | None = None
        self._askers: Counter[str] = Counter()
        self._began = time.monotonic()
        self._ended = self._began
        self._final = threading.Event()
        self._lock = threading.Lock()

    def join(self, asker: str = "") -> bool:
        """One more who waits for it; a named asker counts once. False where it is too late to join."""
        with self._lock:
            if self.state == "cancelled":
                return False
            self._askers[asker] = 1 if asker else self._askers[asker] + 1
            return True

    def cancel(self, asker: str = "") -> None:
        """One asker gives up; when the last one does, so does the opening. A named asker may do so twice."""
        with self._lock:
            if self._final.is_set() or not self._askers[asker]:
                return
            self._askers[asker] -= 1
            if not +self._askers:
                self._finish("cancelled")

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it has come to its end within so many seconds."""
        return self._final.wait(timeout)

    @property
    def seconds(self) -> float:
        """How long it has taken, or took."""
        return (self._ended if self._final.is_set() else time.monotonic()) - self._began

    def as_json(self) -> dict[str, Any]:
        """All of it in plain values, as the browser reads it."""
        error = self.error
        return {
            "id": self.id,
            "name": self.name,
            "dtype": self.dtype,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "seconds": round(self.seconds, 1),
            "error": error and {"error": error.id, "facts": error.facts, "message": str(error)},
        }

    def check(self) -> None:
        if self.state == "cancelled":
            raise Cancelled

    def enter(self, state: str) -> None:
        with self._lock:
            self.check()
            self.state = state

    def reach(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    def run(self) -> None:
        """Open the model; whatever happens is in the state afterwards."""
        try:
            self.enter("checking")
            model = catalog.load(self.name, self.dtype, progress=self)
        except Cancelled:
            return
        except MicroscopeError as error:
            self._end("failed", error=error)
        except Exception:
            log.exception("a model could not be opened: %s", self.name)
            self._end(
                "failed", error=MicroscopeError("the model could not be opened; the server's log says why")
            )
        else:
            self._end("ready", card=model.card)

    def _end(self, state: str, card: ModelCard | None = None, error: MicroscopeError | None = None) -> None:
        with self._lock:
            if not self._final.is_set():
                self.card, self.error = card, error
                self._finish(state)

    def _finish(self, state: str) -> None:
        self.state, self._ended = state, time.monotonic()
        self._final.set()


class Opener:
    """The openings of this server, at most so many at once. Who asks for what is being opened joins in."""

    def __init__(self, at_once: int = OPENINGS_AT_ONCE) -> None:
        self._at_once = at_once
        self._openings: OrderedDict[str, Opening] = OrderedDict()
        self._queue: list[Opening] = []
        self._running = 0
        self._lock = threading.Lock()

    def open(self, name: str, dtype: str | None = None, asker: str = "") -> Opening:
        """Begin to open a model, or join those who wait for it. `asker` names who asks, for `Opening.cancel`.

        Raises:
            BadRequest: a dtype that there is not.
            ServerBusy: too many wait already.
        """
        ready = catalog.is_open(name, dtype)
        with self._lock:
            for opening in self._openings.values():
                same = (opening.name, opening.dtype) == (name, dtype)
                if same and not opening.wait(0) and opening.join(asker):
                    return opening
            if len(self._queue) >= WAITING_LIMIT and not ready:
                raise ServerBusy(WAITING_LIMIT)
            opening = self._begin(Opening(name, dtype), asker, ready)
        if ready:
            opening.run()
        return opening

    def get(self, id: str) -> Opening | None:
        """The opening of that id, while it is remembered."""
        with self._lock:
            return self._openings.get(id)

    def current(self) -> tuple[Opening, ...]:
        """Those that are not at their end, the oldest first."""
        with self._lock:
            return tuple(opening for opening in self._openings.values() if not opening.wait(0))

    def _begin(self, opening: Opening, asker: str, ready: bool) -> Opening:
        opening.join(asker)
        self._openings[opening.id] = opening
        finished = [id for id, other in self._openings.items() if other.wait(0)]
        for id in finished[: max(len(self._openings) - REMEMBERED, 0)]:
            del self._openings[id]
        if not ready:
            self._queue.append(opening)
            self._start()
        return opening

    def _start(self) -> None:
        """Give the next in the queue its turn, where there is a free one."""
        self._queue = [opening for opening in self._queue if not opening.wait(0)]
        if self._queue and self._running < self._at_once:
            self._running += 1
            next_one = self._queue.pop(0)
            threading.Thread(target=self._work, args=(next_one,), daemon=True, name="opening").start()

    def _work(self, opening: Opening) -> None:
        try:
            opening.run()
        finally:
            with self._lock:
                self._running -= 1
                self._start()
