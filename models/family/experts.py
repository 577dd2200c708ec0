"""Experts that are used evenly, without a loss of their own: the way of DeepSeek-V3 (DeepSeek-AI 2024, §2.1.2).

    affinity   s_i = sigmoid(x · e_i)                          x: a token, e_i: a vector of expert i
    choice     the k experts with the largest s_i + b_i
    weight     g_i = s_i / Σ of the chosen s                   (eq. 12–16; b_i only helps to choose)
    after each step   b_i ← b_i + γ · sign(mean load − load_i)

The load of an expert is how many tokens of the batch chose it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from models.family.course import Figure, Figures

SPEED = 1e-3
"""γ, as DeepSeek-V3 has it (§4.2)."""
BIAS = "e_score_correction_bias"
"""What transformers calls b."""

Loads = dict[str, Int[Tensor, " expert"]]
"""Router → how many tokens chose each expert."""


def routers(model: nn.Module) -> dict[str, Any]:
    """The routers of a model, by their place in it."""
    return {name: module for name, module in model.named_modules() if hasattr(module, BIAS)}


@contextmanager
def counted(model: nn.Module, read: Bool[Tensor, " token"]) -> Iterator[Loads]:
    """Within this block: the loads of the one forward pass in it, over the tokens that are `read`, no padding."""
    loads: Loads = {}

    def listener(name: str) -> Any:
        def listen(router: Any, _: Any, output: tuple[Tensor, Tensor, Tensor]) -> None:
            loads[name] = output[2][read].flatten().bincount(minlength=router.num_experts)

        return listen

    with ExitStack() as stack:
        for name, router in routers(model).items():
            stack.callback(router.register_forward_hook(listener(name)).remove)
        yield loads


@torch.no_grad()
def balance(model: nn.Module, loads: Mapping[str, Int[Tensor, " expert"]]) -> None:
    """Make the experts that had too little a little easier to choose, and those that had too much a little harder."""
    listed = routers(model)
    for name, load in loads.items():
        getattr(listed[name], BIAS).add_(SPEED * torch.sign(load.float().mean() - load))


def evenness(loads: Mapping[str, Int[Tensor, " expert"]]) -> Figures:
    """How evenly the experts are used, of the layer where they are used least evenly.

    `experts.least` is the load of the expert that is chosen least, relative to the mean load: 0 is a dead expert;
    `experts.most` the same of the one chosen most; `experts.entropy` that of all choices, relative to its maximum.
    """
    shares = {name: load / load.sum() for name, load in loads.items()}
    choices = int(sum(load.sum() for load in loads.values()))
    return {
        "experts.least": Figure(min(float(share.min()) * len(share) for share in shares.values()), choices),
        "experts.most": Figure(max(float(share.max()) * len(share) for share in shares.values()), choices),
        "experts.entropy": Figure(min(_entropy(share) for share in shares.values()), choices),
    }


def _entropy(share: Tensor) -> float:
    """Of a distribution, in [0, 1]: 1 where all are equal."""
    return float(-torch.special.xlogy(share, share).sum()) / math.log(len(share))
