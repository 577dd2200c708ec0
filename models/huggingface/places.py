"""Where an attention module stands: in which tower, in which layer of it, and whether it looks at another tower.

    tower      stream      blocks                                    models
    encoder    "encoder"   "encoder.N.self"                          encoder-only, vision, of an encoder-decoder
    decoder    "decoder"   "decoder.N.self", "decoder.N.cross"       decoder-only (causal), of an encoder-decoder
    vision     "vision"    "vision.N.self"                           the image tower beside a text tower
    text       "text"      "text.N.self"                             the text tower beside an image tower (CLIP, SigLIP)
    audio      "audio"     "audio.N.self"                            the sound tower beside a text tower

N is the layer's place in its tower. A layer that is run several times (ALBERT) counts once per time. Attention outside
the layers, such as a pooling head, comes after them. Where a tower changes the number of its tokens (Swin merges
patches, a pooling head asks with one vector), those tokens are a stream of their own: "encoder:49" has 49.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import nn

_CROSS = re.compile(r"cross|encoder_attn|encdec", re.IGNORECASE)
_VISION = re.compile(r"vision|visual|image|img", re.IGNORECASE)
_AUDIO = re.compile(r"audio|speech", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attention module stands. `layers` is the path of the list of layers that it belongs to."""

    path: str
    tower: str
    layers: str
    layer: int
    cross: bool

    @property
    def layer_path(self) -> str:
        """The path of its layer."""
        return self.path if self.layers == self.path else f"{self.layers}.{self.layer}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The places of all attention modules of a model, and how many layers each list of layers has."""

    places: dict[str, Place]
    lengths: dict[str, int]

    def number(self, path: str, call: int) -> int:
        """The layer's place in its tower, when its attention module is run for the `call`-th time."""
        return self.count(self.places[path].layers, self.places[path].layer, call)

    def count(self, layers: str, layer: int, call: int) -> int:
        """The place in its tower of a layer of a list of layers, when it is run for the `call`-th time."""
        before = 0
        for other, length in self.lengths.items():
            if other == layers:
                break
            before += length if self.tower(other) == self.tower(layers) else 0
        return before + layer + call * self.lengths[layers]

    def first(self, tower: str) -> str:
        """The first list of layers of a tower."""
        return next(layers for layers in self.lengths if self.tower(layers) == tower)

    def last(self, tower: str) -> str:
        """The last list of layers of a tower."""
        return next(layers for layers in reversed(self.lengths) if self.tower(layers) == tower)

    def depth(self, tower: str) -> int:
        """How many layers a tower has, with and without attention."""
        return sum(length for layers, length in self.lengths.items() if self.tower(layers) == tower)

    @property
    def towers(self) -> tuple[str, ...]:
        """The towers, in the order in which the model holds them."""
        return tuple(dict.fromkeys(place.tower for place in self.places.values()))

    def tower(self, layers: str) -> str:
        """The tower that a list of layers belongs to."""
        return next(place.tower for place in self.places.values() if place.layers == layers)


def plan(model: nn.Module, attentions: Sequence[str], causal: Iterable[str], encoder_decoder: bool) -> Plan:
    """The places of the attention modules at these paths; `causal` are those that never look ahead."""
    modules = dict(model.named_modules())
    lists = {path: _layer_list(path, modules) for path in attentions}
    towers = _towers(attentions, set(causal), encoder_decoder)
    places = {}
    for path, (layers, layer) in lists.items():
        below = path.removeprefix(layers) or path
        places[path] = Place(path, towers[path], layers, layer, _is_cross(below, modules[path]))
    found = [path for path in modules if path in {layers for layers, _ in lists.values()}]
    lengths = {layers: 1 if layers in lists else len(list(modules[layers].children())) for layers in found}
    return Plan(places, lengths)


def _layer_list(path: str, modules: dict[str, nn.Module]) -> tuple[str, int]:
    """The innermost list of like layers on a path, else the outermost list of any: T5's sublayers are no layers."""
    parts, lists = path.split("."), []
    for depth, part in enumerate(parts):
        if part.isdecimal():
            lists.append((".".join(parts[:depth]), int(part)))
    alike = [found for found in lists if _alike(modules[found[0]])]
    return alike[-1] if alike else lists[0] if lists else (path, 0)


def _alike(layers: nn.Module) -> bool:
    return len({type(layer) for layer in layers.children()}) == 1


def _is_cross(below: str, module: nn.Module) -> bool:
    flag = getattr(module, "is_cross_attention", None)
    return bool(_CROSS.search(below)) if flag is None else bool(flag)


def _towers(paths: Sequence[str], causal: set[str], encoder_decoder: bool) -> dict[str, str]:
    kinds = {path: _kind(path) for path in paths}
    if encoder_decoder:
        return {path: "decoder" if "decoder" in path.split(".") else "encoder" for path in paths}
    several = len(set(kinds.values())) > 1
    names = {}
    for path in paths:
        kind = kinds[path]
        if several and (kind != "text" or "text_model" in path):
            names[path] = kind
        else:
            own = {other for other in paths if kinds[other] == kind}
            names[path] = "decoder" if own & causal else "encoder"
    return names


def _kind(path: str) -> str:
    if _VISION.search(path):
        return "vision"
    return "audio" if _AUDIO.search(path) else "text"
