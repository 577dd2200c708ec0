"""Inside a norm and a feed-forward network: their parameters, found by computing again what they gave.

    LayerNorm   y = γ (x − mean x) ÷ √(var x + ε) + β         RMSNorm   y = γ x ÷ √(mean x² + ε)
    h = f(x W + b)                                            h = f(x G + b) · (x W + b)        (gated)

f is ReLU, GELU (in either form) or SiLU. What does not come out the same is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.huggingface.assemble import array
from models.huggingface.projections import axis_of
from models.huggingface.steps import Step, equal, is_linear, near, rows
from models.trace import Site

Found = tuple[Site, Step, str, str]
"""Site, module, which part of it, what follows the layer's name."""

ACTIVATIONS: tuple[Callable[[Tensor], Tensor], ...] = (
    functional.relu,
    functional.gelu,
    lambda x: functional.gelu(x, approximate="tanh"),
    functional.silu,
)

PARAMETERS = frozenset({"weight", "turned", "raised", "bias", "none", "epsilon"})
"""Parts that a module has whatever passes it: its weight as it is, transposed or plus 1, its bias or zeros, and ε."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that stays in the model, and becomes an array when somebody looks."""

    module: nn.Module
    part: str

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return array(_parameter(self.module, self.part)).astype(dtype or np.float32, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return np.array, (np.asarray(self),)


def _parameter(module: nn.Module, part: str) -> Tensor:
    if part == "epsilon":
        return torch.tensor(_epsilon(module))
    weight = module.get_parameter("weight").detach()
    if part == "none":
        return weight.new_zeros(len(weight))
    if part == "bias":
        return module.get_parameter("bias").detach()
    return weight.T if part == "turned" else weight + 1 if part == "raised" else weight


def of_norm(norm: Step, suffix: str) -> Iterator[Found]:
    """γ, β and ε of a norm; β is zeros for a LayerNorm without one, and absent for RMSNorm."""
    given, output = rows(norm.given), rows(norm.output)
    weight = getattr(norm.module, "weight", None)
    if given is None or output is None or not isinstance(weight, Tensor) or weight.ndim != 1:
        return
    bias = getattr(norm.module, "bias", None)
    x, epsilon = given.float(), _epsilon(norm.module)
    centred = x - x.mean(dim=-1, keepdim=True)
    for vector, is_layer in ((centred, True), (x, False)):
        plain = vector * torch.rsqrt(vector.square().mean(dim=-1, keepdim=True) + epsilon)
        for part in ("weight", "raised"):
            made = plain * _parameter(norm.module, part).float()
            made = made if bias is None else made + bias.float()
            if near(made.to(output.dtype), output) and (is_layer or bias is None):
                yield Site.NORM_WEIGHT, norm, part, suffix
                yield Site.NORM_EPSILON, norm, "epsilon", suffix
                if is_layer:
                    yield Site.NORM_BIAS, norm, "none" if bias is None else "bias", suffix
                return


def of_feed_forward(down: Step, inside: Sequence[Step]) -> Iterator[Found]:
    """The maps of a feed-forward network whose last one is known, and what they gave."""
    hidden = rows(down.given)
    maps = [step for step in inside if step is not down and is_linear(step) and _is_as_wide(step, hidden)]
    found = _made(maps, hidden)
    if not found:
        return
    yield Site.MLP_INPUT, found[0], "given", ".mlp"
    weights = (Site.UP_WEIGHT, Site.GATE_WEIGHT), (Site.UP_BIAS, Site.GATE_BIAS)
    for step, site, weight, bias in zip(found, (Site.UP, Site.GATE), *weights, strict=False):
        yield site, step, "output", ".mlp"
        yield from _map(step, weight, bias)
    yield from _map(down, Site.DOWN_WEIGHT, Site.DOWN_BIAS)


def _map(step: Step, weight: Site, bias: Site) -> Iterator[Found]:
    """A linear map with its inputs as rows, and its bias, zeros where it has none."""
    is_turned = axis_of(step) == 0
    yield weight, step, "turned" if is_turned else "weight", ".mlp"
    if is_turned or getattr(step.module, "bias", None) is not None:
        yield bias, step, "none" if getattr(step.module, "bias", None) is None else "bias", ".mlp"


def _is_as_wide(step: Step, hidden: Tensor | None) -> bool:
    given, output = rows(step.given), rows(step.output)
    if given is None or output is None or hidden is None or output.shape != hidden.shape:
        return False
    return axis_of(step) is not None


def _made(maps: Sequence[Step], hidden: Tensor | None) -> tuple[Step, ...]:
    """The map, or the map and the gate beside it, from which the hidden vectors come."""
    if hidden is None:
        return ()
    outputs = [(step, output) for step in maps if (output := rows(step.output)) is not None]
    for activation in ACTIVATIONS:
        for step, output in outputs:
            active = activation(output)
            if near(active, hidden):
                return (step,)
            for other, up in outputs:
                if other is not step and equal(other.given, step.given) and near(active * up, hidden):
                    return (other, step)
    return ()


def _epsilon(module: nn.Module) -> float:
    known = (getattr(module, name, None) for name in ("eps", "variance_epsilon", "epsilon"))
    return next((float(value) for value in known if isinstance(value, int | float)), 0.0)
