"""What a trace is made of besides arrays: tokens, attention blocks, the model's card. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Token:
    """One token as the model reads it: `text` is what a person sees, `start:end` its place in the typed text.

    `unknown` marks a word outside the vocabulary: the model reads its unknown token, the page shows the word.
    `special` marks tokens nobody typed (end of sentence, target language).
    Tokens of one `group` spell whole characters together, and `whole` is what they spell; `bytes` is what this token
    stands for in UTF-8. A patch of an image has its `row` and `column` in the image's grid, from 0.
    `segment` says to which sentence of a pair it belongs, 0 or 1, where the model tells them apart.
    """

    id: int
    text: str
    start: int = -1
    end: int = -1
    unknown: bool = False
    special: bool = False
    group: int = -1
    whole: str = ""
    bytes: bytes = b""
    row: int = -1
    column: int = -1
    segment: int = -1


@dataclass(frozen=True)
class Block:
    """One attention sublayer. `heads` query heads share `kv_heads` key/value heads (equal unless grouped).

    `route` says how it was recorded: `builtin`, `interface` (the model's own fast path), `tracer`,
    `module` or `band`.
    """

    name: str
    heads: int
    kv_heads: int
    query_stream: str
    key_stream: str
    module: str
    scale: float
    softcap: float | None = None
    route: str = "builtin"

    @property
    def kind(self) -> str:
        """`self` or `cross`."""
        return self.name.rsplit(".", 1)[-1]

    def shared(self, head: int) -> int:
        """The key/value head that a query head reads."""
        return head * self.kv_heads // self.heads


TARGETS = ("alignment", "antecedent", "object", "previous", "copy")
"""What a head may be trained to look at: the source word it translates; whom *it* means; the object in an image."""


@dataclass(frozen=True)
class GuidedHead:
    """A head that training pushed towards a target, one of `TARGETS`."""

    block: str
    head: int
    target: str


ROLES = ("embedding", "attention", "feed_forward", "recurrent", "norm", "other")
"""What a parameter may do, in the order in which shares are shown."""

Shares = tuple[tuple[str, int], ...]
"""(role, how many numbers have it), of those that there are."""


@dataclass(frozen=True)
class ModelCard:
    """What a model is: counted from the loaded model, never from its name."""

    name: str
    architecture: str
    kind: str
    layers: int
    heads: int
    kv_heads: int
    d_model: int
    d_head: int
    parameters: int
    positions: str
    d_hidden: int = 0
    vocabulary: int = 0
    context_length: int = 0
    dtype: str = "float32"
    device: str = "cpu"
    memory: int = 0
    """Bytes of its parameters and buffers."""
    routes: tuple[str, ...] = ()
    """How its attention is recorded: `builtin`, `interface`, `tracer`, `module`, `band`."""
    without: tuple[str, ...] = ()
    """Layers that have no softmax attention, such as the Mamba layers of a hybrid."""
    experts: int = 0
    experts_chosen: int = 0
    reads: tuple[str, ...] = ("text",)
    """What it takes: `text`, `image`, both, or something that only `inputs=` can give."""
    shares: Shares = ()
    """What its parameters do; together they are all of them."""
    revision: str = ""
    guided: tuple[GuidedHead, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    """For a translator: the (source, target) languages that it was trained on."""
