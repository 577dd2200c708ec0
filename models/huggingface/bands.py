"""Attention within a band around each token, as Longformer and LED compute it, put back into its dense form.

The model computes only the band's scores, in a layout of its own that no other route can read. What goes in and comes
out is that of any attention, so hooks keep it: what the maps query, key and value gave, the mask, and the context.

    local     a query attends to the keys at most w places away, and to every token with global attention
    global    the query of a token with global attention attends to all keys; it has maps of its own,
              query_global, key_global and value_global, and so is a second block: in the first its row is empty,
              in the second every other row is

Nothing is taken from a model's name: a module that says how wide its band is, is one. (Beltagy et al. 2020)
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

from models.huggingface.capture import Capture
from models.huggingface.interface import Band, Passed, Watch, current

WIDTH = "one_sided_attn_window_size"
MAPS = ("query", "key", "value", "query_global", "key_global", "value_global")

_hooked: WeakSet[nn.Module] = WeakSet()
_lock = threading.Lock()


def watch_bands(model: nn.Module) -> None:
    """Hook the banded attention of a model; the hooks do nothing while no run is recorded."""
    with _lock:
        for module in model.modules():
            if (
                module not in _hooked
                and hasattr(module, WIDTH)
                and all(hasattr(module, name) for name in MAPS)
            ):
                _hooked.add(module)
                module.register_forward_hook(_attended, with_kwargs=True)
                for name in MAPS:
                    getattr(module, name).register_forward_hook(_projected)


def _projected(module: nn.Module, _: Any, output: Tensor) -> None:
    watch = current()
    if watch is not None:
        watch.projected[module] = output.clone()  # the model divides it by √d, in place


def _attended(module: nn.Module, args: tuple[Any, ...], arguments: Mapping[str, Any], output: Any) -> None:
    watch = current()
    if watch is not None:
        mask = arguments["attention_mask"] if "attention_mask" in arguments else args[1]
        found = {name: watch.projected.pop(getattr(module, name), None) for name in MAPS}
        watch.bands.append(Band(module, found, mask, output[0]))


def banded(watch: Watch, paths: Mapping[nn.Module, str], length: int | None) -> Iterator[tuple[Capture, ...]]:
    """The captures of a run: local attention of each call and, where a token has it, global attention.

    `length`: how many tokens the text has; what follows was added by the model itself, to fill its last window.
    """
    counted: Counter[str] = Counter()
    for band in watch.bands:
        path = paths.get(band.module, "")
        for capture in _captures(band, path, counted[path], length):
            yield (capture,)
        counted[path] += 1


def _captures(band: Band, path: str, call: int, length: int | None) -> Iterator[Capture]:
    state = band.mask[0, :length]  # below 0: padding; 0: local; above 0: global
    is_live, is_global = state >= 0, state > 0
    maps = {
        name: _heads(tensor.transpose(0, 1), band.module, length)
        for name, tensor in band.maps.items()
        if tensor is not None
    }
    width, places = int(getattr(band.module, WIDTH)), torch.arange(len(state), device=state.device)
    near = (places[:, None] - places).abs() <= width
    local = Capture(
        module=path,
        call=call,
        query=maps["query"],
        key=maps["key"],
        value=maps["value"],
        scale=maps["query"].shape[-1] ** -0.5,
        context=_heads(band.context, band.module, length),
        mask=((near & (state == 0)) | is_global) & (is_live & ~is_global)[:, None],
        route="band",
    )
    yield local
    if bool(is_global.any()):
        query = torch.zeros_like(maps["query"])
        query[:, is_global] = maps["query_global"]
        yield replace(
            local,
            query=query,
            key=maps["key_global"],
            value=maps["value_global"],
            mask=is_global[:, None] & is_live,
        )


def _heads(tensor: Tensor, module: nn.Module, length: int | None) -> Tensor:
    """(1, position, head · d) → (head, position, d), without what the model added at the end."""
    return tensor[0, :length].unflatten(-1, (int(module.num_heads), -1)).transpose(0, 1)


def unpadded(passed: Sequence[Passed], bands: Sequence[Band], length: int | None) -> list[Passed]:
    """What passed the modules, without the rows of what a model with bands added at the end of the text."""
    padded = bands[0].mask.shape[-1] if bands else 0
    if length is None or padded <= length:
        return list(passed)
    return [
        replace(one, given=_cut(one.given, padded, length), output=_cut(one.output, padded, length))
        for one in passed
    ]


def _cut(value: Any, padded: int, length: int) -> Any:
    """Every tensor (…, position, d) without the rows that were added."""
    if isinstance(value, tuple | list):
        return tuple(_cut(one, padded, length) for one in value)
    if isinstance(value, Tensor) and value.ndim in {2, 3} and value.shape[-2] == padded:
        return value[..., :length, :]
    return value
