"""Generations that are being written, each under the name that its asker gave it, and the last ones that were."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from models.generation import Generation
from models.prompt import Prompt
from models.store import RunStore

CAPACITY = 32
"""Generations kept."""

MEMORY_LIMIT = 1 << 29
"""The bytes that they may take together, logits included. The newest always stays."""


@dataclass
class Job:
    """One that is being written."""

    written: int = 0
    stopped: bool = False

    def ask(self) -> bool:
        """One more token is written; whether to stop."""
        self.written += 1
        return self.stopped


class Desk:
    """Writes, tells how far it is, and stops when it is told to."""

    def __init__(self) -> None:
        self._kept = RunStore[Prompt, Generation](
            Prompt.write, CAPACITY, MEMORY_LIMIT, keeps=lambda written: not written.cancelled
        )
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def write(self, prompt: Prompt, id: str) -> tuple[Prompt, Generation]:
        """What a prompt leads to; where it was stopped, with the prompt that asks for so many steps and no more.

        Raises:
            ServerBusy: too many wait already.
            MicroscopeError: whatever the run itself raises.
        """
        with self._job(id) as job:
            written = self._kept.get(prompt, lambda asked: asked.write(job.ask))
        if written.cancelled:
            prompt = replace(prompt, steps=len(written.ids))
            self._kept.keep(prompt, written)
        return prompt, written

    def get(self, prompt: Prompt) -> Generation:
        """What a prompt led to, written again if it is no longer kept.

        Raises:
            MicroscopeError: as `write`.
        """
        return self._kept.get(prompt)

    def progress(self, id: str, *, stop: bool = False) -> dict[str, int | bool]:
        """How many tokens the one of that name has, and whether it is being written at all; `stop` ends it."""
        with self._lock:
            job = self._jobs.get(id)
        if job is not None:
            job.stopped = job.stopped or stop
        return {"written": job.written if job else 0, "running": job is not None}

    def forget(self, model: tuple[str, str]) -> None:
        """Let go what a model wrote, by name and dtype."""
        self._kept.forget(model)

    @contextmanager
    def _job(self, id: str) -> Iterator[Job]:
        job = Job()
        with self._lock:
            self._jobs[id] = job
        try:
            yield job
        finally:
            with self._lock:
                if self._jobs.get(id) is job:
                    del self._jobs[id]
