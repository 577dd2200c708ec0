"""From the last vectors to the logits: the map that makes them, found by computing them again.

    z = s (h W + b)        and where the model has a soft cap        z = c tanh(s (h W + b) ÷ c)

W has one row for each word or class; in many models it is the table of embeddings once more (Press & Wolf 2017). s is 1
in most models (Cohere, Granite and others scale); b is a bias, another tensor of the model (Marian, ESM), both, or
nothing; c is Gemma 2's. A model whose logits do not come out so has no such step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.huggingface.assemble import array
from models.huggingface.inner import Parameter
from models.huggingface.interface import Passed
from models.huggingface.predictions import outputs_of
from models.huggingface.steps import Step, equal, first, is_linear, rows
from models.trace import Site

Found = Iterator[tuple[Site, Any]]

SITES = (Site.OUTPUT_VECTOR, Site.UNEMBEDDING, Site.UNEMBEDDING_BIAS, Site.LOGIT_SCALE, Site.LOGIT_CAP)
"""What is known of a run's end."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The module that makes the logits, the name of what is added to what it gives, the factor and the cap."""

    path: str
    added: str = ""
    scale: float = 1.0
    cap: float = 0.0


@dataclass(frozen=True, slots=True)
class Offset:
    """What is added to each logit: a bias, another tensor, or both; they stay in the model."""

    parts: tuple[Tensor, ...]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        total = sum(array(part).reshape(-1).astype(float) for part in self.parts)
        return np.asarray(total).astype(dtype or np.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        return np.array, (np.asarray(self),)


def ending(model: Any, steps: Sequence[Step]) -> Ending | None:
    """What makes this model's logits, from everything that passed its modules in one run."""
    whole = next((step.whole for step in reversed(steps) if step.module is model), None)
    said = outputs_of(whole).arrays.get(Site.LOGITS)
    if said is None or said.ndim != 2:
        return None
    logits = torch.from_numpy(said)
    cap = float(getattr(model.config, "final_logit_softcapping", None) or 0.0)
    for step in reversed(steps):
        given, made = rows(step.given), rows(step.output)
        if not is_linear(step) or given is None or made is None or made.shape != logits.shape:
            continue
        if (found := _ending(model, step.path, made.float().cpu(), logits, cap)) is not None:
            return found
    return None


def _ending(model: nn.Module, path: str, made: Tensor, logits: Tensor, cap: float) -> Ending | None:
    if cap and equal(cap * (made / cap).tanh(), logits):  # first: small logits are hardly changed by it
        return Ending(path, cap=cap)
    if equal(made, logits):
        return Ending(path)
    scale = float((made * logits).sum() / made.square().sum())
    if equal(scale * made, logits):
        return Ending(path, scale=scale)
    for name, tensor in _tensors(model):
        if tensor.numel() == made.shape[-1] and equal(made + tensor.float().cpu().reshape(-1), logits):
            return Ending(path, added=name)
    return None


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Whatever a model may add beside its modules: Marian has a buffer, ESM a parameter."""
    yield from model.named_buffers()
    yield from model.named_parameters()


def arrays_of(found: Ending, model: nn.Module, passed: Mapping[str, Sequence[Passed]]) -> Found:
    """The vectors that a run ended in, and views of what makes logits of them."""
    calls = passed.get(found.path)
    given = first(calls[0].given) if calls else None
    if given is None:
        return
    module = model.get_submodule(found.path)
    others = (tensor for name, tensor in _tensors(model) if name == found.added)
    parts = tuple(
        part.detach() for part in (getattr(module, "bias", None), next(others, None)) if part is not None
    )
    yield Site.OUTPUT_VECTOR, array(given[0] if given.ndim == 3 else given)
    yield Site.UNEMBEDDING, Parameter(module, "weight")
    if parts:
        yield Site.UNEMBEDDING_BIAS, Offset(parts)
    if found.scale != 1:
        yield Site.LOGIT_SCALE, np.array(found.scale, np.float32)
    if found.cap:
        yield Site.LOGIT_CAP, np.array(found.cap, np.float32)


def drop_unmatched(arrays: dict[tuple[Site, str], Any]) -> None:
    """Where a run gave no logits for the vectors that it ended in, as while it wrote, nothing is said of either."""
    vectors, logits = (arrays.get((site, "")) for site in (Site.OUTPUT_VECTOR, Site.LOGITS))
    if vectors is not None and (logits is None or len(logits) != len(vectors)):
        for site in SITES:
            arrays.pop((site, ""), None)
