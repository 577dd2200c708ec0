"""The stages of the tab of positions, computed again as in `attention.py`."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from safetensors.numpy import load
from torch import Tensor
from torch.nn import functional

from models import Trace
from models.edits import PositionsOff
from models.errors import UnsupportedEdit
from tests.viz.proof.own import Own
from tests.viz.proof.page import Claims, Page
from viz import payload

STEPS = (1, 5)
"""By so many positions something is moved on."""


def encoding(page: Page) -> Claims:
    """Learned rows as they are; sines go on beyond the end of the text."""
    shown = page.bundle(payload.added, page.stream)["encoding"]
    yield "rows", page.own.position(page.stream, len(shown)), shown


def likeness(page: Page) -> Claims:
    """The product of every two rows where they are sines, all of one length; else their cosine."""
    shown = page.bundle(payload.added, page.stream)
    rows = page.own.position(page.stream, len(shown["encoding"]))
    cosine = functional.cosine_similarity(rows[:, None], rows[None], dim=-1)
    made = rows @ rows.T if shown["sines"].item() else cosine
    yield "likeness", made, shown["likeness"]
    along = torch.stack([made.diagonal(distance).mean() for distance in range(len(rows))])
    yield "by distance", along[None], shown["by_distance"]


def step(page: Page) -> Claims:
    """A row turned pair by pair is the row some positions on."""
    for shift in STEPS:
        row = page.own.position(page.stream, page.count + shift)[page.count - 1 + shift]
        dimensions = [0, 1, len(row) // 2, len(row) // 2 + 1]
        shown = [
            page.fact("pe_moved", "step", query=page.count - 1, dimension=dimension, shift=shift)
            for dimension in dimensions
        ]
        yield f"{shift} on", row[dimensions], torch.stack(shown)


def turning(page: Page) -> Claims:
    """Query and key both some positions on, and their product there."""
    for head, shift in enumerate(STEPS):
        q, k = (
            page.own.turned(page.block, page.of(name), shift)[head] for name in ("query_made", "key_made")
        )
        cells = [(page.count - 1, 1), (0, 2)]
        shown = [
            page.fact("product_moved", "turning", head=head, query=query, key=key, shift=shift)
            for query, key in cells
        ]
        yield f"{shift} on", torch.stack([q[query] @ k[key] for query, key in cells]), torch.stack(shown)


def reach(page: Page) -> Claims:
    """What is added, and its mean at each distance that the mask allows; ALiBi counted from the query itself."""
    x, source = page.entering
    made = page.own.added(page.block, len(x), len(source))
    if page.entry["positions"]["reach"] == "reach_alibi":
        made = made - made.diagonal(dim1=1, dim2=2)[..., None]
    allowed = page.own.mask(page.block, x, source)
    distances = range(1 - len(x), len(source))
    along = torch.stack(
        [torch.stack([one.diagonal(k)[allowed.diagonal(k)].mean() for k in distances]) for one in made]
    )
    for head in range(page.block.heads):
        shown = page.bundle(payload.reach, page.name, head)
        yield f"head {head}", made[head], shown["relative"]
        yield "is NaN", along.isnan().double(), shown["by_head"].isnan().double()
        yield "by distance", along.nan_to_num(), shown["by_head"].nan_to_num()
        yield "first", torch.tensor([1.0 - len(x)]), shown["first"]


def shuffle(page: Page) -> Claims:
    """What leaves the last layer for the words in another order, against transformers' own run of these ids; and the
    same of the model with zeros for its positions, in both orders."""
    special = [token.special for token in page.trace.tokens[page.stream]]
    moving = [place for place, fixed in enumerate(special) if not fixed]
    order = list(range(page.count))
    for place, other in zip(moving, reversed(moving), strict=True):
        order[place] = other
    yield "another order", *_both(page, page.run.module, page.run.record(order=order), order)
    blank = deepcopy(page.run.module)
    _zero(blank, page.own)
    for said in (None, order):
        try:
            other = page.run.record(order=said, edits=(PositionsOff(),))
        except UnsupportedEdit:  # as the page then says
            return
        yield f"without positions, {said}", *_both(page, blank, other, said or range(page.count))


def _both(page: Page, module: Any, other: Trace, order: Sequence[int]) -> tuple[Tensor, Tensor]:
    """What a tower gives for ids in some order: of the model itself, and made from what the page is given."""
    place = page.run.manifest["last"][page.stream]
    shown = torch.tensor(load(payload.residual(other, place))["residual"]).double()
    asked = {"input_ids": page.run.read[page.stream]}
    if page.trace.tokens[page.stream][0].segment >= 0:
        asked["token_type_ids"] = torch.tensor([token.segment for token in page.trace.tokens[page.stream]])
    moved = {name: ids[list(order)][None] for name, ids in asked.items()}
    return _tower(module, moved), page.own.top(page.stream, shown)


def _tower(module: Any, asked: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        if hasattr(module, "encode"):
            return module.encode(asked["input_ids"])[0].double()
        tower = module.get_encoder() if module.config.is_encoder_decoder else module.base_model
        return tower(**asked).last_hidden_state[0].double()


def _zero(model: Any, own: Own) -> None:
    """Take what holds positions out of a copy of a model."""
    for name, held in (*model.named_parameters(), *model.named_buffers()):
        if name.endswith(own.positions_at or ("\0",)):
            held.data.zero_()
