"""From an attention call as the model made it to a `Capture`: one item of the batch, mask and bias told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from models.huggingface.capture import Capture
from models.huggingface.forbidden import SHUT, mask_and_bias
from models.huggingface.interface import Call, MaskMade, Watch
from models.huggingface.patterns import Parts, mask_parts
from models.huggingface.rotation import unrotated


class Split:
    """Masks of one run told apart from the bias in them; each once, however many layers share it."""

    def __init__(self, made: Sequence[MaskMade]) -> None:
        self._made = {one.mask.data_ptr(): one for one in made}
        self._parts: dict[int, Parts | None] = {}
        self._known: dict[int, tuple[Tensor | None, Tensor | None]] = {}
        self._causal: dict[tuple[int, int], Tensor] = {}

    def mask_and_bias(self, call: Call) -> tuple[Tensor | None, Tensor | None]:
        """Who may attend, and what is added: from the mask that the function received and its other arguments."""
        queries, keys = call.query.shape[2], call.key.shape[2]
        bias = call.arguments.get("position_bias")
        if call.mask is None:
            return (self._triangle(queries, keys, call.query.device) if _is_causal(call) else None), bias
        if id(call.mask) not in self._known:
            self._known[id(call.mask)] = _split(call.mask, keys)
        mask, inside = self._known[id(call.mask)]
        if inside is not None:
            bias = inside if bias is None else bias + inside
        return mask, bias

    def parts(self, call: Call) -> Parts | None:
        """Pattern and padding of the mask, where transformers joined both in it."""
        place = 0 if call.mask is None else call.mask.data_ptr()
        if place not in self._made:
            return None
        if place not in self._parts:
            self._parts[place] = mask_parts(self._made[place])
        return self._parts[place]

    def _triangle(self, queries: int, keys: int, device: torch.device) -> Tensor:
        if (queries, keys) not in self._causal:
            ones = torch.ones(1, 1, queries, keys, dtype=torch.bool, device=device)
            self._causal[queries, keys] = ones.tril()
        return self._causal[queries, keys]


def captured(watch: Watch, paths: Mapping[nn.Module, str]) -> list[tuple[Capture, ...]]:
    """What each call of a run was, in order: one capture, or one per window."""
    split = Split(watch.masks)
    counted: Counter[str] = Counter()
    found = []
    for call in watch.calls:
        path = paths.get(call.module, "")
        found.append(_captures(call, path, counted[path], split))
        counted[path] += 1
    return found


def _captures(call: Call, path: str, number: int, split: Split) -> tuple[Capture, ...]:
    mask, bias = split.mask_and_bias(call)
    pattern, padding = split.parts(call) or (None, None)
    queries, keys = (unrotated(tensor, call.rotations) for tensor in (call.query, call.key))
    scale = call.arguments.get("scaling")
    sink = call.arguments.get("s_aux", call.arguments.get("sinks"))
    return tuple(
        Capture(
            module=path,
            call=number,
            query=call.query[item],
            key=call.key[item],
            value=call.value[item],
            scale=float(call.query.shape[-1] ** -0.5 if scale is None else scale),
            context=call.context[item].transpose(0, 1),
            mask=_item(mask, item),
            pattern=pattern,
            padding=padding,
            bias=_item(bias, item),
            softcap=call.arguments.get("softcap"),
            sink=None if sink is None else _sink(sink, item),
            query_unrotated=_item(queries, item),
            key_unrotated=_item(keys, item),
            rotations=call.rotations,
        )
        for item in range(len(call.query))
    )


def _item(tensor: Tensor | None, item: int) -> Tensor | None:
    return None if tensor is None else tensor[min(item, len(tensor) - 1)]


def _sink(sink: Tensor, item: int) -> Tensor:
    """(head,), the same for every query; or (head, query) where it is made from each query's token (Inkling 2)."""
    return sink[min(item, len(sink) - 1), :, :, 0] if sink.ndim == 4 else sink.flatten()


def _is_causal(call: Call) -> bool:
    """As sdpa decides it where no mask is given; a model's own eager function does not know the flag."""
    flag = call.arguments.get("is_causal")
    flag = getattr(call.module, "is_causal", True) if flag is None else flag
    return bool(flag) and not call.own and call.query.shape[2] > 1


def _split(mask: Tensor, keys: int) -> tuple[Tensor | None, Tensor | None]:
    """A mask as transformers gives it → (Boolean mask, bias), None where there is neither."""
    mask = mask[..., :keys]
    if mask.dtype == torch.bool:
        return mask, None
    allowed, bias = mask_and_bias(mask)
    return _unshifted(allowed, bias) if bias is not None and len(bias) > 1 else (allowed, bias)


def _unshifted(allowed: Tensor | None, bias: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Windows of one image share their bias; what differs from the first window is the mask of the cyclic shift.

    Swin adds −100 between regions that the shift brought together.
    """
    shut = bias - bias[:1] <= SHUT
    if bool(shut.any()):
        allowed = ~shut if allowed is None else allowed & ~shut
    return allowed, (bias[:1] if bool(bias[:1].any()) else None)
