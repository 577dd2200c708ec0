"""The tokens of an image: patches by row and column, and the special tokens that stand before or after them.

    leading    [CLS]  [DIST] (DeiT)  [REG 1] … (DINOv2 with registers, DINOv3)
    patches    row by row; a tower that merges them (Swin) halves rows and columns from one stage to the next
    trailing   [DET 1] … (YOLOS); [PAD] … (Swin, where patches do not fill its windows)

A stream has a grid only where it adds up: patches and the model's own special tokens are as many as the stream has.
Where they are not (a part of the patches, a pooling query), the tokens are numbered and claim no place in the image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.huggingface.assemble import Assembly, stage_grid
from models.huggingface.dummy import vision_config
from models.huggingface.once import per_model
from models.huggingface.windows import Grid, WindowGrid
from models.trace import Site, Token

_LEADING = (
    ("CLS", re.compile(r"(?<!text_model\.embeddings\.)\b(cls_token|class_token|class_embedding)$")),
    ("DIST", re.compile(r"\bdistillation_token$")),
    ("REG", re.compile(r"\bregister_tokens$")),
)
_TRAILING = (("DET", re.compile(r"\bdetection_tokens$")),)


@dataclass(frozen=True)
class Specials:
    """The names of the tokens before and after the patches."""

    leading: tuple[str, ...] = ()
    trailing: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.leading) + len(self.trailing)


@per_model
def specials(model: Any) -> Specials:
    """The special tokens of the tower that sees, as its learned parameters name and count them."""
    shapes = {
        name: parameter.shape
        for name, parameter in model.named_parameters()
        if "token" in name or "class" in name
    }

    def names(kinds: Sequence[tuple[str, re.Pattern[str]]]) -> tuple[str, ...]:
        found = []
        for kind, pattern in kinds:
            shape = next((shape for name, shape in shapes.items() if pattern.search(name)), None)
            if shape is not None:
                count = int(shape[-2]) if len(shape) > 1 else 1
                found += [f"[{kind}]"] if count == 1 else [f"[{kind} {n + 1}]" for n in range(count)]
        return tuple(found)

    return Specials(names(_LEADING), names(_TRAILING))


def first_grids(model: Any, pixel_values: Any) -> tuple[Grid, ...]:
    """(rows, columns) of the patches of an image: what is left over at its edges is cut off, or padded to a patch."""
    size = getattr(vision_config(model), "patch_size", None)
    if size is None or not isinstance(pixel_values, Tensor) or pixel_values.ndim != 4:
        return ()
    high, wide = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    height, width = pixel_values.shape[-2:]
    return tuple(dict.fromkeys(((height // high, width // wide), (-(-height // high), -(-width // wide)))))


def image_grid(model: Any, pixel_values: Any) -> Grid | None:
    """(rows, columns) of the patches of an image that is padded to whole patches, as models with windows do it."""
    grids = first_grids(model, pixel_values)
    return grids[-1] if grids else None


def patch_grids(model: Any, pixel_values: Any, assembly: Assembly) -> dict[str, Grid]:
    """Stream → its grid of patches, for every stream that sees."""
    if shuffles(model):
        return {}
    named, found = len(specials(model)), {}
    candidates = first_grids(model, pixel_values)
    image = image_grid(model, pixel_values)
    for stream, length in assembly.lengths.items():
        known = _known_grids(assembly, stream, image)
        if known:
            if len(known) == 1 and None not in known:
                found[stream] = known.pop()
            continue
        grid = next((grid for grid in candidates if length - grid[0] * grid[1] in {0, named}), None)
        if grid is not None and _sees(stream, assembly):
            candidates = (grid, ((grid[0] + 1) // 2, (grid[1] + 1) // 2))
            if all(windows.lies_in(*grid) for windows in _windows(assembly, stream).values()):
                found[stream] = grid
    return found


def _known_grids(assembly: Assembly, stream: str, image: Grid | None) -> set[Any]:
    """The grids that a stream's layers with windows work on; None among them: one that is not known.

    Stages that are padded to equally many patches share a stream, and have a grid each.
    """
    places = [assembly.plan.places[block.module] for block in assembly.blocks if block.query_stream == stream]
    inside = [
        assembly.windows[place.layer_path].grid for place in places if place.layer_path in assembly.windows
    ]
    if not any(inside):
        return set()
    return {*inside, *(stage_grid(assembly.plan, place, image) for place in places)}


def _sees(stream: str, assembly: Assembly) -> bool:
    """Whether a stream is of the tower that sees and not what asks it in the end."""
    own = any(block.query_stream == block.key_stream == stream for block in assembly.blocks)
    return own and stream.partition(":")[0] not in {"text", "decoder", "audio"}


def window_regions(assembly: Assembly, grids: Mapping[str, Grid]) -> dict[str, NDArray[np.int64]]:
    """Block → the window and region of each of its patches, where attention stays inside windows."""
    return {
        name: windows.regions() for stream in grids for name, windows in _windows(assembly, stream).items()
    }


def _windows(assembly: Assembly, stream: str) -> dict[str, WindowGrid]:
    masks = {
        block.name: assembly.arrays[Site.MASK, block.name]
        for block in assembly.blocks
        if block.query_stream == stream
    }
    return {name: mask for name, mask in masks.items() if isinstance(mask, WindowGrid)}


def shuffles(model: Any) -> bool:
    """Whether a model puts text and patches into one stream, the patches in an order that it draws anew (ViLT)."""
    return hasattr(model.config, "max_image_length")


def numbered(count: int) -> tuple[Token, ...]:
    """Tokens of which nothing is known but their number."""
    return tuple(Token(place, str(place + 1)) for place in range(count))


def patch_tokens(count: int, grid: Grid, named: Specials) -> tuple[Token, ...]:
    """Patches by row and column, counted from 1 in their text, with the special tokens around them.

    What a layer with windows padded, and looks at as at any patch, stands after the patches.
    """
    more = count - grid[0] * grid[1]
    if more != len(named):
        named = Specials(trailing=("[PAD]",) * more)
    patches = (
        Token(place, f"{row + 1},{column + 1}", row=row, column=column)
        for place, (row, column) in enumerate(product(range(grid[0]), range(grid[1])))
    )
    leading = (Token(-1, name, special=True) for name in named.leading)
    trailing = (Token(-1, name, special=True) for name in named.trailing)
    return (*leading, *patches, *trailing)


def joined_tokens(count: int, text: Sequence[Token], named: Specials) -> tuple[Token, ...]:
    """A text and then, in an unknown order, the patches of an image."""
    leading = tuple(Token(-1, name, special=True) for name in named.leading)
    return (*text, *leading, *numbered(count - len(text) - len(leading)))


def tokens_of(
    model: Any,
    lengths: Mapping[str, int],
    read: Mapping[str, tuple[Token, ...]],
    grids: Mapping[str, tuple[int, int]],
) -> dict[str, tuple[Token, ...]]:
    """The tokens of every stream: those that were read where their number fits, else patches or bare numbers."""
    found = {}
    for stream, length in lengths.items():
        texts = read.get(stream, ())
        if len(texts) == length:
            found[stream] = texts
        elif stream in grids:
            found[stream] = patch_tokens(length, grids[stream], specials(model))
        elif texts and shuffles(model):
            found[stream] = joined_tokens(length, texts, specials(model))
        else:
            found[stream] = numbered(length)
    return found
