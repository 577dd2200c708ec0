"""Which stages a block of a trace has, and which text fits each: a model is shown with the parts that it has.

A stage may be told in several ways: "scale" for ÷ √d, "scale_none" where the model does not scale at all, and so on.
The variant is chosen from the numbers of the run, never from the model's name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.trace import Block, Site, Trace
from viz import feedforward, logits, memory, residual, written
from viz.norms import norm_of
from viz.outputs import follows, has_output
from viz.recurrent import is_recurrent

CLOSE = 1e-3
"""How near two numbers must be, relative to their size, to be called the same."""

EVEN = 0.05
"""How near two turns, in radians, must be to be called the same: angles are measured from rounded numbers."""

RECURRENT = {
    "embedding": "embedding_recurrent",
    "qkv": "qkv_states",
    "scores": "scores_states",
    "scale": "",
    "mask": "",
    "context": "context_states",
}
"""What recurrent networks with attention tell in another way, or do not have."""

EARLIER = ("causal", "sliding", "chunked", "chosen")
"""Kinds of mask that hide what comes later."""

MASK_KINDS = ("open", "causal", "sliding", "chunked", "chosen", "windows", "other")


@dataclass(frozen=True)
class MaskKind:
    """What a mask allows: `open` everything, `causal` nothing later, `sliding` the last `width` tokens, `chunked`
    nothing outside the own chunk of `width`, `chosen` any `width` tokens up to the own, `windows` (of an image), or
    `other`."""

    kind: str
    width: int = 0


def stages_of(trace: Trace, block: Block) -> dict[str, str]:
    """Stage id → id of the text that tells it, for every stage that this block has, in order."""
    has = trace.arrays.keys()
    stream, layer = block.query_stream, block.name.rsplit(".", 1)[0]
    cells = {(Site.QUERY_UNROTATED, block.name), (Site.ANGLE, block.name), (Site.PAIR, block.name)}
    parts = ((Site.MASK_PATTERN, block.name) in has) or ((Site.MASK_SHIFT, block.name) in has)
    there = {
        "tokens": _tokens(trace, stream),
        "embedding": _embedding(trace, stream),
        "position": _position(trace, stream),
        "norm": _norm(trace, block, after=False),
        "qkv": _projections(trace, block),
        "rotation": _rotation(trace, block) if cells <= has else "",
        "shared": "shared" if block.kv_heads < block.heads else "",
        "scores": "scores",
        "scale": _scale(trace, block),
        "softcap": "softcap" if block.softcap else "",
        "bias": _bias(trace, block),
        "mask_parts": "mask_parts" if parts else "",
        "mask": f"mask_{mask_kind(trace, block).kind}" if _is_foreign(trace) else "mask",
        "softmax": "softmax_sink" if (Site.SINK, block.name) in has else "softmax",
        "sink": "sink" if (Site.SINK, block.name) in has else "",
        "context": "context",
        "written": written.told(trace, block),
        "residual": residual.told(trace, block, "attention"),
        "add_norm": _norm(trace, block, after=True),
        "mlp": feedforward.told(trace, block),
        "router": _router(trace, f"{layer}.mlp"),
        "residual_mlp": residual.told(trace, block, "mlp"),
        "logits": logits.told(trace) if has_output(trace, block) else "",
        "output": _output(trace, block),
        "choice": _choice(trace, block),
        "next_sentence": "next_sentence" if _says_next(trace, block) else "",
    }
    if is_recurrent(trace):
        there |= RECURRENT
    return {stage: text for stage, text in there.items() if text}


def mask_kind(trace: Trace, block: Block) -> MaskKind:
    """The kind of a block's mask; of its pattern, where padding is a part of its own."""
    if not isinstance(trace.arrays[Site.MASK, block.name], np.ndarray):
        return MaskKind("windows")
    site = Site.MASK_PATTERN if (Site.MASK_PATTERN, block.name) in trace.arrays else Site.MASK
    return kind_of(np.asarray(trace.arrays[site, block.name][0]))


def kind_of(mask: NDArray) -> MaskKind:
    """The kind of one (query, key) mask, True where a query may attend."""
    if mask.all():
        return MaskKind("open")
    queries, keys = mask.shape
    distance = np.arange(keys - queries, keys)[:, None] - np.arange(
        keys
    )  # of the last rows, where a cache holds more
    if np.array_equal(mask, distance >= 0):
        return MaskKind("causal")
    width = int(mask.sum(axis=1).max())
    if np.array_equal(mask, (distance >= 0) & (distance < width)):
        return MaskKind("sliding", width)
    places = np.arange(keys - queries, keys)[:, None] // width == np.arange(keys) // width
    if np.array_equal(mask, (distance >= 0) & places):
        return MaskKind("chunked", width)
    seen = np.minimum((distance >= 0).sum(axis=1), width)
    if not mask[distance < 0].any() and np.array_equal(mask.sum(axis=1), seen):
        return MaskKind("chosen", width)
    return MaskKind("other")


def is_line(angles: NDArray) -> bool:
    """Whether (position, pair) angles grow by the same turn from each position to the next, as along a text.

    On the patches of an image they do not: some pairs count rows and some columns.
    """
    steps = np.exp(1j * np.diff(angles.astype(float), axis=0))
    return bool(np.abs(steps - steps[:1]).max(initial=0.0) < EVEN)


def is_added(trace: Trace, stream: str) -> bool:
    """Whether what enters the first layer is the embedding plus the positions (and segments), and nothing else."""
    parts = (Site.TOKEN_EMBEDDING, Site.POSITION_ENCODING, Site.SEGMENT_EMBEDDING)
    total = sum(trace.arrays[site, stream] for site in parts if (site, stream) in trace.arrays)
    return _close(np.asarray(total), trace.arrays[Site.RESIDUAL, stream])


def _is_foreign(trace: Trace) -> bool:
    """Whether this is not the built-in translator, whose texts speak of translating."""
    return any(block.route != "builtin" for block in trace.blocks)


def _tokens(trace: Trace, stream: str) -> str:
    return f"tokens_{_reads(trace, stream)}" if _is_foreign(trace) else "tokens"


def _embedding(trace: Trace, stream: str) -> str:
    if (Site.TOKEN_EMBEDDING, stream) not in trace.arrays:
        return ""
    said = {"pieces": "plain"}
    reads = _reads(trace, stream)
    return f"embedding_{said.get(reads, reads)}" if _is_foreign(trace) else "embedding"


def _reads(trace: Trace, stream: str) -> str:
    """What a stream's tokens are: `patches` of an image, `pieces` of a text, or, as for sound, only `numbered`."""
    tokens = trace.tokens[stream]
    if any(token.row >= 0 for token in tokens):
        return "patches"
    unknown = all((token.id, token.text) == (place, str(place + 1)) for place, token in enumerate(tokens))
    return "numbered" if unknown else "pieces"


def _position(trace: Trace, stream: str) -> str:
    """`position` for the sines of the built-in model, else by how the table came about and what happens to the sum."""
    needed = (Site.TOKEN_EMBEDDING, Site.POSITION_ENCODING, Site.RESIDUAL)
    if any((site, stream) not in trace.arrays for site in needed):
        return ""
    if not _is_foreign(trace):
        return "position"
    if (Site.SEGMENT_EMBEDDING, stream) in trace.arrays and trace.tokens[stream][0].segment >= 0:
        return "position_segment"
    if not is_added(trace, stream):
        return "position_norm"
    fixed = any(encoding.kind == "sinusoidal" and encoding.where == stream for encoding in trace.positions)
    return "position_fixed" if fixed else "position_learned"


def _projections(trace: Trace, block: Block) -> str:
    needed = (Site.QUERY_WEIGHT, Site.KEY_WEIGHT, Site.VALUE_WEIGHT, Site.QUERY_INPUT, Site.KEY_INPUT)
    if any((site, block.name) not in trace.arrays for site in needed):
        return "qkv_several"
    if memory.is_shared(trace, block):
        return "qkv_cross"
    return "qkv_shared" if _is_foreign(trace) else "qkv"


def _rotation(trace: Trace, block: Block) -> str:
    return "rotation" if is_line(trace.array(Site.ANGLE, block.name)) else "rotation_grid"


def _scale(trace: Trace, block: Block) -> str:
    d_head = trace.arrays[Site.QUERY, block.name].shape[-1]
    if abs(block.scale * d_head**0.5 - 1) < CLOSE:
        return "scale"
    return "scale_none" if block.scale == 1 else "scale_other"


def _bias(trace: Trace, block: Block) -> str:
    bias = trace.arrays.get((Site.BIAS, block.name))
    if bias is None or (isinstance(bias, np.ndarray) and not bias.any()):  # T5 adds zeros in cross-attention
        return ""
    return "bias_alibi" if any(encoding.kind == "alibi" for encoding in trace.positions) else "bias"


def _router(trace: Trace, place: str) -> str:
    if (Site.ROUTER, place) not in trace.arrays:
        return ""
    return "router" if (Site.ROUTER_PROBABILITIES, place) in trace.arrays else "router_plain"


def _norm(trace: Trace, block: Block, *, after: bool) -> str:
    """A norm before the queries, keys and values, or after what attention wrote was added."""
    norm = norm_of(trace, block.name)
    return "" if norm is None or (norm.written is not None) is not after else norm.told


def _output(trace: Trace, block: Block) -> str:
    """What the rows end in: the next word, the word in their own place, a label, or one class for the whole."""
    if not has_output(trace, block):
        return ""
    if not _is_foreign(trace):
        return "output"
    says = predicts(trace)
    if says == "next":
        return "output_target" if len({one.query_stream for one in trace.blocks}) > 1 else "output_next"
    words = len(trace.names) == trace.model.vocabulary and _reads(trace, block.query_stream) == "pieces"
    return "output_class" if says == "class" else "output_masked" if words else "output_label"


def _choice(trace: Trace, block: Block) -> str:
    """Where the answer is known, it stands beside the choice."""
    if not has_output(trace, block):
        return ""
    return "choice" if predicts(trace) == "next" else "choice_open"


def _says_next(trace: Trace, block: Block) -> bool:
    return follows(trace) is not None and block.kind == "self"


def predicts(trace: Trace) -> str:
    """`next`: each row the token after it; `same`: the token in its own place; `class`: one label; or nothing."""
    if not trace.predicting:
        return "class" if trace.predictions else ""
    causal = any(
        block.kind == "self" and mask_kind(trace, block).kind in EARLIER
        for block in trace.blocks
        if block.query_stream == trace.predicting
    )
    return "next" if causal or trace.predicting == "decoder" else "same"


def _close(array: NDArray, other: NDArray) -> bool:
    return array.shape == other.shape and bool(
        np.abs(array - other).max(initial=0.0) <= CLOSE * max(1.0, float(np.abs(other).max(initial=0.0)))
    )
