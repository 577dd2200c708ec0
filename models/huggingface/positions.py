"""How positions enter a Hugging Face model, read from what its modules gave in a run.

kind          values                                          where
learned       (position, d_model), what is added              the stream
sinusoidal    (position, d_model), what is added              the stream
rotary        (position, pair), the angle in radians          the stream, with the type of layer where there are several
relative      (head, query, key), what is added to the scores the first block with it
disentangled  the same, where it depends on the content too    the first block with it   (DeBERTa, Transformer-XL)
alibi         (head,), the slope of each head                 the first block with it
convolution   (position, d_model), what is added              the stream
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.huggingface.assemble import Assembly, array
from models.huggingface.entrances import Entrance, is_table
from models.huggingface.interface import Passed
from models.huggingface.once import per_model
from models.huggingface.places import Plan
from models.huggingface.windows import WindowGrid
from models.trace import Block, PositionalEncoding, Site

CORNER = 16
"""So many queries and keys tell whether a bias depends on distance alone."""

_ROTARY = re.compile(r"rotary|rope", re.IGNORECASE)


def position_modules(model: nn.Module) -> list[nn.Module]:
    """The modules whose output says where a token stands."""
    return [module for path, module in model.named_modules() if is_table(path, module) or _is_rotary(module)]


def positions(
    model: Any,
    assembly: Assembly,
    passed: Sequence[Passed],
    paths: Mapping[nn.Module, str],
    added: Sequence[Entrance] = (),
) -> tuple[PositionalEncoding, ...]:
    """Every way in which positions entered this run; `added`: what is known to enter the towers."""
    found: dict[tuple[str, str], PositionalEncoding] = {}
    summed = {one.tower for one in added if one.proved}
    ways = (
        _added(model, assembly, added),
        _tables(assembly, passed, paths, summed),
        _parameters(model, assembly, summed),
        _rotations(assembly, passed, paths),
        _biases(assembly.blocks, assembly.arrays, model.main_input_name == "pixel_values"),
    )
    for encoding in (encoding for way in ways for encoding in way):
        found.setdefault((encoding.kind, encoding.where), encoding)
    return tuple(found.values())


def is_bare(model: nn.Module, plan: Plan, added: Iterable[Entrance]) -> bool:
    """Whether each tower is known to read its tokens alone, and the model holds nothing that may be positions."""
    named = chain(model.named_parameters(), model.named_buffers())
    tokens = {one.tower for one in added if one.proved and one.site is Site.TOKEN_EMBEDDING}
    return (
        not position_modules(model)
        and not any(is_table(path) for path, _ in named)
        and tokens >= {*plan.towers}
    )


def _is_rotary(module: nn.Module) -> bool:
    return bool(_ROTARY.search(type(module).__name__)) and not list(module.parameters())


def _added(model: nn.Module, assembly: Assembly, added: Iterable[Entrance]) -> Iterator[PositionalEncoding]:
    """What is known to be added where a tower begins."""
    for one in added:
        values = assembly.arrays.get((Site.POSITION_ENCODING, one.tower))
        if one.site is not Site.POSITION_ENCODING or values is None:
            continue
        module = model.get_submodule(one.path)
        if not one.parameter and any(isinstance(part, nn.Conv1d) for part in module.modules()):
            yield PositionalEncoding("convolution", values, one.tower)
        else:
            kind = "learned" if one.parameter else _kind_of_table(module)
            yield PositionalEncoding(kind, values, one.tower)


def _tables(
    assembly: Assembly, passed: Iterable[Passed], paths: Mapping[nn.Module, str], known: Collection[str]
) -> Iterator[PositionalEncoding]:
    """Tables of streams of which it is not `known` what enters them."""
    for one in passed:
        path = paths.get(one.module, "")
        if not is_table(path, one.module) or not isinstance(one.output, Tensor):
            continue
        values = one.output[0] if one.output.ndim == 3 else one.output
        stream = _stream(assembly, path, len(values))
        if values.ndim == 2 and stream and stream not in known:
            yield PositionalEncoding(_kind_of_table(one.module), array(values), stream)


def _kind_of_table(module: nn.Module) -> str:
    fixed = "inusoid" in type(module).__name__ or not _is_learned(module)
    return "sinusoidal" if fixed else "learned"


def _is_learned(module: nn.Module) -> bool:
    """Whether training may change the table; Whisper's encoder has a fixed one."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, nn.Parameter) and weight.requires_grad


def _parameters(model: nn.Module, assembly: Assembly, known: Collection[str]) -> Iterator[PositionalEncoding]:
    """Tables that are no module of their own, as in vision Transformers."""
    for path, parameter in _tables_of(model):
        stream = _stream(assembly, path, parameter.shape[1])
        if stream and stream not in known:
            yield PositionalEncoding("learned", array(parameter[0]), stream)


@per_model
def _tables_of(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """(path, parameter) of every parameter that may be a table of positions."""
    named = model.named_parameters()
    return [(path, each) for path, each in named if is_table(path) and each.ndim == 3 and len(each) == 1]


def _rotations(
    assembly: Assembly, passed: Iterable[Passed], paths: Mapping[nn.Module, str]
) -> Iterator[PositionalEncoding]:
    """Angles, of streams in which some queries were turned."""
    turned: dict[str, str] = {}
    for block in assembly.blocks:
        if (Site.QUERY_UNROTATED, block.name) in assembly.arrays:
            turned.setdefault(block.query_stream, block.name)
    seen = set()
    for one in passed:
        angles = _angles(one.output) if _is_rotary(one.module) else None
        stream = _stream(assembly, paths.get(one.module, ""), 0 if angles is None else len(angles))
        if angles is not None and stream in turned:
            seen.add(stream)
            yield PositionalEncoding(
                "rotary", angles, f"{stream}.{one.layer_type}" if one.layer_type else stream
            )
    for stream, block in turned.items():
        if stream not in seen and (Site.ANGLE, block) in assembly.arrays:
            yield PositionalEncoding("rotary", np.asarray(assembly.arrays[Site.ANGLE, block]), stream)


def _angles(output: Any) -> NDArray | None:
    """(position, pair) in (−π, π], from cosines and sines or from complex numbers."""
    if isinstance(output, Tensor) and output.is_complex():
        return array(output.angle().flatten(0, -2).float())
    if not (
        isinstance(output, tuple) and len(output) == 2 and all(isinstance(part, Tensor) for part in output)
    ):
        return None
    cosine, sine = (part.detach().float().flatten(0, -2) for part in output)
    return array(torch.atan2(sine, cosine)[:, : _pairs(cosine)])


def _pairs(cosine: Tensor) -> int:
    """How many columns there are before they repeat: most models write each angle twice, half a width apart."""
    half = cosine.shape[-1] // 2
    return half if torch.equal(cosine[:, :half], cosine[:, half : 2 * half]) else cosine.shape[-1]


def _stream(assembly: Assembly, path: str, length: int) -> str:
    """The stream of so many tokens that a module serves, by the tower in its path where several are as long."""
    fitting = [stream for stream, tokens in assembly.lengths.items() if tokens == length]
    named = [stream for stream in fitting if stream in path]
    return (*named, *fitting, "")[0]


def _biases(
    blocks: Sequence[Block], arrays: Mapping[tuple[Site, str], Any], is_image: bool
) -> Iterator[PositionalEncoding]:
    """Each bias once, at the first block that adds it."""
    known: set[int] = set()
    for block in blocks:
        bias = arrays.get((Site.BIAS, block.name))
        if isinstance(bias, WindowGrid):  # its first window has every distance
            yield PositionalEncoding("relative", bias.windows[0], block.name)
            continue
        if bias is None or bias.__array_interface__["data"][0] in known:
            continue
        known.add(bias.__array_interface__["data"][0])
        mask = arrays[Site.MASK, block.name]
        seen, allowed = _of_tokens(bias, mask)
        slopes = alibi_slopes(seen, allowed)
        if slopes is not None:
            yield PositionalEncoding("alibi", slopes, block.name)
        elif seen.any() and not _is_of_keys(seen, allowed):
            kind = "relative" if is_image or _is_of_distance(seen, allowed) else "disentangled"
            yield PositionalEncoding(kind, bias, block.name)


def _of_tokens(bias: NDArray, mask: NDArray) -> tuple[NDArray, NDArray]:
    """Bias and mask without the queries and keys that nothing is asked of, which is padding."""
    queries, keys = mask.any(axis=(0, 2)), mask.any(axis=(0, 1))
    if (queries.all() and keys.all()) or not queries.any():
        return bias, mask
    return bias[:, queries][:, :, keys], mask[:, queries][:, :, keys]


def alibi_slopes(bias: NDArray, mask: NDArray) -> NDArray | None:
    """Each head's slope, if in every row the bias grows evenly with the key's place; None if it does not."""
    if bias.shape[-1] < 3:
        return None
    steps, both = np.diff(bias, axis=-1), mask[..., 1:] & mask[..., :-1]
    last = steps[:, -1:, :]
    slopes = np.take_along_axis(
        last, np.argmax(np.broadcast_to(both[:, -1:], last.shape), axis=-1)[..., None], -1
    )
    even = np.isclose(steps, slopes, rtol=1e-3, atol=1e-6) | ~both
    return np.ascontiguousarray(slopes[:, 0, 0]) if even.all() and bool(np.all(slopes != 0)) else None


def _is_of_keys(bias: NDArray, mask: NDArray) -> bool:
    """Whether it is the same for every query that sees a key, and so says nothing of where the key stands beside it."""
    bias, mask = bias[:, :CORNER, :CORNER], mask[:, :CORNER, :CORNER]
    seen = mask & mask[:, -1:]
    return bool((np.isclose(bias, bias[:, -1:], atol=1e-5) | ~seen).all())


def _is_of_distance(bias: NDArray, mask: NDArray) -> bool:
    """Whether it depends on nothing but how far the key is from the query, in the corner that is looked at."""
    bias, mask = bias[:, :CORNER, :CORNER], mask[:, :CORNER, :CORNER]
    seen = mask[:, 1:, 1:] & mask[:, :-1, :-1]
    return bool((np.isclose(bias[:, 1:, 1:], bias[:, :-1, :-1], atol=1e-5) | ~seen).all())
