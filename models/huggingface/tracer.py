"""Attention that a model computes with its own code, recorded by following the operations themselves.

A `TorchFunctionMode` sees every torch function of this thread while it is on. It follows the product of queries and
keys through whatever is done to it, to softmax and on to the product with the values, and sees
`scaled_dot_product_attention` whole. It knows no architecture, and it only looks: each function runs as called.

Not seen: softmax over joined blocks (BigBird's sparse layout, Longformer's band), scores mixed across heads, weights
altered after softmax, softmax over another axis than the last. Such attention gives no capture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from models.huggingface import tracer_graph as graph
from models.huggingface import tracer_parts as parts
from models.huggingface.capture import Capture, Route
from models.huggingface.forbidden import FORBIDDEN
from models.huggingface.interface import LAST, current
from models.huggingface.tracer_functions import (
    ADD,
    CAST,
    CLAMP,
    DIVIDE,
    MULTIPLY,
    PRODUCT,
    RESHAPE,
    TURN,
    Operation,
    highest,
    name_of,
    number,
    opened_attention,
    overwritten,
    running,
)
from models.huggingface.tracer_graph import Known, Scaled, Scores, Weights

Hearing = Callable[[nn.Module], AbstractContextManager[Collection[str]]]
"""A context in which a model runs; when it ends, the paths of the modules that were heard are in what it gave."""


@contextmanager
def tracing(model: nn.Module, only: Collection[str] | None = None) -> Iterator[list[tuple[Capture, ...]]]:
    """Within this block, in this thread, softmax attention that `model` computes is recorded, with the same results.

    Yields a list that grows as the model runs, in the order of execution: per call of attention one capture for each
    item of the batch (windows of an image are items). `only`: the paths of the modules to record, all by default.
    """
    tracer = _Tracer(model, only)
    with tracer:
        yield tracer.calls


def routes(
    model: nn.Module, dummy_inputs: Mapping[str, Any], interface: Hearing | None = None
) -> dict[str, Route]:
    """How the attention of each module can be recorded, by its path, learnt from one forward pass.

    `interface` hears which of them call transformers' attention interface; the others are found here.
    """
    listening = interface(model) if interface else nullcontext(())
    with torch.no_grad(), tracing(model) as traced, listening as heard:
        model(**dummy_inputs)
    found: dict[str, Route] = {capture.module: capture.route for capture in chain.from_iterable(traced)}
    for path in heard:
        found[path] = "interface"
    return found


class _Tracer(TorchFunctionMode):
    """Follows what it knows of each tensor; forgets a tensor when the model does."""

    def __init__(self, model: nn.Module, only: Collection[str] | None = None) -> None:
        super().__init__()
        self.calls: list[tuple[Capture, ...]] = []
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._only = only
        self._counted: Counter[str] = Counter()
        self._known = WeakTensorKeyDictionary()
        self._splits = WeakTensorKeyDictionary()
        self._held: dict[int, set[int]] = {}
        """Address of memory → the calls whose captures refer to it."""
        self._target: Tensor | None = None
        """What the present function writes into."""

    def __torch_function__(
        self, func: Callable, types: Sequence, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.multi_head_attention_forward:
            with self:
                return opened_attention(*args, **kwargs)
        name = name_of(func)
        self._target = overwritten(name, args, kwargs)
        if self._target is not None:
            self._save(self._target)
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            self._follow(Operation(name.strip("_"), args, kwargs, result))
        return result

    def _follow(self, op: Operation) -> None:
        step = _STEPS.get(op.name)
        if step is None and op.result not in self._known:
            return
        with torch.no_grad():
            known = step(self, op) if step else None
        if known is None:
            self._known.pop(op.result, None)
        else:
            self._known[op.result] = (known, _version(op.result))

    def _of(self, tensor: object) -> Known | None:
        """What is known of a tensor, unless it was written into through another view of its memory."""
        if not isinstance(tensor, Tensor) or tensor not in self._known:
            return None
        known, version = self._known[tensor]
        return known if _version(tensor) - (tensor is self._target) <= version else None

    def _product(self, op: Operation) -> Known | None:
        """Q Kᵀ, or weights @ value."""
        left, right = op.tensors
        left, right = (right, left) if op.name == "rmatmul" else (left, right)
        if min(left.ndim, right.ndim) < 2:
            return None
        if isinstance(weights := self._of(left), Weights) and not weights.transposed:
            return self._attended(weights, right, op.result)
        if isinstance(weights := self._of(right), Weights) and weights.transposed:
            return self._attended(weights, left.mT, op.result.mT)
        return self._unscaled(graph.product(left, right.mT), left, right)

    def _baddbmm(self, op: Operation) -> Known | None:
        """beta × input + alpha × Q Kᵀ."""
        added, left, right = op.bound("input", "batch1", "batch2")
        if self._of(left) is not None and not isinstance(self._of(left), Scaled):
            return None
        scores = self._unscaled(graph.product(left, right.mT), left, right)
        scores = graph.times(scores, float(op.kwargs.get("alpha", 1)))
        beta = float(op.kwargs.get("beta", 1))
        return graph.plus(scores, added, beta) if beta else scores

    def _einsum(self, op: Operation) -> Known | None:
        equation = op.args[0]
        operands = op.args[1] if isinstance(op.args[1], (list, tuple)) else op.args[1:]
        if not isinstance(equation, str) or len(operands) != 2:
            return None
        left, right = operands
        if isinstance(self._of(right), Weights):
            left, right, equation = right, left, graph.swapped(equation)
        weights = self._of(left)
        if not isinstance(weights, Weights):
            scores = graph.einsum_product(equation, left, right)
            return scores and self._unscaled(scores, left, right)
        seen = None if weights.transposed else graph.einsum_context(equation, left, right, op.result)
        return self._attended(weights, *seen) if seen else None

    def _unscaled(self, scores: Scores, left: Tensor, right: Tensor) -> Scores:
        """The scores, with a scale that hides in Q or K moved to where it can be seen."""
        query, key = scores.query, scores.key
        factors = [known.factor if isinstance(known := self._of(t), Scaled) else 1.0 for t in (left, right)]
        if query.data_ptr() != left.data_ptr():
            factors.reverse()
        q_factor, k_factor = factors
        query = query if q_factor == 1.0 else query / q_factor
        key = key if k_factor == 1.0 else key / k_factor
        return replace(scores, query=query, key=key, scale=q_factor * k_factor)

    def _multiplied(self, op: Operation) -> Known | None:
        left, right = op.bound("input", "other")
        if op.name in MULTIPLY and self._of(left) is None and (self._of(right) or number(left) is not None):
            left, right = right, left
        known, value = self._of(left), number(right)
        if isinstance(known, Weights) or value == 0:
            return None
        if value is None:
            if not isinstance(known, Scores) or not graph.fits(right, known):
                return None
            return graph.times_tensor(known, right if op.name in MULTIPLY else 1 / right)
        factor = value if op.name in MULTIPLY else 1 / value
        if isinstance(known, Scores):
            return graph.times(known, factor)
        return Scaled(factor * known.factor if known else factor) if op.result.ndim > 1 else None

    def _added(self, op: Operation) -> Known | None:
        left, right = op.bound("input", "other")
        if "alpha" in op.kwargs:
            return None
        ours, theirs, sign = self._of(left), self._of(right), ADD[op.name]
        if (
            isinstance(theirs, Scores)
            and sign > 0
            and not (isinstance(ours, Scores) and ours.order < theirs.order)
        ):
            ours, right = theirs, left
        if not isinstance(ours, Scores):
            return None
        if not isinstance(right, Tensor):
            return ours  # one number for all scores, which softmax does not feel
        return graph.plus(ours, right, sign)

    def _filled(self, op: Operation) -> Known | None:
        scores, mask, value = op.bound("input", "mask", "value")
        known, fill = self._of(scores), number(value)
        if isinstance(known, Scores) and fill is not None and fill <= FORBIDDEN:
            return graph.kept(known, ~graph.slim(mask).bool())
        return known if isinstance(known, Weights) and fill == 0 else None

    def _chosen(self, op: Operation) -> Known | None:
        """where(condition, scores, −∞), or the other way round, or as a method of the scores."""
        first, second, third = op.bound("condition", "input", "other")
        if isinstance(self._of(first), Scores):
            first, second = second, first
        for known, value, allowed in ((self._of(second), third, True), (self._of(third), second, False)):
            if isinstance(known, Scores) and highest(value) <= FORBIDDEN:
                return graph.kept(known, first if allowed else ~graph.slim(first))
        return None

    def _reshaped(self, op: Operation) -> Known | None:
        known = self._of(op.first)
        return known and graph.viewed(known, tuple(op.result.shape))

    def _cast(self, op: Operation) -> Known | None:
        return self._of(op.first)

    def _turned(self, op: Operation) -> Known | None:
        known = self._of(op.first)
        if not isinstance(known, Weights):
            return known if isinstance(known, Scaled) else None
        count = op.result.ndim
        axes = {axis % count for axis in op.args[1:3] if isinstance(axis, int)}
        if op.name != "mT" and (op.name == "permute" or axes != {count - 2, count - 1}):
            return None
        return replace(known, transposed=not known.transposed)

    def _indexed(self, op: Operation) -> Known | None:
        """An index that takes nothing away, such as one that adds an axis."""
        known = self._of(op.args[0])
        same = op.result.data_ptr() == op.args[0].data_ptr() and op.result.numel() == op.args[0].numel()
        return graph.viewed(known, tuple(op.result.shape)) if known and same else None

    def _clamped(self, op: Operation) -> Known | None:
        """A bound below every score, against −∞."""
        known = self._of(op.first)
        bounds = [number(bound) for bound in (*op.args[1:], *op.kwargs.values()) if bound is not None]
        wide = bounds and all(bound is not None and abs(bound) >= -FORBIDDEN for bound in bounds)
        return known if isinstance(known, Scores) and wide else None

    def _tanh(self, op: Operation) -> Known | None:
        known = self._of(op.first)
        return graph.capped(known) if isinstance(known, Scores) else None

    def _softmax(self, op: Operation) -> Known | None:
        scores, axis = op.bound("input", "dim")
        known = self._of(scores)
        if not isinstance(known, Scores) or axis not in (-1, op.result.ndim - 1):
            return None
        return Weights(known, known.shape, known.heads)

    def _attention(self, op: Operation) -> Known | None:
        """`scaled_dot_product_attention`: everything is among its arguments."""
        names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
        query, key, value, mask, _, is_causal, scale, _ = op.bound(*names)
        repeats = query.shape[-3] // key.shape[-3] if query.ndim > 2 else 1
        if repeats > 1:
            key, value = (tensor.repeat_interleave(repeats, dim=-3) for tensor in (key, value))
        scores = self._unscaled(graph.product(query, key), query, key)
        scores = graph.times(scores, query.shape[-1] ** -0.5 if scale is None else scale)
        grid: Scores | None = scores
        if is_causal:
            causal = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).tril()
            grid = graph.kept(scores, causal)
        elif mask is not None:
            grid = graph.kept(scores, mask) if mask.dtype == torch.bool else graph.plus(scores, mask, 1.0)
        return self._attended(Weights(grid, grid.shape, grid.heads), value, op.result) if grid else None

    def _attended(self, weights: Weights, value: Tensor, context: Tensor) -> None:
        """Attention is complete: keep its captures."""
        module = running(self._paths)
        path = self._paths.get(id(module), "")
        if self._only is not None and path not in self._only:
            return
        route: Route = "module" if isinstance(module, nn.MultiheadAttention) else "tracer"
        attended = parts.Attended(weights.scores, weights.heads, value, context)
        found = parts.captures(attended, path, self._counted[path], route=route, split=self._split)
        watch = current()
        if watch is not None:
            found = parts.with_unrotated(found, watch.rotations[-LAST:])
        if found:
            for storage in parts.storages(found):
                self._held.setdefault(storage, set()).add(len(self.calls))
            self.calls.append(found)
            self._counted[path] += 1

    def _save(self, target: Tensor) -> None:
        """The model writes into memory that captures refer to: give them a copy of what it held."""
        storage = target.untyped_storage().data_ptr()
        for call in self._held.pop(storage, ()):
            self.calls[call] = parts.detached(self.calls[call], storage)

    def _split(self, tensor: Tensor, factor: float) -> tuple[Tensor | None, Tensor | None]:
        """As `parts.split`; a tensor that all layers share is split once."""
        key, cached = (factor, _version(tensor)), self._splits.get(tensor)
        if cached is not None and cached[0] == key:
            return cached[1]
        allowed, added = parts.split(tensor, factor)
        if allowed is not None:
            self._splits[tensor] = (key, (allowed, added))
        return allowed, added


_Step = Callable[[_Tracer, Operation], Known | None]

_STEPS: Mapping[str, _Step] = {
    **dict.fromkeys(PRODUCT | {"rmatmul"}, _Tracer._product),
    **dict.fromkeys(MULTIPLY | DIVIDE, _Tracer._multiplied),
    **dict.fromkeys(ADD, _Tracer._added),
    **dict.fromkeys(RESHAPE, _Tracer._reshaped),
    **dict.fromkeys(CAST, _Tracer._cast),
    **dict.fromkeys(TURN, _Tracer._turned),
    **dict.fromkeys(CLAMP, _Tracer._clamped),
    "baddbmm": _Tracer._baddbmm,
    "einsum": _Tracer._einsum,
    "masked_fill": _Tracer._filled,
    "where": _Tracer._chosen,
    "getitem": _Tracer._indexed,
    "tanh": _Tracer._tanh,
    "softmax": _Tracer._softmax,
    "scaled_dot_product_attention": _Tracer._attention,
}


def _version(tensor: Tensor) -> int:
    """How often the memory of a tensor has been written into; unknown, and 0, in inference mode."""
    return 0 if tensor.is_inference() else tensor._version
