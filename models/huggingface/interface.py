"""The hook through which every model that uses transformers' attention interface can be watched.

It is installed once and does nothing while no run is being recorded: then each model gets the very function it asked
for. While one is, the model still computes with that same function; `Watch` keeps references to what went in and out.
The configuration of a model is never touched, so recorded and idle requests may share one model.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

from models.errors import ApproximateAttention, UnreadableAttention
from models.recorder import within

Attention = Callable[..., tuple[Tensor, Tensor | None]]

APPROXIMATE = frozenset({"nystromformer", "pegasus_x"})
"""Model types whose attention is an approximation: Nyström's landmarks (Xiong et al. 2021), pooled global tokens."""

LAST = 4
"""How many rotations an attention call can have had: of queries and keys, in two parts each."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotary function received and gave back: queries, keys or both."""

    before: tuple[Tensor, ...]
    after: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an attention function, as the model made it. All tensors have a batch axis in front."""

    module: nn.Module
    query: Tensor  # (batch, head, q, d)
    key: Tensor  # (batch, kv_head, k, d)
    value: Tensor  # (batch, kv_head, k, d_v)
    mask: Tensor | None
    arguments: Mapping[str, Any]
    context: Tensor  # (batch, q, head, d_v)
    own: bool
    """Whether the model's own eager function computed it, which knows no `is_causal`."""
    rotations: tuple[Rotation, ...] = ()
    """The last ones before it."""


@dataclass(frozen=True, slots=True)
class MaskMade:
    """A mask as transformers made it: the pattern and the padding that were joined in it."""

    mask: Tensor
    arguments: Mapping[str, Any]


@runtime_checkable
class Passed(Protocol):
    """What passed an observed module: its first input, its output, and for which type of layer, where that is said."""

    @property
    def module(self) -> nn.Module: ...
    @property
    def given(self) -> Any: ...
    @property
    def output(self) -> Any: ...
    @property
    def layer_type(self) -> str | None: ...


class OnePass(NamedTuple):
    """What passed a module in one forward pass. One is made for each module and token that is written."""

    module: nn.Module
    given: Any
    output: Any
    layer_type: str | None


@dataclass(frozen=True, slots=True)
class Band:
    """One call of banded attention: what its maps gave, the mask, and the context; a batch of one."""

    module: nn.Module
    maps: Mapping[str, Tensor | None]  # (position, 1, head · d)
    mask: Tensor  # (1, position): below 0 padding, above 0 global attention
    context: Tensor  # (1, position, head · d)


@dataclass
class Watch:
    """What one run shows: attention calls, rotations, masks, and what passed the observed modules."""

    calls: list[Call] = field(default_factory=list)
    rotations: list[Rotation] = field(default_factory=list)
    masks: list[MaskMade] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    projected: dict[nn.Module, Tensor] = field(default_factory=dict)
    """What the maps of a banded attention gave that is still at work."""
    kept: frozenset[nn.Module] | None = None
    """The observed modules of which this run keeps what passes them; None: of all."""

    def clear(self) -> None:
        """Forget what was seen so far."""
        for kept in (self.calls, self.bands, self.rotations, self.masks, self.passed):
            kept.clear()


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)
_lock = threading.Lock()


current = _watch.get
"""The watch over this thread's or task's run; None where it is not being recorded."""


def watching(watch: Watch) -> AbstractContextManager[Watch]:
    """Within this block, in this thread or task, attention is recorded by `watch`."""
    return within(_watch, watch)


def install() -> None:
    """Put the hook in its place; a second time does nothing."""
    from transformers import AttentionInterface, AttentionMaskInterface

    with _lock:
        original = AttentionInterface.get_interface
        if not hasattr(original, "__wrapped__"):
            AttentionInterface.get_interface = _hooked(original)
            for key in ("sdpa", "eager"):
                AttentionMaskInterface.register(
                    key, _hooked_mask(AttentionMaskInterface._global_mapping[key])
                )


def check_readable(model: nn.Module) -> None:
    """Refuse a model one of whose parts computes attention with masks that are no tensors.

    Raises:
        UnreadableAttention: it does.
        ApproximateAttention: one of its parts has no weights of token upon token at all.
    """
    configs = {id(module.config): module.config for module in model.modules() if hasattr(module, "config")}
    for config in configs.values():
        if getattr(config, "model_type", "") in APPROXIMATE:
            raise ApproximateAttention(type(model).__name__)
        if "flex" in str(getattr(config, "_attn_implementation", "")):
            raise UnreadableAttention(type(model).__name__)


def _hooked(original: Callable[..., Attention]) -> Callable[..., Attention]:
    @functools.wraps(original)
    def get_interface(self: object, attn_implementation: str, default: Attention) -> Attention:
        function = original(self, attn_implementation, default)
        watch = _watch.get()
        if watch is None:
            return function
        return functools.partial(_attend, watch, function, function is default)

    return get_interface


def _hooked_mask(original: Callable[..., Tensor | None]) -> Callable[..., Tensor | None]:
    @functools.wraps(original)
    def make_mask(*args: Any, **arguments: Any) -> Tensor | None:
        mask, watch = original(*args, **arguments), _watch.get()
        if watch is not None and mask is not None:
            watch.masks.append(MaskMade(mask, arguments))
        return mask

    return make_mask


def _attend(  # noqa: PLR0917 -- the signature is transformers'
    watch: Watch,
    function: Attention,
    own: bool,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any = None,
    **arguments: Any,
) -> tuple[Tensor, Tensor | None]:
    """Let the model's function compute, and keep references to what went in and what came out.

    Raises:
        UnreadableAttention: its mask is no tensor.
    """
    if attention_mask is not None and not isinstance(attention_mask, Tensor):
        raise UnreadableAttention(type(module).__name__)
    context, weights = function(module, query, key, value, attention_mask, **arguments)
    last = tuple(watch.rotations[-LAST:])
    watch.calls.append(Call(module, query, key, value, attention_mask, arguments, context, own, last))
    return context, weights
