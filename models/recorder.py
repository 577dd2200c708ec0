"""The recorder of one run.

It belongs to the run, not to the model: a `ContextVar` holds it, and without one every call here does nothing. A model
says what it has just computed with `note`, and lets the run's edits act with `edited`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

from torch import Tensor

from models.trace import Site

T = TypeVar("T")


@runtime_checkable
class Edit(Protocol):
    """One change inside one run: acts on the array of a site of a block and returns the changed array."""

    site: ClassVar[Site]

    @property
    def block(self) -> str: ...

    def apply(self, tensor: Tensor) -> Tensor: ...


class Recorder:
    """Keeps references to what a run computes at the sites it wants (None: at all of them), and the run's edits."""

    def __init__(self, edits: Sequence[Edit] = (), sites: Collection[Site] | None = None) -> None:
        self.tensors: dict[tuple[Site, str], Tensor] = {}
        self.edits = tuple(edits)
        self.sites = sites

    def keep(self, site: Site, place: str, tensor: Tensor, *, wanted: bool = False) -> None:
        """Remember a tensor, without copying it, if its site is wanted."""
        if wanted or self.sites is None or site in self.sites:
            self.tensors[site, place] = tensor

    def edit(self, site: Site, place: str, tensor: Tensor) -> Tensor:
        """The tensor after every edit that speaks of this site and place, or of all its places, in the order given."""
        for edit in self.edits:
            if edit.site == site and edit.block in ("", place):
                tensor = edit.apply(tensor)
        return tensor


_recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


@contextmanager
def within(variable: ContextVar[T | None], value: T) -> Iterator[T]:
    """Within this block, in this thread or task, the variable has that value."""
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)


def recording(recorder: Recorder) -> AbstractContextManager[Recorder]:
    """Within this block, in this thread or task, runs are recorded by `recorder`."""
    return within(_recorder, recorder)


def note(site: Site, place: str, tensor: Tensor) -> Tensor:
    """Tell this run's recorder, if there is one, what was computed; returns it unchanged."""
    recorder = _recorder.get()
    if recorder is not None:
        recorder.keep(site, place, tensor)
    return tensor


def edited(site: Site, place: str, tensor: Tensor) -> Tensor:
    """The tensor as this run's edits leave it, kept by its recorder (if changed, always); unchanged without one."""
    recorder = _recorder.get()
    if recorder is None:
        return tensor
    changed = recorder.edit(site, place, tensor)
    recorder.keep(site, place, changed, wanted=changed is not tensor)
    return changed
