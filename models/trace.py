"""A trace: every number one run of a model computed, as NumPy arrays whose axes have names.

A number is found by *what it is* (a `Site`) and *where it is* (a place):

    place            example              sites
    stream           "encoder"            token_embedding, position_encoding, segment_embedding,
                                          residual (what enters the first layer)
    layer            "encoder.0"          residual (what leaves the layer)
    block            "decoder.1.cross"    everything attention computes, its inputs, its weights, its output, its norm;
                                          angle and pair: by how much rotary positions turn which two channels;
                                          mask = pattern and padding and shift, where a mask has such parts;
                                          norm_input or residual_sum, norm and its parameters, before or after it;
                                          sink: (head, query) where a model makes it from each token
    feed-forward     "decoder.1.mlp"      mlp_input, up, gate, hidden, mlp_output and their maps, its norm as a block's;
                                          router and router_probabilities:
                                          each expert's weight for each token, 0 where not chosen, and before choosing
    what was written "….mlp.written"      norm and its parameters, where what a block or a feed-forward network wrote
                                          passes a norm before it is added
    tower            "decoder"            norm_input, norm and its parameters, of what leaves the last layer
    ""               ""                   logits; next_sentence: what says whether sentence B follows sentence A

The recorder keeps what is of size n × d. Everything of size n × n is derived here, per head, in float32, when it
is looked at, and `Head.error` proves it (models/head.py): weights @ value against the context that the model computed.

A mask is Boolean and True means *may attend*. Nothing here knows torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.head import TOLERANCE, TOLERANCES, Array, Head, Mask, frozen, softmax
from models.parts import Block, GuidedHead, ModelCard, Token
from models.sites import AXES, DERIVED, Axis, Site

__all__ = [
    "AXES",
    "DERIVED",
    "TOLERANCE",
    "Array",
    "Axis",
    "Block",
    "GuidedHead",
    "Head",
    "Mask",
    "ModelCard",
    "PositionalEncoding",
    "Site",
    "Token",
    "Trace",
    "softmax",
]


HEADS_KEPT = 3_000_000
"""Of so many (query, key) cells a trace keeps the heads that it derived: all of a sentence, the last few of a page."""


@dataclass(frozen=True)
class PositionalEncoding:
    """How positions enter: `kind` (sinusoidal, learned, rotary, …), its `values` and the place they act on."""

    kind: str
    values: Array
    where: str


@dataclass(frozen=True)
class Trace:
    """One run, frozen: what was read, what was computed, by which model. Picklable; knows nothing of torch.

    Its arrays are read-only. The weights and biases of the maps, and tables of positions, are those of the model as it
    is now: where it is trained on, they show what it has learnt since.
    """

    model: ModelCard
    text: str
    tokens: Mapping[str, tuple[Token, ...]]
    blocks: tuple[Block, ...]
    arrays: Mapping[tuple[Site, str], Any]
    """NumPy arrays; or, of size n × n, something that gives one head at a time."""
    positions: tuple[PositionalEncoding, ...] = ()
    predictions: Sequence[Token] = ()
    """Per position of the stream `predicting`: the most probable token. Otherwise the most probable class."""
    names: Sequence[Token] = ()
    """What each column of the logits stands for: tokens, or classes; nothing where a model has no logits."""
    predicting: str = "decoder"
    """The stream whose positions predict; "" where the model predicts one class, or nothing."""
    output: str = ""
    """The decoder's reading as a person would write it, without special tokens."""
    languages: tuple[str, str] | None = None
    """For a translation: from which language into which."""
    edits: tuple[object, ...] = ()
    picture: NDArray[np.uint8] | None = None
    """What a vision model saw, before normalization: (height, width, 3)."""
    resized: tuple[int, int, int, int] | None = None
    """(width, height) of the image that was given and of what the model saw; None where they are the same."""
    cropped: bool = False
    """Whether edges of the image were cut off."""
    patches: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Stream → (rows, columns) of its grid of patches."""
    windows: Mapping[str, NDArray[np.integer]] = field(default_factory=dict)
    """Block → (patch,) in the order of the image: patches with the same number lie in the same window and region."""
    dropped: Mapping[Site, int] = field(default_factory=dict)
    """Site → the bytes that it would take: what a long text's run left out to save memory; see `keep` of `record`."""
    gains: Mapping[tuple[str, int], float] = field(default_factory=dict)
    """(block, head) → what an edit multiplied the head's context by, where one did."""
    _heads: dict[tuple[str, int], Head] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for array in (*self.arrays.values(), *(each.values for each in self.positions)):
            if isinstance(array, np.ndarray):
                frozen(array)

    def block(self, name: str) -> Block:
        """The block of that name.

        Raises:
            KeyError: no such block; the message lists those there are.
        """
        for block in self.blocks:
            if block.name == name:
                return block
        raise KeyError(f"no block {name!r}; this trace has {', '.join(b.name for b in self.blocks)}")

    def head(self, block: str, head: int) -> Head:
        """One head of one block, with every stage of its computation.

        Raises:
            KeyError: no such block.
            IndexError: no such head in it.
        """
        known = self._heads.get((block, head))
        if known is None:
            known = self._heads[block, head] = self._head(self.block(block), head)
            kept = max(1, HEADS_KEPT // max(known.mask.size, 1))
            for oldest in list(self._heads)[:-kept]:
                self._heads.pop(oldest, None)
        return known

    def weights(self, block: str) -> Array:
        """Attention weights of all heads of a block: (head, query, key), in [0, 1]."""
        return np.stack([self.head(block, head).weights for head in range(self.block(block).heads)])

    def array(self, site: Site, place: str = "") -> NDArray:
        """The array of a site at a place; `AXES[site]` names its axes.

        Raises:
            KeyError: that site was not recorded at that place; the message says where it was, or why not.
        """
        if site in DERIVED:
            heads = range(self.block(place).heads)
            return np.stack([getattr(self.head(place, head), site.value) for head in heads])
        if (site, place) not in self.arrays:
            raise KeyError(self._why_absent(site, place))
        return frozen(np.asarray(self.arrays[site, place]))

    @property
    def nbytes(self) -> int:
        """About how much memory its arrays take; one that stands at several places counts once."""
        whole = [array for array in self.arrays.values() if isinstance(array, np.ndarray)]
        kept = {array.__array_interface__["data"][0]: array.nbytes for array in whole}
        derived = sum(3 * head.query.itemsize * head.mask.size for head in list(self._heads.values()))
        return sum(kept.values()) + derived

    @property
    def logits(self) -> Array | None:
        """(position, vocabulary): what softmax turns into the probability of the next token; None without a head."""
        return self.arrays.get((Site.LOGITS, ""))

    def _why_absent(self, site: Site, place: str) -> str:
        if site in self.dropped:
            size, tokens = self.dropped[site] / (1 << 20), max(map(len, self.tokens.values()), default=0)
            return (
                f"{site.value} was dropped to save memory: {size:.0f} MiB for {tokens} tokens; "
                f"record(..., keep=[Site.{site.name}]) keeps it"
            )
        places = sorted(p for s, p in self.arrays if s == site)
        return f"{site.value} was not recorded at {place!r}; it was at: {', '.join(places) or 'no place'}"

    def _head(self, block: Block, head: int) -> Head:
        if not 0 <= head < block.heads:
            raise IndexError(f"no head {head} in {block.name}; it has heads 0 to {block.heads - 1}")
        shared = block.shared(head)
        mask = self.arrays[Site.MASK, block.name]
        sink = self.arrays.get((Site.SINK, block.name))
        return Head(
            query=self.arrays[Site.QUERY, block.name][head],
            key=self.arrays[Site.KEY, block.name][shared],
            value=self.arrays[Site.VALUE, block.name][shared],
            mask=mask[min(head, len(mask) - 1)],
            scale=block.scale,
            model_context=self.arrays[Site.CONTEXT, block.name][head],
            bias=self._of_head(Site.BIAS, block, head),
            query_unrotated=self._of_head(Site.QUERY_UNROTATED, block, head),
            key_unrotated=self._of_head(Site.KEY_UNROTATED, block, shared),
            softcap=block.softcap,
            sink_score=None if sink is None else sink[head] if np.ndim(sink) > 1 else float(sink[head]),
            forced_weights=self._of_head(Site.WEIGHTS, block, head),
            gain=self.gains.get((block.name, head), 1.0),
            tolerance=TOLERANCES.get(self.model.dtype, TOLERANCE),
            idle_counts=block.route == "builtin",
        )

    def _of_head(self, site: Site, block: Block, head: int) -> Array | None:
        """One head's part of an array, which may have one part for all heads; None where it was not recorded."""
        array = self.arrays.get((site, block.name))
        return None if array is None else array[min(head, len(array) - 1)]
