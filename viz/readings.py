"""Which sentence reads a row, a cell and the way a block was recorded. The rules, first match wins:

row     idle                the query may attend to nothing
        cross_*             cross-attention of a row that predicts a token
        decoder_first       a decoder's row 0 that predicts and sees itself alone, without a sink
        masked_predict      the query is the model's mask token, and its row predicts
        patch_*             the query is a patch
        first_token         not the built-in model; not the first token itself; key 0, of the same stream, gets half
        decoder_*           a decoder's row that predicts
        self_sharp          half of the weight or more goes to the query itself
        sharp               … to one key
        uniform             the largest weight is below `UNIFORM` even shares among the keys that the row may see
        broad               any other
        *_sharp from `SHARP` on, else *_broad

cell    cell                the query may attend to the key
        cell_masked         it may not, in the built-in model, or because the key comes later
        cell_masked_padding the key is padding
        cell_masked_<kind>  by `viz.walk.mask_kind`: sliding, chunked, chosen, windows, other

A decoder is a stream whose queries never look ahead; the streams' names say which.
"""

from __future__ import annotations

import numpy as np

from models.trace import Block, Head, Site, Token, Trace
from viz.selection import Selection
from viz.walk import EARLIER, mask_kind

SHARP = 0.5
"""From this weight on one key is said to be looked at, rather than several."""

UNIFORM = 1.5
"""Below this many even shares the largest weight is said to be no choice at all."""


def reading(trace: Trace, at: Selection) -> str:
    """The id of the sentence that reads this row, chosen by the block and by how the row's weights lie."""
    block, head = trace.block(at.block), trace.head(at.block, at.head)
    if not head.mask[at.query].any():
        return "idle"
    predicts = block.query_stream == trace.predicting and at.query < len(trace.predictions)
    return _predicting(trace, block, head, at) if predicts else _plain(trace, block, head, at)


def cell_reading(trace: Trace, at: Selection) -> str:
    """The id of the sentence that says what this query gives this key, or why it may not look there."""
    block = trace.block(at.block)
    if trace.head(at.block, at.head).mask[at.query, at.key]:
        return "cell"
    if block.route == "builtin":
        return "cell_masked"
    padding = trace.arrays.get((Site.MASK_PADDING, block.name))
    if padding is not None and not padding[at.key]:
        return "cell_masked_padding"
    kind = mask_kind(trace, block).kind
    if kind in EARLIER and at.key > at.query:
        return "cell_masked"
    return (
        f"cell_masked_{kind}" if kind in {"sliding", "chunked", "chosen", "windows"} else "cell_masked_other"
    )


def route_reading(block: Block) -> str:
    """The id of the sentence that says how a block's numbers were recorded."""
    return f"route_{block.route}"


def _predicting(trace: Trace, block: Block, head: Head, at: Selection) -> str:
    """A row that predicts a token is named by it, where that is the point of the row."""
    if block.kind == "cross":
        return f"cross_{_sharpness(head, at)}"
    is_decoder = block.query_stream == "decoder"
    alone = at.query == 0 and int(head.mask[0].sum()) == 1 and bool(head.mask[0, 0])
    if is_decoder and alone and head.sink_score is None:
        return "decoder_first"
    if _is_mask(trace.tokens[block.query_stream][at.query]):
        return "masked_predict"
    if not is_decoder or _is_first(block, head, at):
        return _plain(trace, block, head, at)
    return f"decoder_{_sharpness(head, at)}"


def _plain(trace: Trace, block: Block, head: Head, at: Selection) -> str:
    weights = head.weights[at.query]
    if trace.tokens[block.query_stream][at.query].row >= 0:
        return f"patch_{_sharpness(head, at)}"
    if _is_first(block, head, at):
        return "first_token"
    if _sharpness(head, at) == "sharp":
        itself = block.kind == "self" and int(weights.argmax()) == at.query
        return "self_sharp" if itself else "sharp"
    even = 1 / int(head.mask[at.query].sum())
    return "uniform" if float(weights.max()) < UNIFORM * even else "broad"


def _sharpness(head: Head, at: Selection) -> str:
    return "sharp" if float(head.weights[at.query].max()) >= SHARP else "broad"


def _is_first(block: Block, head: Head, at: Selection) -> bool:
    """Whether most of the row goes to the first token of a text, which is not the query itself."""
    if block.route == "builtin" or block.query_stream != block.key_stream or at.query == 0:
        return False
    first = float(head.weights[at.query, 0])
    return first >= SHARP and int(np.argmax(head.weights[at.query])) == 0


def _is_mask(token: Token) -> bool:
    """Whether this is the token that stands for a word to be guessed: [MASK], <mask>."""
    return token.special and token.text.strip("[]<>⟨⟩").lower() == "mask"
