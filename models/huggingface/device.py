"""Where a model computes: on the GPU where there is one, else on the CPU, and its inputs with it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn


def placement() -> dict[str, Any]:
    """What `from_pretrained` is told: with Accelerate it spreads a model over the GPUs and what else there is."""
    return {"device_map": "auto"} if torch.cuda.is_available() and find_spec("accelerate") else {}


def placed(model: Any) -> Any:
    """The model on the GPU, where there is one and Accelerate has not placed it already."""
    there = hasattr(model, "hf_device_map") or not torch.cuda.is_available()
    return model if there else model.to("cuda")


def first_device(model: nn.Module) -> torch.device:
    """Where its inputs go: the device of its first weights."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def beside(model: nn.Module, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs on the device of the model's first weights."""
    device = first_device(model)
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in inputs.items()}
