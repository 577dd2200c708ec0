"""From the tokens to the context of each head: every stage computed again from what the page is given of its inputs and
the model's own parameters, beside what the page is given of its output."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from tests.viz.proof.page import Claims, Page
from viz import payload


def tokens(page: Page) -> Claims:
    """Ids as they were read; patches by row and column of their grid."""
    shown, grid = page.run.manifest["tokens"][page.stream], page.run.manifest["streams"][page.stream]
    if grid["rows"]:
        first = page.count - grid["rows"] * grid["columns"]
        place = torch.arange(page.count - first)
        made = torch.stack([place // grid["columns"], place % grid["columns"]], dim=-1).double()
        at = torch.tensor([(token["row"], token["column"]) for token in shown[first:]]).double()
        yield "row and column", made, at
    else:
        yield (
            "ids",
            page.run.read[page.stream].double(),
            torch.tensor([token["id"] for token in shown]).double(),
        )


def embedding(page: Page) -> Claims:
    made = page.own.embedding(page.stream, page.run.read[page.stream])
    yield "embedding", made, page.whole["token_embedding"]
    if "position" not in page.entry["stages"] and "residual" in page.whole:
        yield "what the first layer reads", page.own.entering(page.stream, made), page.whole["residual"]
    if page.entry["stages"]["embedding"] == "embedding":  # told with the row of the table before √d_model
        row = page.own.state["embedding.weight"][page.run.read[page.stream][-1]]
        yield "table", row[3], page.fact("table_value", "embedding", query=page.count - 1, dimension=3)


def position(page: Page) -> Claims:
    whole = page.whole
    yield "PE", page.own.position(page.stream, page.count), whole["position_encoding"]
    total = whole["token_embedding"] + whole["position_encoding"]
    if "segment_embedding" in whole:
        sentence = torch.tensor([token["segment"] for token in page.run.manifest["tokens"][page.stream]])
        yield "segment", page.own.segment(sentence), whole["segment_embedding"]
        total = total + whole["segment_embedding"]
    yield "sum", page.own.entering(page.stream, total), whole["residual"]


def norm(page: Page, stage: str = "norm") -> Claims:
    """γ, β and ε are the model's; mean, variance and root of one row, and the column that BatchNorm would take."""
    shown, made = page.bundle(payload.norm, page.name), page.own.norm(page.block, stage)
    given = shown["norm_given"]
    yield "γ", made.gamma[None], shown["gamma"]
    yield "ε", torch.tensor([made.epsilon]), shown["norm_epsilon"]
    if made.beta is not None:
        yield "β", made.beta[None], shown["beta"]
    yield "norm", made(given), shown["norm"]
    query, dimension = page.count - 1, 3
    row, column = given[query], given[:, dimension]
    mean = torch.tensor(0.0) if made.beta is None else row.mean()
    variance = (row - mean).square().mean()
    said = {"norm_spread": variance, "norm_root": (variance + made.epsilon).sqrt()}
    said |= {"column_mean": column.mean(), "column_spread": column.var(correction=0)}
    if made.beta is not None:
        said["norm_mean"] = mean
    for name, number in said.items():
        yield name, number, page.fact(name, stage, query=query, dimension=dimension)
    plain = functional.batch_norm(given, None, None, training=True, eps=made.epsilon)
    yield (
        "BatchNorm",
        plain[query, dimension],
        page.fact("column_plain", stage, query=query, dimension=dimension),
    )


def add_norm(page: Page) -> Claims:
    shown = page.bundle(payload.norm, page.name)
    yield (
        "what attention wrote",
        page.own.linear(page.joined(), page.own.out(page.block)),
        shown["attention_output"],
    )
    yield "sum", page.bundle(payload.residual_attention, page.name)["after_attention"], shown["norm_given"]
    yield from norm(page, "add_norm")


def qkv(page: Page) -> Claims:
    x, source = page.entering
    q, k, v = page.own.projected(page.block, x, source)
    yield "Q", q, page.of("query_made", "query")
    yield "K", page.shared(k), page.of("key_made", "key")
    yield "V", page.shared(v), page.of("value")
    if "query_weight" in page.projection:
        yield from _maps(page)
    if "memory" in page.projection:
        alike = [one for one in page.trace.blocks if one.kind == "cross"]
        yield "readers", torch.tensor([float(len(alike)), 0.0]), page.projection["memory"]
        yield "H", page.memory(), source


def _maps(page: Page) -> Claims:
    """W_Q, W_K and W_V as what the model makes of each unit vector, and the biases as what it makes of nothing."""
    width = page.entering[0].shape[1]
    biases = page.own.projected(page.block, torch.zeros(1, width).double(), torch.zeros(1, width).double())
    images = page.own.projected(page.block, torch.eye(width).double(), torch.eye(width).double())
    shown = [page.bundle(payload.projection, page.name, head) for head in range(page.block.heads)]
    for part, bias, image in zip(("query", "key", "value"), biases, images, strict=True):
        if f"{part}_weight" not in shown[0]:  # the keys of a recurrent network are its states
            continue
        weight, offset = (one if part == "query" else page.shared(one) for one in (image - bias, bias[:, 0]))
        yield f"W of {part}", weight, torch.stack([one[f"{part}_weight"] for one in shown])
        nothing = torch.zeros(offset.shape[1]).double()
        yield f"b of {part}", offset, torch.stack([one.get(f"{part}_bias", nothing) for one in shown])


def rotation(page: Page) -> Claims:
    yield "Q", page.own.turned(page.block, page.of("query_made")), page.of("query")
    yield "K", page.own.turned(page.block, page.of("key_made")), page.of("key")
    angle, shown = page.own.angles(page.count), page.heads[0]["angle"]
    for name, wave in (("cosine", torch.cos), ("sine", torch.sin)):  # whole turns may be left out
        yield f"{name} of the angle", wave(angle), wave(shown)
    query, key = page.count - 1, 1
    made = (page.of("query_made") @ page.of("key_made").mT)[0, query, key]
    yield "before turning", made, page.fact("product_before", "rotation", query=query, key=key)


def shared(page: Page) -> Claims:
    """Each query head reads the keys and values of its group."""
    _, k, v = page.own.projected(page.block, *page.entering)
    for head in range(page.block.heads):
        group = head // (page.entry["heads"] // page.entry["kvHeads"])
        yield f"keys of head {head}", page.own.turned(page.block, k)[group], page.heads[head]["key"]
        yield f"values of head {head}", v[group], page.heads[head]["value"]


def scores(page: Page) -> Claims:
    yield "Q Kᵀ", page.of("query") @ page.of("key").mT, page.of("product")


def scale(page: Page) -> Claims:
    made = page.own.scale(page.block, page.entry["dHead"])
    yield "scale", torch.tensor(made), torch.tensor(page.entry["scale"])
    yield "scores", page.of("product") * made, page.of("scores")


def softcap(page: Page) -> Claims:
    cap = page.own.softcap or math.nan
    yield "cap", torch.tensor(cap), torch.tensor(page.entry["softcap"])
    yield "capped", cap * torch.tanh(page.of("scores") / cap), page.of("capped")


def bias(page: Page) -> Claims:
    """Outside a window nothing is added: there the mask forbids to look."""
    x, source = page.entering
    allowed = page.own.mask(page.block, x, source)
    made = page.own.added(page.block, len(x), len(source))
    yield "bias", made * allowed, page.of("bias") * allowed
    yield "sum", page.of("capped", "scores") + page.of("bias"), page.of("unmasked")


def mask_parts(page: Page) -> Claims:
    """Windows; and the parts of a rolled image, which are told apart within windows only."""
    window, part = page.own.pattern(page.block, page.count)  # type: ignore[attr-defined]
    for head in range(page.block.heads):
        shown = page.bundle(payload.mask, page.name, head)
        yield "windows", window.double(), shown["mask_pattern"]
        yield "parts", (part | ~window).double(), shown["mask_shift"]
        yield "together", shown["mask_pattern"] * shown["mask_shift"], page.heads[head]["mask"]


def mask(page: Page) -> Claims:
    made = page.own.mask(page.block, *page.entering)
    yield "mask", made.double().expand(page.block.heads, -1, -1), page.of("mask")
    unmasked = page.of("unmasked", "capped", "scores")
    yield "masked scores", unmasked.masked_fill(~made, -torch.inf), page.of("masked_scores")


def softmax(page: Page) -> Claims:
    """And one cell on its way: less the row's largest, the exponential, divided by the sum of the row."""
    rows = _rows(page)
    made = functional.softmax(rows, dim=-1)[..., : page.of("weights").shape[-1]]
    yield "weights", made, page.of("weights")
    row = rows[0, page.count - 1]
    powers = (row - row.max()).exp()
    key = int(page.of("masked_scores")[0, page.count - 1].argmin().item() == 0)
    said = {"row_max": row.max(), "shifted": row[key] - row.max(), "exponential": powers[key]}
    for name, number in (said | {"row_sum": powers.sum(), "weight": powers[key] / powers.sum()}).items():
        yield name, number, page.fact(name, "softmax", query=page.count - 1, key=key)


def sink(page: Page) -> Claims:
    yield "score of the sink", page.own.sink(page.block)[:, None], page.of("sink_score")
    yield "sink", functional.softmax(_rows(page), dim=-1)[..., -1:], page.of("sink")


def _rows(page: Page) -> Tensor:
    """What softmax reads: the masked scores, and the score of the sink behind them where there is one."""
    rows = page.of("masked_scores")
    if "sink" not in page.entry["stages"]:
        return rows
    return torch.cat([rows, page.own.sink(page.block)[:, None, None].expand(-1, rows.shape[1], 1)], dim=-1)


def context(page: Page) -> Claims:
    """Also straight from queries, keys and values, as torch computes attention."""
    yield "context", page.of("weights") @ page.of("value"), page.of("context")
    yield "the model's own", page.of("weights") @ page.of("value"), page.of("model_context")
    if not {"softcap", "sink"} & page.entry["stages"].keys():
        x, source = page.entering
        allowed = page.own.mask(page.block, x, source)
        more = torch.zeros(page.block.heads, len(x), len(source)).double()
        if "bias" in page.entry["stages"]:
            more = page.own.added(page.block, len(x), len(source))
        q, k, v = (page.of(name) for name in ("query", "key", "value"))
        factor = page.own.scale(page.block, page.entry["dHead"])
        more = more.masked_fill(~allowed, -torch.inf)
        made = functional.scaled_dot_product_attention(q, k, v, attn_mask=more, scale=factor)
        yield "torch's attention", made, page.of("context")
