"""What is done before anybody asks for it: the imports that the first choice of another model would wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PAUSE = 2.0
"""Seconds after the first answer, in which the page asks for what it draws."""


class Ahead:
    """Work in the background that begins a moment after the first answer, so that neither start nor answer waits."""

    def __init__(self, work: Callable[[], None], pause: float = PAUSE) -> None:
        self._work = work
        self._pause = pause
        self._answered = threading.Event()

    def begin(self) -> None:
        """From now on, wait for the first answer."""
        threading.Thread(target=self._run, name="ahead", daemon=True).start()

    def answered(self) -> None:
        """There was an answer."""
        self._answered.set()

    def _run(self) -> None:
        self._answered.wait()
        time.sleep(self._pause)
        self._work()
