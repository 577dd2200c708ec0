"""The two parts of a padded mask: the pattern that the layer has for every text, and which keys are no padding.

transformers joins both in one function of query and key; asked again without the padding, it gives the pattern alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.huggingface.interface import Call, MaskMade, Watch
from models.trace import Block, Site


def mask_parts(
    watch: Watch, blocks: Sequence[Block], paths: Mapping[nn.Module, str]
) -> Iterator[tuple[Site, str, Tensor]]:
    """(site, block, tensor) of every block whose mask holds padding; a block without has its pattern as its mask."""
    made = {one.mask.data_ptr(): one for one in watch.masks}
    parts: dict[int, tuple[Tensor, Tensor] | None] = {}
    calls = {paths.get(call.module, ""): call for call in watch.calls}
    for block in blocks:
        one = _made(calls.get(block.module), made)
        if one is None:
            continue
        if id(one) not in parts:
            parts[id(one)] = _parts(one)
        found = parts[id(one)]
        if found is not None:
            yield Site.MASK_PATTERN, block.name, found[0]
            yield Site.MASK_PADDING, block.name, found[1]


def _made(call: Call | None, made: Mapping[int, MaskMade]) -> MaskMade | None:
    return None if call is None or call.mask is None else made.get(call.mask.data_ptr())


def _parts(made: MaskMade) -> tuple[Tensor, Tensor] | None:
    """(pattern (1, query, key), padding (key,)); None where nothing is padded."""
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
    keys = made.mask.shape[-1]
    return (pattern[0], padding[0, :keys].bool()) if pattern is not None else None
