"""Inputs of a model's own kind, of which one forward pass at loading time shows how the model computes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

TOKENS = 8
"""Length of the dummy text: enough to tell a causal mask from an open one."""


def dummy_inputs(model: Any) -> Iterator[dict[str, Any]]:
    """Inputs to try in turn: text, image and sound, whatever the model takes; then what it calls its main input."""
    makers = {"pixel_values": _image, "input_features": _features, "input_values": _wave}
    main = getattr(model, "main_input_name", "input_ids")
    first = {main: makers.get(main, _ids)(model)}
    accepted = inspect.signature(model.forward).parameters
    if model.config.is_encoder_decoder and "decoder_input_ids" in accepted:
        first["decoder_input_ids"] = _ids(model)[:, : TOKENS // 2]
    both = first | {name: make(model) for name, make in makers.items() if name in accepted}
    both |= {"input_ids": _ids(model)} if "input_ids" in accepted else {}
    if both.keys() != first.keys():
        yield both
    yield first


def alone(model: Any, name: str) -> dict[str, Any]:
    """Only `input_ids` or only `pixel_values`, to find out whether a model that takes both is content with one."""
    if name == "pixel_values":
        return {name: _image(model).to(model.device, model.dtype)}
    return {name: _ids(model).to(model.device)}


def text_config(model: Any) -> Any:
    """The part of the configuration that speaks of tokens."""
    return model.config.get_text_config()


def _ids(model: Any) -> Tensor:
    """Ids from the middle of the vocabulary, where no special tokens are; the end token last, which CLIP looks for."""
    config = text_config(model)
    size = int(getattr(config, "vocab_size", 0) or 0)
    ids = (torch.arange(TOKENS) + size // 2) % max(size, 1)
    end = getattr(config, "eos_token_id", None)
    if isinstance(end, int) and 0 <= end < size:
        ids[-1] = end
    return ids[None]


def vision_config(model: Any) -> Any:
    """The part of the configuration that speaks of images."""
    encoder = getattr(model.config, "encoder", None)
    encoder = encoder if hasattr(encoder, "image_size") else None
    return getattr(model.config, "vision_config", None) or encoder or model.config


def image_size(model: Any) -> tuple[int, int]:
    """(height, width) of the images that a model was made for."""
    size = getattr(vision_config(model), "image_size", None) or 224
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _image(model: Any) -> Tensor:
    channels = int(getattr(vision_config(model), "num_channels", 3) or 3)
    return torch.linspace(-1, 1, channels * image_size(model)[0] * image_size(model)[1]).reshape(
        1, channels, *image_size(model)
    )


def _features(model: Any) -> Tensor:
    """Whisper reads exactly twice as many frames as its encoder has positions."""
    config = model.config
    frames = 2 * int(getattr(config, "max_source_positions", 0) or 50)
    return torch.zeros(1, int(getattr(config, "num_mel_bins", 80)), frames)


def _wave(_: nn.Module) -> Tensor:
    return torch.linspace(-1, 1, 4000)[None]
