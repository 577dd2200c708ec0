"""Every architecture of the tests, and what one recorded run of each shows beside the model's own eager attention."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.utils import ModelOutput

from models.huggingface import listen
from models.huggingface.chance import SEED
from models.huggingface.interface import Watch
from models.huggingface.windows import WindowGrid
from models.huggingface.wrap import wrap
from models.trace import Site, Trace
from tests.huggingface import tracer_models
from tests.huggingface.zoo import PAIR, SIZES, ZOO, Kind, image, pair

WINDOW = 4
SWIN = {
    "image_size": 32,
    "patch_size": 2,
    "embed_dim": 16,
    "depths": [2, 2],
    "num_heads": [2, 4],
    "window_size": 4,
}
KINDS = ZOO | {
    "falcon, ALiBi": Kind("FalconForCausalLM", "FalconConfig", {**SIZES, "alibi": True}),
    "swin": Kind("SwinModel", "SwinConfig", SWIN, image),
    "longformer": Kind("LongformerForMaskedLM", "LongformerConfig", {**SIZES, "attention_window": WINDOW}),
    "led": Kind(
        "LEDForConditionalGeneration",
        "LEDConfig",
        {
            **PAIR,
            "attention_window": WINDOW,
            "max_encoder_position_embeddings": 64,
            "max_decoder_position_embeddings": 64,
        },
        pair,
    ),
}


@dataclass(frozen=True)
class Architecture:
    """How to build a tiny model, the class of its configuration, and what it reads."""

    config: str
    build: Callable[[str | None], Any]
    inputs: Callable[[], dict[str, Any]]


def architectures() -> dict[str, Architecture]:
    """Those of the zoo; of the tracer's models the families and variants that the zoo has not."""
    found = {name: Architecture(kind.config, kind.build, kind.inputs) for name, kind in KINDS.items()}
    known = {each.config for each in found.values()}
    for name, (family, _, _, inputs) in tracer_models.MODELS.items():
        if name not in found and (f"{family}Config" not in known or "," in name):
            found[name] = Architecture(f"{family}Config", _tracer_model(name), inputs)
    return found


def _tracer_model(name: str) -> Callable[[str | None], Any]:
    def build(attention: str | None) -> Any:
        torch.manual_seed(SEED)
        return tracer_models.build(name, attention)

    return build


ARCHITECTURES = architectures()


@dataclass(frozen=True)
class Examined:
    """One recorded run, and the runs to hold it against."""

    trace: Trace
    logits: np.ndarray | None
    """Of the same model, never wrapped."""
    eager: tuple[np.ndarray, ...]
    """Every attention tensor that the model's own eager attention returns."""
    unrecorded: frozenset[str]
    """Modules that attend in this run, as listening without any knowledge shows, and are in no block."""

    @property
    def difference(self) -> float | None:
        """The largest |weight − eager's| on rows that attend to something; None where eager returns no weights."""
        shown = list(recorded(self.trace))
        return max((nearest(reference, shown) for reference in self.eager), default=None)

    @property
    def error(self) -> float:
        """The largest error of a head, relative to its context's size, or to 1 if smaller."""
        heads = [self.trace.head(block.name, n) for block in self.trace.blocks for n in range(block.heads)]
        return max(head.error / max(1.0, float(np.abs(head.model_context).max())) for head in heads)


@cache
def examined(name: str) -> Examined:
    one = ARCHITECTURES[name]
    idle = run(one.build(None), one.inputs())
    model = wrap(one.build(None))
    torch.manual_seed(SEED)
    trace = model.record(inputs=one.inputs())
    eager = run(one.build("eager"), one.inputs(), output_attentions=True)
    logits = getattr(idle, "logits", None)
    return Examined(
        trace,
        logits.numpy() if isinstance(logits, Tensor) else None,
        tuple(tensor.numpy() for tensor in attentions(eager)),
        attending(one) - {block.module for block in trace.blocks},
    )


def attending(one: Architecture) -> frozenset[str]:
    """The modules that compute attention, on either route."""
    torch.manual_seed(SEED)
    _, calls = listen.run(one.build(None), one.inputs(), Watch(), None)
    return frozenset(capture.module for captures in calls for capture in captures)


def run(model: Any, inputs: dict[str, Any], **asked: Any) -> Any:
    torch.manual_seed(SEED)  # ViLT shuffles its patches
    with torch.no_grad():
        return model(**inputs, **asked)


def attentions(output: object) -> Iterator[Tensor]:
    """Every attention tensor in what a model gave back, of all its towers."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, tuple | list):
        for part in output:
            yield from attentions(part)
    elif isinstance(output, ModelOutput):
        for name, part in output.items():
            if name.endswith("attentions") or isinstance(part, ModelOutput):
                yield from attentions(part)


Shown = tuple[np.ndarray, np.ndarray]


def recorded(trace: Trace) -> Iterator[Shown]:
    """(weights, which rows attend to something) shaped as eager shapes them: by block, by window, by part of a text."""
    modules: dict[str, list[Shown]] = {}
    for block in trace.blocks:
        heads = [trace.head(block.name, head) for head in range(block.heads)]
        mask = trace.arrays[Site.MASK, block.name]
        weights, live = trace.weights(block.name), np.stack([~head.idle for head in heads])
        if isinstance(mask, WindowGrid):
            cut = [(weights[:, order][:, :, order], live[:, order]) for order in mask.order]
            yield np.stack([window for window, _ in cut]), np.stack([rows for _, rows in cut])
        else:
            yield weights, live
            modules.setdefault(block.module, []).append((weights, live))
    for parts in modules.values():
        if len(parts) > 1 and len({weights.shape for weights, _ in parts}) == 1:
            yield np.stack([weights for weights, _ in parts]), np.stack([live for _, live in parts])


def nearest(reference: np.ndarray, shown: list[Shown]) -> float:
    """The difference from the block whose weights come nearest; infinite where none has their shape."""
    differences = []
    for weights, live in shown:
        theirs = _unbanded(reference, weights.shape)
        if weights.size == theirs.size:
            differences.append(np.abs(weights - theirs.reshape(weights.shape))[live].max())
    return float(min(differences, default=np.inf))


def _unbanded(reference: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Weights that are given for the keys from w places before to w places after each query, for all keys."""
    count, width = shape[-1], reference.shape[-1]
    if reference.ndim != 4 or reference.shape[-2] != count or width == count or width != WINDOW + 1:
        return reference
    dense = np.zeros((*reference.shape[:-1], count), dtype=reference.dtype)
    for query in range(count):
        for key in range(max(0, query - width // 2), min(count, query + width // 2 + 1)):
            dense[..., query, key] = reference[..., query, key - query + width // 2]
    return dense
