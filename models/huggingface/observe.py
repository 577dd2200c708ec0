"""Forward hooks that tell the run's watch what a module received and gave back, and do nothing without a run."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from torch import nn

from models.huggingface.interface import OnePass, current

_observed: WeakSet[nn.Module] = WeakSet()
_lock = threading.Lock()


def observe(modules: Iterable[nn.Module]) -> None:
    """From now on every recorded run keeps what passes these modules; each is hooked once."""
    with _lock:
        for module in modules:
            if module not in _observed:
                module.register_forward_hook(_keep, with_kwargs=True)
                _observed.add(module)


@contextmanager
def observing_all(model: nn.Module) -> Iterator[None]:
    """Within this block, what passes any module of the model is kept."""
    handles = [
        module.register_forward_hook(_keep, with_kwargs=True)
        for module in model.modules()
        if module not in _observed
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _keep(module: nn.Module, args: tuple[Any, ...], arguments: Mapping[str, Any], output: Any) -> None:
    watch = current()
    if watch is None or (watch.kept is not None and module not in watch.kept):
        return
    given = args[0] if args else arguments.get("hidden_states", arguments.get("input_ids"))
    kind = arguments.get("layer_type") if arguments else None
    if len(args) > 1:
        kind = next((value for value in args if isinstance(value, str)), kind)
    if type(output) is nn.Parameter:  # DeBERTa passes its table of positions through a norm and a dropout
        output = output.detach()
    watch.passed.append(
        OnePass(module, given.detach() if type(given) is nn.Parameter else given, output, kind)
    )
