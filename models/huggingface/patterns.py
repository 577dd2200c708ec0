"""The two parts of a padded mask: the pattern that the layer has for every text, and which keys are no padding.

transformers joins both in one function of query and key; asked again without the padding, it gives the pattern alone.
Of a mask that a model makes itself there are only the numbers: where they depend on nothing but how far the key is
from the query, the pattern goes on so under the padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.huggingface.assemble import Assembly, array
from models.huggingface.interface import MaskMade
from models.huggingface.windows import WindowGrid
from models.trace import Block, Site

Parts = tuple[Tensor, Tensor]
"""(pattern (1, query, key), padding (at least key,)); padding is True where there is none."""


def mask_parts(made: MaskMade) -> Parts | None:
    """What was joined in a mask; None where nothing is padded: then its pattern is the mask."""
    from transformers.masking_utils import sdpa_mask

    padding = made.arguments.get("attention_mask")
    if padding is None or bool(padding.bool().all()):
        return None
    asked: dict[str, Any] = {**made.arguments, "attention_mask": None, "allow_is_causal_skip": False}
    asked = {name: value for name, value in asked.items() if name != "dtype"} | {
        "allow_is_bidirectional_skip": False
    }
    with torch.no_grad():
        pattern = sdpa_mask(**asked)
    return (pattern[0], padding[0].bool()) if pattern is not None else None


def parts_apart(assembly: Assembly, inputs: Mapping[str, Any]) -> Iterator[tuple[Site, str, NDArray]]:
    """(site, block, array) of every block whose mask holds padding and of which nobody said how it was made."""
    known: dict[int, tuple[NDArray, NDArray] | None] = {}
    for block in assembly.blocks:
        if (Site.MASK_PATTERN, block.name) in assembly.arrays:
            continue
        mask = assembly.arrays[Site.MASK, block.name]
        if id(mask) not in known:
            known[id(mask)] = _apart(mask, _kept(block, inputs))
        found = known[id(mask)]
        if found is not None:
            yield Site.MASK_PATTERN, block.name, found[0]
            yield Site.MASK_PADDING, block.name, found[1]


def _kept(block: Block, inputs: Mapping[str, Any]) -> NDArray | None:
    """Which keys are no padding, as the inputs say; None where they say nothing."""
    both = "decoder_input_ids" in inputs or "encoder_outputs" in inputs
    given = inputs.get(
        "decoder_attention_mask" if both and block.key_stream == "decoder" else "attention_mask"
    )
    return array(given[0] > 0) if isinstance(given, Tensor) and given.ndim == 2 else None


def _apart(mask: NDArray | WindowGrid, kept: NDArray | None) -> tuple[NDArray, NDArray] | None:
    """(pattern, padding) of a mask of which only the numbers are known; None where they do not tell."""
    if kept is None or kept.all() or isinstance(mask, WindowGrid) or mask.shape[-1] != len(kept):
        return None
    queries = np.flatnonzero(kept) if mask.shape[-2] == len(kept) else np.arange(mask.shape[-2])
    seen = mask[:, queries][:, :, kept]  # (1 or head, token, token)
    if mask[:, queries][:, :, ~kept].any() or not seen.size:
        return None
    if seen.all():
        return np.broadcast_to(np.True_, mask.shape), kept
    return (pattern, kept) if (pattern := _by_distance(mask, queries, kept)) is not None else None


def _by_distance(mask: NDArray, queries: NDArray, kept: NDArray) -> NDArray | None:
    """The mask continued over the padding by distance; None where tokens as far apart are treated differently.

    A distance that no two tokens have is treated as the nearest one that some have.
    """
    if mask.shape[-2] != mask.shape[-1]:
        return None
    count = len(kept)
    away = np.subtract.outer(np.arange(count), np.arange(count)) + count - 1
    known = away[np.ix_(queries, kept)].ravel()
    total = np.bincount(known, minlength=2 * count - 1)
    places = np.flatnonzero(total)
    nearest = places[np.abs(np.subtract.outer(np.arange(2 * count - 1), places)).argmin(axis=1)]
    found = []
    for grid in mask:
        allowed = np.bincount(known, weights=grid[np.ix_(queries, kept)].ravel(), minlength=2 * count - 1)
        if ((allowed > 0) & (allowed < total)).any():
            return None
        found.append((allowed > 0)[nearest][away])
    return np.stack(found)
