"""Forward passes, listened to on all routes: the attention interface, bands, and operations that pass both by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from models.errors import UnreadableAttention
from models.huggingface.bands import banded, unpadded
from models.huggingface.calls import captured
from models.huggingface.capture import Capture
from models.huggingface.chance import steady
from models.huggingface.device import beside
from models.huggingface.dummy import dummy_inputs
from models.huggingface.interface import Watch, watching
from models.huggingface.observe import observing_all
from models.huggingface.sparse import settle
from models.huggingface.tracer import tracing

Calls = list[tuple[Capture, ...]]


class Heard:
    """What is heard of a model while it runs, forward pass by forward pass."""

    def __init__(self, model: nn.Module, watch: Watch, followed: Calls, length: int | None) -> None:
        self._paths = {module: path for path, module in model.named_modules()}
        self._order = {path: number for number, path in enumerate(self._paths.values())}
        self._watch, self._followed, self._length = watch, followed, length

    @property
    def is_plain(self) -> bool:
        """Whether all attention since the last time passed the interface."""
        return not self._followed and not self._watch.bands

    def path(self, module: nn.Module) -> str:
        """The path of a module in the model."""
        return self._paths.get(module, "")

    def take(self) -> Calls:
        """The captures of all attention since the last time, in the order of the model's modules."""
        watch = self._watch
        heard = [*captured(watch, self._paths), *banded(watch, self._paths, self._length)]
        watch.passed[:] = unpadded(watch.passed, watch.bands, self._length)
        known = {call[0].module for call in heard if call}
        traced = [call for call in self._followed if call and call[0].module not in known]
        for place in range(len(self._followed)):
            self._followed[place] = ()  # the tracer counts on their places
        if not traced and not watch.bands:
            return heard
        both = [*heard, *_numbered(traced)]
        return sorted(both, key=lambda call: (call[0].call, self._order.get(call[0].module, 0)))


def _numbered(calls: Calls) -> Iterator[tuple[Capture, ...]]:
    """The calls of one forward pass, each module's counted from 0."""
    counted: Counter[str] = Counter()
    for call in calls:
        path = call[0].module
        yield tuple(replace(capture, call=counted[path]) for capture in call)
        counted[path] += 1


@contextmanager
def hearing(
    model: nn.Module, inputs: Mapping[str, Any], watch: Watch, traced: Collection[str] | None
) -> Iterator[Heard]:
    """Within this block, in this thread, the model's attention is heard on all routes.

    `traced`: the modules that only the tracer can follow; None to find out which they are.
    """
    ids = inputs.get("input_ids")
    follows = bool(traced) or traced is None
    tracer = tracing(model, traced) if follows else nullcontext([])
    with torch.no_grad(), steady() if follows else nullcontext(), tracer as followed, watching(watch):
        yield Heard(model, watch, followed, None if ids is None else ids.shape[-1])


def run(
    model: nn.Module, inputs: Mapping[str, Any], watch: Watch, traced: Collection[str] | None
) -> tuple[Any, Calls]:
    """The model's output and the captures of all its attention, in the order of the model's modules."""
    with hearing(model, inputs, watch, traced) as heard:
        output = model(**beside(model, inputs))
    return output, heard.take()


def run_whole(model: nn.Module, inputs: Mapping[str, Any], watch: Watch) -> tuple[Any, Calls]:
    """The same with every module observed, and all attention followed."""
    with observing_all(model):
        return run(model, inputs, watch, None)


def discover(model: nn.Module) -> tuple[dict[str, Any], Watch, Calls] | None:
    """A dummy input and what it shows of the model; None where no dummy input runs.

    Raises:
        UnreadableAttention: its masks are no tensors.
    """
    for inputs in dummy_inputs(model):
        watch = Watch()
        try:
            settle(model, inputs)
            return inputs, watch, run_whole(model, inputs, watch)[1]
        except UnreadableAttention:
            raise
        except Exception:  # noqa: BLE001 -- whatever foreign code raises on inputs that it did not expect
            continue
    return None
