"""One forward pass, listened to on both routes: the attention interface, and the operations that pass it by."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from models.huggingface.calls import captured
from models.huggingface.capture import Capture
from models.huggingface.device import beside
from models.huggingface.dummy import dummy_inputs
from models.huggingface.interface import Watch, watching
from models.huggingface.observe import observing_all
from models.huggingface.tracer import tracing

Calls = list[tuple[Capture, ...]]


@contextmanager
def listening(model: nn.Module, watch: Watch | None = None) -> Iterator[Calls]:
    """Within this block the interface is listened to; afterwards the list holds the captures of each call."""
    calls: Calls = []
    watch = watch or Watch()
    with watching(watch):
        yield calls
    calls.extend(captured(watch, {module: path for path, module in model.named_modules()}))


def run(
    model: nn.Module, inputs: Mapping[str, Any], watch: Watch, traced: Collection[str] | None
) -> tuple[Any, Calls]:
    """The model's output and the captures of all its attention, in the order of the model's modules.

    `traced`: the modules that pass the interface by; None to find out which do.
    """
    tracer = tracing(model, traced) if traced or traced is None else nullcontext([])
    with torch.no_grad(), tracer as followed, listening(model, watch) as heard:
        output = model(**beside(model, inputs))
    known = {call[0].module for call in heard if call}
    both = [*heard, *(call for call in followed if call and call[0].module not in known)]
    if len(both) > len(heard):
        order = {path: number for number, (path, _) in enumerate(model.named_modules())}
        both.sort(key=lambda call: (call[0].call, order.get(call[0].module, 0)))
    return output, both


def discover(model: nn.Module) -> tuple[Watch, Calls] | None:
    """What a dummy forward shows of the model, every module observed; None where no dummy input runs."""
    for inputs in dummy_inputs(model):
        watch = Watch()
        try:
            with observing_all(model):
                return watch, run(model, inputs, watch, None)[1]
        except Exception:  # noqa: BLE001 -- whatever foreign code raises on inputs that it did not expect
            continue
    return None
