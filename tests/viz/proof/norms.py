"""Norms before what a sublayer reads, of what it wrote, of sums and at the end, computed again as in `attention.py`."""

from __future__ import annotations

import torch
from torch.nn import functional

from tests.viz.proof.own import Norm
from tests.viz.proof.page import Claims, Page
from viz import payload


def norm(page: Page) -> Claims:
    yield from _norm(page, "norm", "norm", page.own.norm(page.block, "norm"))


def add_norm(page: Page) -> Claims:
    shown = page.bundle(payload.norm, page.name)
    made = page.own.linear(page.joined(), page.own.out(page.block))
    yield "what attention wrote", made, shown["attention_output"]
    yield "sum", page.bundle(payload.residual_attention, page.name)["after_attention"], shown["norm_given"]
    yield from _norm(page, "norm", "add_norm", page.own.norm(page.block, "add_norm"))


def written_norm(page: Page) -> Claims:
    made = page.own.linear(page.joined(), page.own.out(page.block))
    yield "what attention wrote", made, page.bundle(payload.norm, page.name, "written_norm")["norm_given"]
    yield from _norm(page, "written_norm", "written_norm", page.own.written_norm(page.block, "attention"))


def mlp_norm(page: Page) -> Claims:
    """It reads what attention left in the line, and the feed-forward network or its router reads what it gives."""
    shown = page.bundle(payload.norm, page.name, "mlp_norm")
    if "residual" in page.entry["stages"]:
        left = page.bundle(payload.residual_attention, page.name)["after_attention"]
        yield "what attention left", left, shown["norm_given"]
    if "mlp" in page.entry["stages"]:
        yield "what goes on", shown["norm"], page.bundle(payload.mlp, page.name)["mlp_input"]
    if "router" in page.entry["stages"]:
        weights = page.own.routed(page.block, shown["norm"])[1]
        yield "what is routed", weights, page.bundle(payload.router, page.name)["router"]
    yield from _norm(page, "mlp_norm", "mlp_norm", page.own.mlp_norm(page.block))


def mlp_written_norm(page: Page) -> Claims:
    made = page.own.network(page.block, page.bundle(payload.mlp, page.name)["mlp_input"]).output
    yield "what was written", made, page.bundle(payload.norm, page.name, "mlp_written_norm")["norm_given"]
    yield from _norm(page, "mlp_written_norm", "mlp_written_norm", page.own.written_norm(page.block, "mlp"))


def mlp_add_norm(page: Page) -> Claims:
    """It closes the layer."""
    shown = page.bundle(payload.norm, page.name, "mlp_norm")
    made = page.own.network(page.block, page.bundle(payload.mlp, page.name)["mlp_input"]).output
    yield "what was written", made, shown["mlp_output"]
    yield "sum", page.bundle(payload.residual_mlp, page.name)["after_mlp"], shown["norm_given"]
    leaves = page.bundle(payload.residual, page.name.rsplit(".", 1)[0])["residual"]
    yield "what leaves the layer", shown["norm"], leaves
    yield from _norm(page, "mlp_norm", "mlp_add_norm", page.own.mlp_norm(page.block))


def final_norm(page: Page) -> Claims:
    given = page.bundle(payload.norm, page.name, "final_norm")["norm_given"]
    yield "what leaves the last layer", page.leaving(), given
    yield from _norm(page, "final_norm", "final_norm", page.own.final_norm(page.stream))


def _norm(page: Page, bundle: str, stage: str, made: Norm) -> Claims:
    """γ, β and ε are the model's; mean, variance and root of one row, and the column that BatchNorm would take."""
    shown = page.bundle(payload.norm, page.name, bundle)
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
    said |= {"norm_given": row[dimension], "normed": made(given)[query, dimension]}
    if made.beta is not None:
        said["norm_mean"] = mean
    if stage.endswith("add_norm"):
        said["written"] = shown["mlp_output" if stage == "mlp_add_norm" else "attention_output"][
            query, dimension
        ]
    plain = functional.batch_norm(given, None, None, training=True, eps=made.epsilon)
    for name, number in (said | {"column_plain": plain[query, dimension]}).items():
        yield name, number, page.fact(name, stage, query=query, dimension=dimension)
