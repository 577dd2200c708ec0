"""Attention in scattered blocks, as BigBird and BigBird-Pegasus compute it for long texts (Zaheer et al. 2020).

For a text that is short such a model changes, while it runs, to full attention, builds its attention modules anew and
stays so. Full attention is recorded like any other; of scattered blocks only pieces could be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from models.errors import SparseAttention
from models.huggingface.device import beside

SPARSE = "block_sparse"


def is_sparse(model: nn.Module) -> bool:
    """Whether the model computes attention in scattered blocks, as it stands now."""
    return any(getattr(module, "attention_type", None) == SPARSE for module in model.modules())


def settle(model: nn.Module, inputs: Mapping[str, Any]) -> None:
    """Let the model change to full attention if it does so for these inputs; later runs then find it changed.

    Raises:
        SparseAttention: it does not, for they are long.
    """
    if is_sparse(model):
        with torch.no_grad():
            model(**beside(model, inputs))
        if is_sparse(model):
            raise SparseAttention(type(model).__name__)


@contextmanager
def left_as_it_was(model: nn.Module) -> Iterator[None]:
    """After this block the model computes attention in scattered blocks again, if it did before."""
    switches: list[Any] = [module for module in model.modules() if hasattr(module, "set_attention_type")]
    before = [module.attention_type for module in switches]
    try:
        yield
    finally:
        for module, kind in zip(
            switches, before, strict=True
        ):  # the outermost first, which changes the others
            if module.attention_type != kind:
                module.set_attention_type(kind)
