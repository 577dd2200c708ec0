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

from models.huggingface.assemble import Assembly
from models.huggingface.capture import Capture
from models.huggingface.interface import Band, OnePass, Passed, Watch, current
from models.huggingface.projections import Projection

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
    heads: Any = module.num_heads
    return tensor[0, :length].unflatten(-1, (heads, -1)).transpose(0, 1)


def unpadded(passed: Sequence[Passed], bands: Sequence[Band], length: int | None) -> list[Passed]:
    """What passed the modules of a model with bands: one item of (position, d), without what the model added."""
    if not bands:
        return list(passed)
    whole = bands[0].mask.shape[-1]
    made = {getattr(band.module, name): tensor for band in bands for name, tensor in band.maps.items()}
    return [
        OnePass(
            one.module,
            _cut(one.given, whole, length),
            _cut(made.get(one.module, one.output), whole, length),
            one.layer_type,
        )
        for one in passed
    ]


def fill_global_maps(assembly: Assembly, projections: Sequence[Projection], model: nn.Module) -> None:
    """The maps of global attention, in the place of those of local attention, which it does not go through."""
    local: set[str] = set()
    for block in assembly.blocks:
        if block.route == "band" and block.module in local:
            for one in projections:
                if one.attention == block.module and one.path.rpartition(".")[2] in MAPS:
                    for site, view in one.arrays(model.get_submodule(f"{one.path}_global")):
                        assembly.arrays[site, block.name] = view
        local.add(block.module)


def _cut(value: Any, whole: int, length: int | None) -> Any:
    """Every tensor (1, position, d), or (position, 1, d) as the maps have it, without the rows that were added."""
    if isinstance(value, tuple | list):
        return tuple(_cut(one, whole, length) for one in value)
    if not isinstance(value, Tensor) or value.ndim not in {2, 3}:
        return value
    if value.ndim == 3 and value.shape[:2] == (whole, 1):
        value = value.transpose(0, 1)
    return value[..., :length, :] if value.shape[-2] == whole else value
