"""Inputs that come as ready tensors or lists, checked before the model runs.

Which axis is the batch is known of some names only: Qwen2-VL has the patches of all images in one row, and positions
along three axes. What is not known passes as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from models.errors import BadRequest
from models.huggingface.dummy import text_config, vision_config

Inputs = dict[str, Any]

IDS = {"input_ids", "decoder_input_ids"}

BESIDE = {
    "input_ids": ("attention_mask", "token_type_ids"),
    "inputs_embeds": ("attention_mask", "token_type_ids"),
    "decoder_input_ids": ("decoder_attention_mask",),
    "decoder_inputs_embeds": ("decoder_attention_mask",),
}
"""What a text is given as → what has a number for each of its tokens."""

BATCHED = {
    *BESIDE,
    *("attention_mask", "decoder_attention_mask", "token_type_ids", "labels"),
    *("input_features", "input_values"),
}
"""The names whose first axis is the batch."""

IGNORED = -100
"""The label of a place that does not count."""


def checked(model: Any, inputs: Mapping[str, Any]) -> Inputs:
    """The inputs as tensors, ids as integers and other numbers as the model has them.

    Raises:
        BadRequest: no tensor, a batch of several, ids outside the vocabulary, lengths that do not fit together.
    """
    said = {name: value for name, value in inputs.items() if value is not None or name in IDS}
    found = {name: _tensor(model, name, value) for name, value in said.items()}
    if "encoder_outputs" in found:
        found["encoder_outputs"] = _of_encoder(found["encoder_outputs"])
    _check_lengths(found)
    return found


def marks_images(model: Any) -> bool:
    """Whether the text says where its images are, of which there may then be several."""
    return any(hasattr(model.config, name) for name in ("image_token_id", "image_token_index"))


def _tensor(model: Any, name: str, value: Any) -> Any:
    if name not in BATCHED | {"pixel_values"} and not _is_array(value):
        return value
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        said = f"{value!r}"[:60]
        raise BadRequest(f"{name} {said}; wanted a tensor, or a list of numbers") from error
    tensor = _with_batch(model, name, tensor)
    if name in IDS:
        _check_ids(model, name, tensor)
        return tensor.long()
    if name == "labels" and model.config.is_encoder_decoder and tensor.ndim == 2:
        _check_ids(model, name, tensor[tensor != IGNORED])
    return tensor.to(model.dtype) if tensor.is_floating_point() else tensor


def _is_array(value: Any) -> bool:
    """Whether it is numbers; a tuple of tensors, such as what an encoder gave, is not."""
    if isinstance(value, list | tuple):
        return not any(part is None or isinstance(part, Tensor | tuple) for part in value)
    return isinstance(value, Tensor) or hasattr(value, "__array__")


def _with_batch(model: Any, name: str, tensor: Tensor) -> Tensor:
    """The tensor with a batch axis of one in front, where it has one."""
    is_ids = name in IDS
    if tensor.ndim == 1 and (is_ids or name.endswith(("attention_mask", "token_type_ids"))):
        tensor = tensor[None]
    if name == "pixel_values" and tensor.ndim == 3 and len(tensor) == _channels(model):
        tensor = tensor[None]
    batched = name in BATCHED or (name == "pixel_values" and tensor.ndim == 4 and not marks_images(model))
    if not batched:
        return tensor
    if tensor.ndim == 0 or len(tensor) != 1 or (is_ids and (tensor.ndim != 2 or not tensor.numel())):
        raise BadRequest(f"{name} of shape {tuple(tensor.shape)}; wanted a batch of one")
    return tensor


def _channels(model: Any) -> int:
    return int(getattr(vision_config(model), "num_channels", 3) or 3)


def _check_ids(model: Any, name: str, ids: Tensor) -> None:
    size = int(getattr(text_config(model), "vocab_size", 0) or 0)
    if ids.is_floating_point() or not ((ids >= 0) & (ids < size)).all():
        raise BadRequest(f"{name} outside the vocabulary of {size} tokens")


def _check_lengths(found: Inputs) -> None:
    """Refuse a mask or segments of another length than their text; what was cached comes before it."""
    if found.get("past_key_values") is not None:
        return
    for text, names in BESIDE.items():
        length = found[text].shape[1] if text in found else None
        for name in names if length else ():
            shape = tuple(found[name].shape) if name in found else (1, length)
            if len(shape) < 2 or shape[-1 if name.endswith("mask") else 1] != length:
                raise BadRequest(f"{name} of shape {shape}; wanted a number for each of the {length} tokens")


def _of_encoder(value: Any) -> Any:
    """What an encoder gave, under the names by which `generate` asks for it."""
    from transformers.modeling_outputs import BaseModelOutput

    if isinstance(value, Tensor):
        return BaseModelOutput(last_hidden_state=value)
    return BaseModelOutput(*value) if isinstance(value, list | tuple) else value
