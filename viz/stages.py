"""The stages of the walk as data: which arrays a stage shows, how they are laid out, and which of them make its output.

Browser, explanations and tests read the same record. A `Plate` is one matrix on the page; its two axes decide what a
selection highlights in it, so views are linked without code of their own: the same query, key or channel lights up
wherever that axis occurs. `sources` say which cells one output cell is computed from: an axis that is named is fixed
to the selection, any other runs over its whole length. Which stages a block has is said in `viz/walk.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

Axes = tuple[str, str]


@dataclass(frozen=True)
class Plate:
    """One matrix of a figure: an array of a bundle, its axes (rows, columns), its colour role and its symbol.

    The arrays of the bundles `written` and `logits` have one more axis in front, of which the page cuts the chosen
    query.

    An `optional` plate is left out where the model has no such array.
    """

    array: str
    bundle: str
    axes: Axes
    role: str
    symbol: str
    optional: bool = False


@dataclass(frozen=True)
class Source:
    """The cells of a plate that one output cell is made from: all those that agree with the selection on `fixed`."""

    array: str
    fixed: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """One step of the computation.

    `layout`: tokens (a table), stack (one above the other), fan (one in, several out), product (left × top = corner),
    flow (inputs in a column, an operator, the output), beside (a matrix and a curve of it), dials (pairs as arrows that
    turn), written (a row for each head, and how long it is), shuffle (the words in another order), rotation (before and
    after, and the score by distance), shared (which heads share keys and values), router (tokens × experts), output
    (bars of probabilities). The last plate is the output. `bundles` are fetched besides those of the plates.
    """

    id: str
    layout: str
    plates: tuple[Plate, ...]
    sources: tuple[Source, ...] = ()
    operators: tuple[str, ...] = ()
    bundles: tuple[str, ...] = ()


_GRID = ("query", "key")

_EMBEDDING = Plate("token_embedding", "stream", ("query", "d_model"), "stream", "E")
_POSITION = Plate("position_encoding", "stream", ("query", "d_model"), "stream", "PE")
_SEGMENT = Plate("segment_embedding", "stream", ("query", "d_model"), "stream", "Seg", optional=True)
_SUM = Plate("residual", "stream", ("query", "d_model"), "stream", "X")
_INPUT = Plate("query_input", "projection", ("query", "d_model"), "stream", "X", optional=True)
_KEY_INPUT = Plate("key_input", "projection", ("key", "d_model"), "stream", "H", optional=True)
_QUERY = Plate("query", "head", ("query", "d_head"), "query", "Q")
_KEY = Plate("key", "head", ("key", "d_head"), "key", "K")
_VALUE = Plate("value", "head", ("key", "d_value"), "value", "V")
_QUERY_MADE = Plate("query_made", "head", ("query", "d_head"), "query", "Q")
_KEY_MADE = Plate("key_made", "head", ("key", "d_head"), "key", "K")
_PRODUCT = Plate("product", "head", _GRID, "score", "QKᵀ")
_SCORES = Plate("scores", "head", _GRID, "score", "S")
_CAPPED = Plate("capped", "head", _GRID, "score", "S′")
_BIAS = Plate("bias", "head", _GRID, "score", "B")
_UNMASKED = Plate("unmasked", "head", _GRID, "score", "S")
_PATTERN = Plate("mask_pattern", "mask", _GRID, "mask", "P")
_PADDING = Plate("mask_padding", "mask", _GRID, "mask", "pad", optional=True)
_SHIFT = Plate("mask_shift", "mask", _GRID, "mask", "shift", optional=True)
_MASK = Plate("mask", "head", _GRID, "mask", "M")
_MASKED = Plate("masked_scores", "head", _GRID, "score", "S+M")
_WEIGHTS = Plate("weights", "head", _GRID, "weight", "A")
_SINK = Plate("sink", "head", ("query", "one"), "weight", "sink")
_CONTEXT = Plate("context", "head", ("query", "d_value"), "context", "AV")
_ROUTER = Plate("router", "router", ("query", "expert"), "weight", "G")
_CHANCES = Plate("router_probabilities", "router", ("query", "expert"), "weight", "p", optional=True)

_NORM_GIVEN = Plate("norm_given", "norm", ("query", "d_model"), "stream", "X")
_NORMED = Plate("norm", "norm", ("query", "d_model"), "stream", "N")
_WRITTEN = Plate("attention_output", "norm", ("query", "d_model"), "context", "O")
_SUMMED = Plate("norm_given", "norm", ("query", "d_model"), "stream", "X+O")
_CONTRIBUTIONS = Plate("contributions", "written", ("head", "d_model"), "context", "c·W_O")
_OUTPUT_BIAS = Plate("output_bias", "written", ("one", "d_model"), "stream", "b_O", optional=True)
_WRITTEN_SUM = Plate("written_sum", "written", ("one", "d_model"), "context", "O")
_MLP_INPUT = Plate("mlp_input", "mlp", ("query", "d_model"), "stream", "X")
_GATE = Plate("gate", "mlp", ("query", "d_hidden"), "score", "G", optional=True)
_UP = Plate("up", "mlp", ("query", "d_hidden"), "score", "U")
_HIDDEN = Plate("hidden", "mlp", ("query", "d_hidden"), "context", "H")
_MLP_OUTPUT = Plate("mlp_output", "mlp", ("query", "d_model"), "stream", "Y")
_VECTORS = Plate("output_vector", "vectors", ("query", "d_model"), "stream", "H")
_WORDS = Plate("unembedding", "logits", ("choice", "d_model"), "key", "W")
_LOGITS = Plate("logits", "logits", ("query", "choice"), "score", "Z")
_BEFORE = Plate("before", "head", ("query", "unit"), "stream", "hₜ₋₁")
_RESET = Plate("reset", "head", ("query", "unit"), "weight", "r")
_UPDATE = Plate("update", "head", ("query", "unit"), "weight", "z")
_CANDIDATE = Plate("candidate", "head", ("query", "unit"), "stream", "ĥ")
_STATE = Plate("state", "head", ("query", "unit"), "stream", "h")
_ENCODER_STATE = Plate("encoder_state", "head", ("key", "unit"), "stream", "h")
_LAST_STATE = Plate("last_state", "head", ("one", "unit"), "context", "hₙ")
_CONTEXT_VECTOR = Plate("context_vector", "head", ("query", "unit"), "context", "c")

_ROWS = Plate("encoding", "positions", ("position", "d_model"), "stream", "PE")
_LIKENESS = Plate("likeness", "positions", ("position", "other"), "score", "PE·PEᵀ")
_REACH = Plate("relative", "reach", _GRID, "score", "B")

_CELL = ("query", "key")
_DIMENSION = ("query", "d_model")
_UNIT = ("query", "unit")


def _residual(id: str, sublayer: str, written: str) -> Stage:
    """E + ΔE = E′ of a sublayer."""
    parts = (("before", "stream", "E"), ("added", "context", f"ΔE = {written}"), ("after", "stream", "E′"))
    plates = tuple(
        Plate(f"{part}_{sublayer}", f"residual_{sublayer}", _DIMENSION, role, symbol)
        for part, role, symbol in parts
    )
    return Stage(
        id, "stack", plates, tuple(Source(plate.array, _DIMENSION) for plate in plates[:2]), ("+", "=")
    )


STAGES: tuple[Stage, ...] = (
    Stage("tokens", "tokens", ()),
    Stage("embedding", "stack", (_EMBEDDING,)),
    Stage(
        "position",
        "stack",
        (_EMBEDDING, _POSITION, _SEGMENT, _SUM),
        tuple(
            Source(array, ("query", "d_model"))
            for array in (_EMBEDDING.array, _POSITION.array, _SEGMENT.array)
        ),
        ("+", "+", "="),
    ),
    Stage("encoding", "beside", (_ROWS,)),
    Stage("likeness", "beside", (_LIKENESS,)),
    Stage("step", "dials", (), bundles=("positions",)),
    Stage("norm", "stack", (_NORM_GIVEN, _NORMED), (Source("norm_given", ("query",)),), ("norm",)),
    Stage(
        "gates",
        "stack",
        (_BEFORE, _RESET, _UPDATE, _CANDIDATE),
        (Source("before", ("query",)), Source("reset", _UNIT), Source("update", _UNIT)),
        ("σ", "σ", "tanh"),
    ),
    Stage(
        "state",
        "stack",
        (_UPDATE, _BEFORE, _CANDIDATE, _STATE),
        tuple(Source(plate.array, _UNIT) for plate in (_UPDATE, _BEFORE, _CANDIDATE)),
        ("∘", "+ (1−z) ∘", "="),
    ),
    Stage(
        "bottleneck",
        "stack",
        (_ENCODER_STATE, _LAST_STATE, _CONTEXT_VECTOR),
        (Source("encoder_state", ("unit",)), Source("last_state", ("unit",))),
        ("↓", "↓"),
    ),
    Stage(
        "qkv",
        "fan",
        (_INPUT, _KEY_INPUT, _QUERY_MADE, _KEY_MADE, _VALUE),
        (Source("query_input", ("query",)), Source("key_input", ("key",))),
    ),
    Stage(
        "rotation",
        "rotation",
        (_QUERY_MADE, _QUERY, _KEY_MADE, _KEY),
        (Source("query_made", ("query", "d_head")), Source("key_made", ("key", "d_head"))),
    ),
    Stage("turning", "dials", ()),
    Stage("shared", "shared", (_KEY, _VALUE)),
    Stage(
        "scores", "product", (_QUERY, _KEY, _PRODUCT), (Source("query", ("query",)), Source("key", ("key",)))
    ),
    Stage("scale", "flow", (_PRODUCT, _SCORES), (Source("product", _CELL),), ("÷ √d",)),
    Stage("softcap", "flow", (_SCORES, _CAPPED), (Source("scores", _CELL),), ("c·tanh",)),
    Stage(
        "bias", "flow", (_CAPPED, _BIAS, _UNMASKED), (Source("capped", _CELL), Source("bias", _CELL)), ("+",)
    ),
    Stage("reach", "beside", (_REACH,)),
    Stage("shuffle", "shuffle", ()),
    Stage(
        "mask_parts",
        "flow",
        (_PATTERN, _PADDING, _SHIFT, _MASK),
        tuple(Source(plate.array, _CELL) for plate in (_PATTERN, _PADDING, _SHIFT)),
        ("∧",),
    ),
    Stage(
        "mask",
        "flow",
        (_UNMASKED, _MASK, _MASKED),
        (Source("unmasked", _CELL), Source("mask", _CELL)),
        ("+",),
    ),
    Stage("softmax", "flow", (_MASKED, _WEIGHTS), (Source("masked_scores", ("query",)),), ("softmax",)),
    Stage("sink", "flow", (_WEIGHTS, _SINK), (Source("weights", ("query",)),), ("1 − Σ",)),
    Stage(
        "context",
        "product",
        (_WEIGHTS, _VALUE, _CONTEXT),
        (Source("weights", ("query",)), Source("value", ("d_value",))),
    ),
    Stage(
        "written",
        "written",
        (_CONTRIBUTIONS, _OUTPUT_BIAS, _WRITTEN_SUM),
        (Source("contributions", ("d_model",)), Source("output_bias", ("d_model",))),
        ("+", "="),
    ),
    _residual("residual", "attention", "O"),
    Stage(
        "add_norm",
        "stack",
        (_WRITTEN, _SUMMED, _NORMED),
        (Source("norm_given", ("query",)),),
        ("+ X", "norm"),
    ),
    Stage(
        "mlp",
        "stack",
        (_MLP_INPUT, _GATE, _UP, _HIDDEN, _MLP_OUTPUT),
        (
            Source("mlp_input", ("query",)),
            *(Source(array, ("query", "d_hidden")) for array in ("gate", "up", "hidden")),
        ),
        ("→", "→", "→", "→"),
    ),
    Stage("router", "router", (_CHANCES, _ROUTER)),
    _residual("residual_mlp", "mlp", "Y"),
    Stage(
        "logits",
        "product",
        (_VECTORS, _WORDS, _LOGITS),
        (Source("output_vector", ("query",)), Source("unembedding", ("choice",))),
    ),
    Stage("output", "output", (), bundles=("output",)),
    Stage("choice", "output", (), bundles=("output",)),
    Stage("next_sentence", "output", (), bundles=("output",)),
)

STANDS_FOR = {"query_made": "query", "key_made": "key", "capped": "scores", "unmasked": "capped"}
"""What is shown where a model has no such array of its own: the unmasked scores are the scores, without a bias."""

BEGINS = {
    "tokens": "tokens",
    "embedding": "embedding",
    "position": "position",
    "norm": "norm",
    "gates": "recurrent",
    "qkv": "attention",
    "add_norm": "norm",
    "mlp": "feed_forward",
    "logits": "output",
    "output": "output",
}
"""Stage → the part of the model that begins with it on the map; the stages after it, up to the next, belong to it."""

STAGE_IDS = tuple(stage.id for stage in STAGES)


def part_of(stage: str) -> str:
    """The part of the model that a stage belongs to."""
    before = STAGE_IDS[: STAGE_IDS.index(stage) + 1]
    return BEGINS[next(id for id in reversed(before) if id in BEGINS)]


def as_json() -> list[dict]:
    """The stages as the browser reads them, each with its part of the model."""
    return [asdict(stage) | {"part": part_of(stage.id)} for stage in STAGES]
