"""One attention call, as both routes report it: what went in, and the context that the model computed from it.

Axes: head, kv_head, query (q), key (k), d, d_v.  A mask is True where a query may attend.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from models.huggingface.interface import Rotation

Route = Literal["interface", "tracer", "module", "band"]


@dataclass(frozen=True, slots=True)
class Capture:
    """One call of attention on a batch of one (or one window of it); tensors are references, never copies.

        weights = softmax(softcap · tanh(Q Kᵀ scale / softcap) + bias, −∞ where forbidden, and the sink);
        context = weights @ value

    `call` counts the calls of one module within a run: shared layers and windows run the same module again.
    `mask` None: every query may attend to every key. `bias` is everything added that is not a mask.
    """

    module: str
    call: int
    query: Tensor  # (head, q, d)
    key: Tensor  # (kv_head, k, d)
    value: Tensor  # (kv_head, k, d_v)
    scale: float
    context: Tensor  # (head, q, d_v), the model's own
    mask: Tensor | None = None  # bool, broadcastable to (head, q, k)
    pattern: Tensor | None = None  # bool, (1, q, k): the mask without its padding, where there is padding
    padding: Tensor | None = None  # bool, (at least k,): which keys are none
    bias: Tensor | None = None  # float, broadcastable to (head, q, k)
    softcap: float | None = None
    sink: Tensor | None = None  # (head,) or (head, q): one more score per row, whose weight goes nowhere
    query_unrotated: Tensor | None = None  # (head, q, d)
    key_unrotated: Tensor | None = None  # (kv_head, k, d)
    route: Route = "interface"
    rotations: tuple[Rotation, ...] = ()
    """The last ones before it, of the whole batch: a cache hides that keys were rotated."""
