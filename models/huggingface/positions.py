"""How positions enter a Hugging Face model, read from what its modules gave in a run.

kind          values                                          where
learned       (position, d_model), what is added              the stream
sinusoidal    (position, d_model), what is added              the stream
rotary        (position, pair), the angle in radians          the stream, with the type of layer where there are several
relative      (head, query, key), what is added to the scores the first block with it
alibi         (head,), the slope of each head                 the first block with it
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.huggingface.assemble import Assembly, array
from models.huggingface.interface import Passed
from models.huggingface.windows import WindowGrid
from models.trace import Block, PositionalEncoding, Site

_TABLE = re.compile(r"(^|[._])(wpe|pos\w*_embed\w*|embed_pos\w*)$", re.IGNORECASE)
_ROTARY = re.compile(r"rotary|rope", re.IGNORECASE)


def position_modules(model: nn.Module) -> list[nn.Module]:
    """The modules whose output says where a token stands."""
    return [module for path, module in model.named_modules() if _is_table(path, module) or _is_rotary(module)]


def positions(
    model: nn.Module, assembly: Assembly, passed: Sequence[Passed], paths: Mapping[nn.Module, str]
) -> tuple[PositionalEncoding, ...]:
    """Every way in which positions entered this run."""
    found: dict[tuple[str, str], PositionalEncoding] = {}
    ways = (
        _tables(assembly, passed, paths),
        _parameters(model, assembly),
        _rotations(assembly, passed, paths),
        _biases(assembly.blocks, assembly.arrays),
    )
    for encoding in (encoding for way in ways for encoding in way):
        found.setdefault((encoding.kind, encoding.where), encoding)
    return tuple(found.values())


def _is_table(path: str, module: nn.Module) -> bool:
    return bool(_TABLE.search(path)) and not list(module.children())


def _is_rotary(module: nn.Module) -> bool:
    return bool(_ROTARY.search(type(module).__name__)) and not list(module.parameters())


def _tables(
    assembly: Assembly, passed: Iterable[Passed], paths: Mapping[nn.Module, str]
) -> Iterator[PositionalEncoding]:
    for one in passed:
        path = paths.get(one.module, "")
        if not _is_table(path, one.module) or not isinstance(one.output, Tensor):
            continue
        values = one.output[0] if one.output.ndim == 3 else one.output
        stream = _stream(assembly, path, len(values))
        if values.ndim == 2 and stream:
            fixed = "inusoid" in type(one.module).__name__ or not _is_learned(one.module)
            yield PositionalEncoding("sinusoidal" if fixed else "learned", array(values), stream)


def _is_learned(module: nn.Module) -> bool:
    """Whether training may change the table; Whisper's encoder has a fixed one."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, nn.Parameter) and weight.requires_grad


def _parameters(model: nn.Module, assembly: Assembly) -> Iterator[PositionalEncoding]:
    """Tables that are no module of their own, as in vision Transformers."""
    for path, parameter in model.named_parameters():
        if _TABLE.search(path) and parameter.ndim == 3 and len(parameter) == 1:
            stream = _stream(assembly, path, parameter.shape[1])
            if stream:
                yield PositionalEncoding("learned", array(parameter[0]), stream)


def _rotations(
    assembly: Assembly, passed: Iterable[Passed], paths: Mapping[nn.Module, str]
) -> Iterator[PositionalEncoding]:
    """Angles, of streams in which some queries were turned."""
    turned = {
        block.query_stream
        for block in assembly.blocks
        if (Site.QUERY_UNROTATED, block.name) in assembly.arrays
    }
    for one in passed:
        angles = _angles(one.output) if _is_rotary(one.module) else None
        stream = _stream(assembly, paths.get(one.module, ""), 0 if angles is None else len(angles))
        if angles is not None and stream in turned:
            yield PositionalEncoding(
                "rotary", angles, f"{stream}.{one.layer_type}" if one.layer_type else stream
            )


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


def _biases(blocks: Sequence[Block], arrays: Mapping[tuple[Site, str], Any]) -> Iterator[PositionalEncoding]:
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
        slopes = alibi_slopes(bias)
        if slopes is not None:
            yield PositionalEncoding("alibi", slopes, block.name)
        else:
            yield PositionalEncoding("relative", bias, block.name)


def alibi_slopes(bias: NDArray) -> NDArray | None:
    """Each head's slope, if in every row the bias grows evenly with the key's place; None if it does not."""
    if bias.shape[-1] < 3:
        return None
    steps = np.diff(bias, axis=-1)
    slopes = steps[:, :1, :1]
    even = np.allclose(steps, slopes, rtol=1e-3, atol=1e-6)
    return np.ascontiguousarray(slopes[:, 0, 0]) if even and bool(np.all(slopes != 0)) else None
