"""The two parts of a padded mask: the pattern that the layer has for every text, and which keys are no padding.

transformers joins both in one function of query and key; asked again without the padding, it gives the pattern alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.huggingface.interface import MaskMade

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
