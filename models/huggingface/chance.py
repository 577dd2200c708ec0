"""Runs that depend on chance, made repeatable: ViLT draws the order of its patches anew in every run.

Within `steady`, what a model draws in this thread comes from a source of its own that always begins alike, so equal
requests give equal traces, and no other run can disturb it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

SEED = 0
DRAWS = frozenset({"bernoulli", "multinomial", "normal", "rand", "randint", "randn", "randperm"})
"""Torch functions that draw by chance and can be told from which source."""


class steady(TorchFunctionMode):
    """Within this block, in this thread, what is drawn is drawn from a source that begins with `SEED`."""

    def __init__(self) -> None:
        super().__init__()
        self._sources: dict[torch.device, torch.Generator] = {}

    def __torch_function__(
        self, func: Callable, types: Sequence, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if getattr(func, "__name__", "") in DRAWS and kwargs.get("generator") is None:
            kwargs["generator"] = self._source(args, kwargs)
        return func(*args, **kwargs)

    def _source(self, args: tuple, kwargs: Mapping[str, Any]) -> torch.Generator:
        asked = kwargs.get("device")
        device = next((one.device for one in args if isinstance(one, Tensor)), torch.device(asked or "cpu"))
        if device not in self._sources:
            self._sources[device] = torch.Generator(device).manual_seed(SEED)
        return self._sources[device]
