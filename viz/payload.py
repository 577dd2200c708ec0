"""What crosses to the browser after the manifest: binary bundles by content key.

A bundle is a safetensors file in memory, which the browser reads with a few lines. Arrays that a model does not have
are left out; `viz.stages.STANDS_FOR` says what then stands in their place.

    thumbnails      weights of all heads of all blocks as uint8, 0–255 for 0–1: one array per block (head, query, key)
    proofs          per block `error:<block>` and `proved:<block>`, one number per head
    head            one head in float32: query key value product scores … weights context, its error, and its sink
                    of a recurrent network: its states, the gates they are made with and what these come from, its error
    stream          token_embedding position_encoding segment_embedding residual (what enters the first layer)
    positions       positions that are added: their rows, how like these are, and that by distance
    residual        what leaves a layer
    reach           what a head adds to the scores for position; and by distance, for all heads of the block
    projection      one head's inputs and W_Q W_K W_V with their biases; of cross-attention `memory`: how many blocks
                    read its input, and by how much what they read differs
    mask            the parts of a block's mask
    router          weight and probability of each expert for each token, in a block's layer
    output          the best columns of some rows of logits: ids logits exponentials probabilities, `totals` (sum of all
                    exponentials, how many columns, probability of those not shown), `names` as JSON; `truth` (of the
                    token that really came next), `loss`; and next_sentence
    vectors         the vectors that all rows end in
    logits          for the most probable words of some rows: their output embeddings, biases, and logits in every row
    norm            what a block's norm received and gave, its γ, β and ε
    mlp             the feed-forward network after a block, at most `feedforward.SHOWN` of its hidden channels
    written         what each head of a block writes for some queries, the bias, the sums, and what was recorded
    residual_…      E, ΔE and E′ of a block's attention, or of the feed-forward network after it, and where E is
    picture         what the model saw (height, width, 3), and the window that each patch belongs to
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from models.trace import Head, Site, Trace
from viz import choice, feedforward, memory, norms, outputs, positions
from viz import logits as ending
from viz import residual as sums
from viz import written as writing
from viz.recurrent import places, recurrence
from viz.walk import predicts

THUMBNAIL = 64
"""The most rows and columns of a thumbnail; larger heads are pooled: each cell is the largest weight it stands for."""

_PER_HEAD = (
    Site.QUERY_WEIGHT,
    Site.KEY_WEIGHT,
    Site.VALUE_WEIGHT,
    Site.QUERY_BIAS,
    Site.KEY_BIAS,
    Site.VALUE_BIAS,
)


def thumbnails(trace: Trace) -> bytes:
    """The weights of every head, 0–255, pooled where a head is large; of a recurrent network its states, −1 to 1."""
    states = {place: _state_thumbnail(trace, stream) for place, stream in places(trace)}
    return _bundle(
        states | {block.name: _thumbnails(trace, block.name, block.heads) for block in trace.blocks}
    )


def proofs(trace: Trace) -> bytes:
    """How far every head is from what the model computed, and whether that is no more than rounding."""
    arrays: dict[str, NDArray] = {}
    for block in trace.blocks:
        heads = [trace.head(block.name, head) for head in range(block.heads)]
        arrays[f"error:{block.name}"] = np.array([head.error for head in heads], np.float32)
        arrays[f"proved:{block.name}"] = np.array([head.proved for head in heads], np.uint8)
    for place, stream in places(trace):
        error, proved, _ = recurrence(trace, stream)["error"]
        arrays[f"error:{place}"] = np.array([error], np.float32)
        arrays[f"proved:{place}"] = np.array([proved], np.uint8)
    return _bundle(arrays)


def head(trace: Trace, block: str, head: int) -> bytes:
    """Every stage of one head; `product` is q · k before the scale. Of a recurrent network, its states and gates."""
    if block in dict(places(trace)):
        return _bundle(recurrence(trace, dict(places(trace))[block]))
    one = trace.head(block, head)
    arrays = {
        "query": one.query,
        "key": one.key,
        "value": one.value,
        "product": one.query @ one.key.T,
        "scores": one.scores,
        "mask": one.mask,
        "masked_scores": one.masked_scores,
        "weights": one.weights,
        "context": one.context,
        "model_context": one.model_context,
        "error": np.array([one.error, float(one.proved), _tolerance(one)], np.float32),
    }
    return _bundle(arrays | dict(_modern(trace, block, one)))


def _tolerance(one: Head) -> float:
    """What counts as rounding for this head."""
    return one.tolerance * max(1.0, float(np.abs(one.model_context).max(initial=0.0)))


def _modern(trace: Trace, block: str, one: Head) -> Iterator[tuple[str, NDArray]]:
    """What only some models have."""
    if one.query_unrotated is not None and one.key_unrotated is not None:
        yield "query_made", one.query_unrotated
        yield "key_made", one.key_unrotated
        for site in (Site.ANGLE, Site.PAIR):
            if (site, block) in trace.arrays:
                yield site.value, np.asarray(trace.arrays[site, block], np.float32)
    if one.softcap is not None:
        yield "capped", one.capped
    if one.bias is not None:
        yield "bias", np.asarray(one.bias, np.float32)
        yield "unmasked", one.capped + one.bias
    if one.sink is not None and one.sink_score is not None:
        yield "sink", one.sink[:, None]
        yield "sink_score", np.atleast_1d(np.asarray(one.sink_score, np.float32))


def stream(trace: Trace, name: str) -> bytes:
    """What enters the first layer of a stream, and the arrays it is the sum of; those that there are."""
    sites = (Site.TOKEN_EMBEDDING, Site.POSITION_ENCODING, Site.SEGMENT_EMBEDDING, Site.RESIDUAL)
    if name not in trace.tokens:
        raise KeyError(f"no stream {name!r}; this trace has {', '.join(trace.tokens)}")
    return _bundle({site.value: trace.array(site, name) for site in sites if (site, name) in trace.arrays})


def added(trace: Trace, name: str) -> bytes:
    """What a stream's positions add to its embeddings.

    Raises:
        KeyError: nothing.
    """
    return _bundle(positions.arrays(trace, name))


def reach(trace: Trace, block: str, head: int) -> bytes:
    """What a head adds to its scores for position, and that by distance for every head of the block.

    Raises:
        KeyError: nothing.
    """
    grid = positions.relative(trace, trace.block(block), head)
    if grid is None:
        raise KeyError(f"{block} adds nothing to its scores")
    return _bundle({"relative": grid.astype(np.float32), **positions.curves(trace, trace.block(block))})


def residual(trace: Trace, place: str) -> bytes:
    """What leaves a layer, one vector for each token."""
    return _bundle({"residual": trace.array(Site.RESIDUAL, place)})


def projection(trace: Trace, block: str, head: int) -> bytes:
    """What one head's queries, keys and values are computed from; what there is of it."""
    trace.head(block, head)  # raises what a wrong place deserves
    shared, arrays = trace.block(block).shared(head), dict[str, NDArray]()
    for site in (Site.QUERY_INPUT, Site.KEY_INPUT):
        if (site, block) in trace.arrays:
            arrays[site.value] = trace.array(site, block)
    for site in _PER_HEAD:
        if (site, block) in trace.arrays:
            own = head if site in {Site.QUERY_WEIGHT, Site.QUERY_BIAS} else shared
            arrays[site.value] = np.asarray(trace.arrays[site, block][own], np.float32)
    if memory.is_shared(trace, trace.block(block)):
        arrays["memory"] = np.array(memory.summary(trace, trace.block(block)), np.float32)
    return _bundle(arrays)


def mask(trace: Trace, block: str, head: int) -> bytes:
    """The parts of a head's mask as (query, key) grids; those that there are."""
    shape = trace.head(block, head).mask.shape
    arrays: dict[str, NDArray] = {}
    for site in (Site.MASK_PATTERN, Site.MASK_SHIFT, Site.MASK_PADDING):
        part = trace.arrays.get((site, block))
        if part is not None:
            grid = part if site == Site.MASK_PADDING else part[min(head, len(part) - 1)]
            arrays[site.value] = np.broadcast_to(grid, shape)
    return _bundle(arrays)


def router(trace: Trace, block: str) -> bytes:
    """The experts that the layer of a block chose for each token."""
    place = f"{trace.block(block).name.rsplit('.', 1)[0]}.mlp"
    sites = (Site.ROUTER, Site.ROUTER_PROBABILITIES)
    return _bundle({site.value: trace.array(site, place) for site in sites if (site, place) in trace.arrays})


def output(trace: Trace, page: int) -> bytes:
    """What the logits of some rows say, `outputs.ROWS` a page, and whether sentence B follows sentence A.

    Raises:
        IndexError: no such page.
    """
    logits = outputs.follows(trace)
    arrays = {} if logits is None else {"next_sentence": logits}
    if len(trace.names) and trace.logits is not None:
        first = page * outputs.ROWS
        last = min(first + outputs.ROWS, len(trace.logits))
        rows = [outputs.output(trace, row) for row in range(first, max(last, first + 1))]
        arrays |= _outputs(rows) | {"first": np.array([first], np.float32)}
        arrays |= choice.arrays(trace, predicts(trace), page)
    return _bundle(arrays)


def logits(trace: Trace, page: int) -> bytes:
    """What the logits are made of, for the most probable words of some rows, `viz.logits.page` of them at once.

    Raises:
        IndexError: no such page.
    """
    return _bundle(ending.arrays(trace, page))


def vectors(trace: Trace) -> bytes:
    """The vectors that all rows end in.

    Raises:
        KeyError: they are not known.
    """
    return _bundle({Site.OUTPUT_VECTOR.value: trace.array(Site.OUTPUT_VECTOR, "")})


def _outputs(rows: Sequence[outputs.Output]) -> dict[str, NDArray]:
    names = json.dumps([[token.text for token in row.tokens] for row in rows], ensure_ascii=False)
    return {
        "ids": np.stack([row.ids for row in rows]).astype(np.float32),
        "logits": np.stack([row.logits for row in rows]),
        "exponentials": np.stack([row.exponentials for row in rows]),
        "probabilities": np.stack([row.probabilities for row in rows]),
        "totals": np.array([(row.total, row.size, row.rest) for row in rows], np.float32),
        "names": np.frombuffer(names.encode(), np.uint8),
    }


def norm(trace: Trace, block: str) -> bytes:
    """What a block's norm received and gave, and its parameters."""
    return _bundle(norms.arrays(trace, trace.block(block).name))


def mlp(trace: Trace, block: str) -> bytes:
    """The feed-forward network after a block; of many hidden channels, the most active."""
    return _bundle(feedforward.arrays(trace, trace.block(block)))


def written(trace: Trace, block: str, page: int) -> bytes:
    """What each head of a block writes for some queries, `viz.written.page` of them at once, and the sums.

    Raises:
        IndexError: no such page.
    """
    return _bundle(writing.arrays(trace, trace.block(block), page))


def residual_attention(trace: Trace, block: str) -> bytes:
    """E, ΔE and E′ of a block's attention."""
    return _bundle(sums.arrays(trace, trace.block(block), "attention"))


def residual_mlp(trace: Trace, block: str) -> bytes:
    """E, ΔE and E′ of the feed-forward network after a block."""
    return _bundle(sums.arrays(trace, trace.block(block), "mlp"))


def picture(trace: Trace) -> bytes:
    """What the model saw, and for each block with windows the window of every patch.

    Raises:
        KeyError: a run without an image.
    """
    if trace.picture is None:
        raise KeyError("this run has no image")
    windows = {f"windows:{block}": np.asarray(each, np.float32) for block, each in trace.windows.items()}
    return _bundle({"picture": trace.picture, **windows})


def _thumbnails(trace: Trace, block: str, heads: int) -> NDArray[np.uint8]:
    pooled = [_pooled(trace.head(block, head).weights) for head in range(heads)]
    return np.rint(np.clip(np.stack(pooled), 0, 1) * 255).astype(np.uint8)


def _state_thumbnail(trace: Trace, stream: str) -> NDArray[np.uint8]:
    """(1, position, unit) of at most `THUMBNAIL` units: 0–255 for −1 to 1."""
    states = trace.array(Site.STATE, stream)[:, :THUMBNAIL]
    return np.rint((np.clip(states, -1, 1) + 1) / 2 * 255).astype(np.uint8)[None]


def _pooled(weights: NDArray) -> NDArray:
    """At most `THUMBNAIL` rows and columns, each the largest of those it stands for."""
    for axis in (0, 1):
        size = weights.shape[axis]
        if size > THUMBNAIL:
            starts = np.linspace(0, size, THUMBNAIL, endpoint=False).astype(int)
            weights = np.maximum.reduceat(weights, starts, axis=axis)
    return weights


def _bundle(arrays: Mapping[str, NDArray]) -> bytes:
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


BUNDLES: Mapping[str, Callable[..., bytes]] = {
    "thumbnails": thumbnails,
    "proofs": proofs,
    "picture": picture,
    "stream/{name}": stream,
    "positions/{name}": added,
    "residual/{place}": residual,
    "reach/{block}/{head:int}": reach,
    "router/{block}": router,
    "norm/{block}": norm,
    "mlp/{block}": mlp,
    "written/{block}/{page:int}": written,
    "residual_attention/{block}": residual_attention,
    "residual_mlp/{block}": residual_mlp,
    "output/{page:int}": output,
    "logits/{page:int}": logits,
    "vectors": vectors,
    "mask/{block}/{head:int}": mask,
    "head/{block}/{head:int}": head,
    "projection/{block}/{head:int}": projection,
}
"""Where a bundle is, below a run: path → what makes it from the trace and the parts of the path."""
