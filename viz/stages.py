"""The stages of the walk as data: which arrays a stage shows, how they are laid out, and which of them make its output.

Browser, explanations and tests read the same record. A `Plate` is one matrix on the page; its two axes decide what a
selection highlights in it, so views are linked without code of their own: the same query, key or channel lights up
wherever that axis occurs. `sources` say which cells one output cell is computed from: an axis that is named is fixed
to the selection, any other runs over its whole length.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

Axes = tuple[str, str]


@dataclass(frozen=True)
class Plate:
    """One matrix of a figure: an array of a bundle, its axes (rows, columns), its colour role and its symbol."""

    array: str
    bundle: str
    axes: Axes
    role: str
    symbol: str


@dataclass(frozen=True)
class Source:
    """The cells of a plate that one output cell is made from: all those that agree with the selection on `fixed`."""

    array: str
    fixed: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """One step of the computation.

    `layout`: tokens (a table), stack (one above the other), fan (one in, several out), product (left × top = corner),
    flow (inputs in a column, an operator, the output). The last plate is the output.
    """

    id: str
    layout: str
    plates: tuple[Plate, ...]
    sources: tuple[Source, ...] = ()
    operators: tuple[str, ...] = ()


_EMBEDDING = Plate("token_embedding", "stream", ("query", "d_model"), "stream", "E")
_POSITION = Plate("position_encoding", "stream", ("query", "d_model"), "stream", "PE")
_SUM = Plate("residual", "stream", ("query", "d_model"), "stream", "X")
_INPUT = Plate("query_input", "projection", ("query", "d_model"), "stream", "X")
_KEY_INPUT = Plate("key_input", "projection", ("key", "d_model"), "stream", "H")
_QUERY = Plate("query", "head", ("query", "d_head"), "query", "Q")
_KEY = Plate("key", "head", ("key", "d_head"), "key", "K")
_VALUE = Plate("value", "head", ("key", "d_head"), "value", "V")
_PRODUCT = Plate("product", "head", ("query", "key"), "score", "QKᵀ")
_SCORES = Plate("scores", "head", ("query", "key"), "score", "S")
_MASK = Plate("mask", "head", ("query", "key"), "mask", "M")
_MASKED = Plate("masked_scores", "head", ("query", "key"), "score", "S+M")
_WEIGHTS = Plate("weights", "head", ("query", "key"), "weight", "A")
_CONTEXT = Plate("context", "head", ("query", "d_head"), "context", "AV")

STAGES: tuple[Stage, ...] = (
    Stage("tokens", "tokens", ()),
    Stage("embedding", "stack", (_EMBEDDING,)),
    Stage(
        "position",
        "stack",
        (_EMBEDDING, _POSITION, _SUM),
        (Source("token_embedding", ("query", "d_model")), Source("position_encoding", ("query", "d_model"))),
        ("+", "="),
    ),
    Stage(
        "qkv",
        "fan",
        (_INPUT, _KEY_INPUT, _QUERY, _KEY, _VALUE),
        (Source("query_input", ("query",)), Source("key_input", ("key",))),
    ),
    Stage(
        "scores", "product", (_QUERY, _KEY, _PRODUCT), (Source("query", ("query",)), Source("key", ("key",)))
    ),
    Stage("scale", "flow", (_PRODUCT, _SCORES), (Source("product", ("query", "key")),), ("÷ √d",)),
    Stage(
        "mask",
        "flow",
        (_SCORES, _MASK, _MASKED),
        (Source("scores", ("query", "key")), Source("mask", ("query", "key"))),
        ("+",),
    ),
    Stage("softmax", "flow", (_MASKED, _WEIGHTS), (Source("masked_scores", ("query",)),), ("softmax",)),
    Stage(
        "context",
        "product",
        (_WEIGHTS, _VALUE, _CONTEXT),
        (Source("weights", ("query",)), Source("value", ("d_head",))),
    ),
)

STAGE_IDS = tuple(stage.id for stage in STAGES)


def as_json() -> list[dict]:
    """The stages as the browser reads them."""
    return [asdict(stage) for stage in STAGES]
