"""From what attention writes to the chosen word: every stage computed again, as in `attention.py`; and the stages of
recurrent networks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tests.viz.proof.page import Claims, Page
from viz import feedforward, outputs, payload


def written(page: Page) -> Claims:
    """Each head's context through its own columns of W_O; together with the bias they are what W_O makes of all."""
    name, many = page.own.out(page.block), page.entry["writtenRows"]
    shown = [page.bundle(payload.written, page.name, number) for number in range(-(-page.count // many))]
    parts, sums, recorded = (
        torch.cat([one[array] for one in shown])
        for array in ("contributions", "written_sum", "written_recorded")
    )
    contexts = page.of("context")
    weight = page.own.state[f"{name}.weight"].unflatten(1, (page.block.heads, -1))  # (d_model, head, d_value)
    yield "each head's part", torch.einsum("hqv,mhv->qhm", contexts, weight), parts
    made = page.own.linear(page.joined(), name)
    yield "their sum", made, sums
    yield "what attention wrote", made, recorded
    offset = page.own.state.get(f"{name}.bias")
    if "output_bias" in shown[0] and offset is not None:
        yield "bias", offset[None], shown[0]["output_bias"]


def residual(page: Page) -> Claims:
    """ΔE is what W_O makes of the contexts; what queries are made from is E, or before attention its norm."""
    shown = page.bundle(payload.residual_attention, page.name)
    made = page.own.linear(page.joined(), page.own.out(page.block))
    before = shown["before_attention"]
    reads = before if page.own.is_post else page.own.norm(page.block, "norm")(before)
    yield "what attention reads", reads, page.entering[0]
    yield "ΔE", made, shown["added_attention"]
    yield "E′", before + made, shown["after_attention"]
    yield from _cosine(page, "attention", before, before + made)


def residual_mlp(page: Page) -> Claims:
    """ΔE is what the feed-forward network, or the experts, make of E, or before them of its norm; a norm after the sum
    gives what leaves the layer."""
    shown = page.bundle(payload.residual_mlp, page.name)
    before = shown["before_mlp"]
    reads = before if page.own.is_post else page.own.mlp_norm(page.block)(before)
    has_experts = "router" in page.entry["stages"]
    made = page.own.experts(page.block, reads) if has_experts else page.own.network(page.block, reads).output
    yield "ΔE", made, shown["added_mlp"]
    yield "E′", before + made, shown["after_mlp"]
    leaves = page.bundle(payload.residual, page.name.rsplit(".", 1)[0])["residual"]
    after = shown["after_mlp"]
    yield "what leaves the layer", page.own.mlp_norm(page.block)(after) if page.own.is_post else after, leaves
    yield from _cosine(page, "mlp", before, before + made)


def _cosine(page: Page, sublayer: str, before: Tensor, after: Tensor) -> Claims:
    query = page.count - 1
    said = {
        "before_length": before[query].norm(),
        "after_length": after[query].norm(),
        "cosine": functional.cosine_similarity(before[query], after[query], dim=0),
    }
    for name, number in said.items():
        yield name, number, page.fact(f"{sublayer}_{name}", "residual", query=query)


def mlp(page: Page) -> Claims:
    """Of many hidden channels the most active are shown; how many are zero is counted over all."""
    shown = page.bundle(payload.mlp, page.name)
    made = page.own.network(page.block, shown["mlp_input"])
    units = shown["units"][0].long()
    most = made.hidden.abs().max(dim=0).values.topk(len(units)).values.sort().values
    yield "the most active", most, made.hidden.abs().max(dim=0).values[units].sort().values
    yield "up", made.up[:, units], shown["up"]
    yield "hidden", made.hidden[:, units], shown["hidden"]
    yield "output", made.output, shown["mlp_output"]
    if made.gate is not None:
        yield "gate", made.gate[:, units], shown["gate"]
        yield "activation", page.own.activation(made.gate[:, units]), shown["active"]
    size = made.hidden.abs()
    is_exact = page.own.activation is functional.relu
    zero = size == 0 if is_exact else size <= feedforward.NEAR * size.max(dim=1, keepdim=True).values
    yield "near zero", 100 * zero.double().mean(dim=1, keepdim=True), shown["units_zero"]
    yield "silent", zero.all(dim=0).sum().double(), shown["units_silent"][0]
    least = made.hidden.abs().max() * 1e-6  # nearer to 0 float32 may have rounded it away
    surely, perhaps = ((made.hidden > edge).sum(dim=1, keepdim=True).double() for edge in (least, -least))
    yield "above zero", shown["units_on"].clamp(surely, perhaps), shown["units_on"]


def router(page: Page) -> Claims:
    """What the router reads stands in no bundle of its own: it is the norm of E."""
    shown = page.bundle(payload.router, page.name)
    before = page.bundle(payload.residual_mlp, page.name)["before_mlp"]
    chances, weights = page.own.routed(page.block, page.own.mlp_norm(page.block)(before))
    yield "weights", weights, shown["router"]
    yield "probabilities", chances, shown["router_probabilities"]


def logits(page: Page) -> Claims:
    """For the words that are most probable in each row: their output embeddings, and their logits in every row."""
    many = page.run.manifest["logitRows"]
    vectors = page.bundle(payload.vectors)["output_vector"]
    yield "vectors", page.own.ending(page.leaving()), vectors
    made, (table, offset) = page.own.logits(vectors), page.own.unembedding()
    for number in range(-(-len(made) // many)):
        shown = page.bundle(payload.logits, number)
        ids = shown["word_ids"].long()
        yield "output embeddings", table[ids], shown["unembedding"]
        if "unembedding_bias" in shown:
            yield "biases", offset[ids], shown["unembedding_bias"]
        yield "logits", made[:, ids].transpose(0, 1), shown["logits"]
        doing = torch.tensor([1.0, page.own.logit_cap, len(table)])
        yield "factor, cap, words", doing, shown["doing"]
    row = page.count - 1 if page.trace.predicting else 0
    products = vectors[row] @ table[made[row].argmax()]
    yield "product", products, page.fact("logit_product", "logits", query=page.count - 1)


def output(page: Page) -> Claims:
    """The best columns of each row, their share of all exponentials, and the rest summed."""
    made = page.own.logits(page.own.ending(page.leaving()))
    shown = [page.bundle(payload.output, number) for number in range(-(-len(made) // outputs.ROWS))]
    ids, logits, exponentials, probabilities, totals = (
        torch.cat([one[name] for one in shown])
        for name in ("ids", "logits", "exponentials", "probabilities", "totals")
    )
    columns, size = ids.long(), made.shape[1]
    yield "the best", made.topk(ids.shape[1], dim=-1).values, logits
    yield "logits", made.gather(1, columns), logits
    powers = (made - made.max(dim=-1, keepdim=True).values).exp()
    yield "exponentials", powers.gather(1, columns), exponentials
    shares = functional.softmax(made, dim=-1)
    best = shares.gather(1, columns)
    rest = 1 - best.sum(dim=-1, keepdim=True)
    yield "probabilities", torch.cat([best, rest], dim=-1), torch.cat([probabilities, totals[:, 2:]], dim=-1)
    yield "sum of exponentials", powers.sum(dim=-1), totals[:, 0]
    yield "columns", torch.full((len(made),), float(size)), totals[:, 1]


def choice(page: Page) -> Claims:
    """The most probable column; and of the token that really came next, where there is one: its id, logit, share, rank
    and surprise, and the mean surprise of all."""
    made = page.own.logits(page.own.ending(page.leaving()))
    shown = [page.bundle(payload.output, number) for number in range(-(-len(made) // outputs.ROWS))]
    best = made.softmax(dim=-1)[-1].topk(2).values
    for name, share in zip(("picked", "runner_up"), best, strict=True):
        yield name, share, page.fact(f"{name}_probability", "choice", query=page.count - 1)
    known = -torch.ones(len(made), 5).double()
    loss = torch.zeros(2).double()
    if page.entry["stages"]["choice"] == "choice":
        ids = page.run.read[page.stream][1:]
        before, surprise = made[:-1], functional.cross_entropy(made[:-1], ids, reduction="none")
        own = before.gather(1, ids[:, None])
        rank = 1 + (before > own).sum(dim=-1)
        known[:-1] = torch.stack([ids, own[:, 0], (-surprise).exp(), rank, surprise], dim=-1)
        loss = torch.stack([surprise.mean(), torch.tensor(float(len(ids))).double()])
    truth = torch.cat([one["truth"] for one in shown])
    for column, name in enumerate(("id", "logit", "share", "rank", "surprise")):
        yield name, known[:, column], truth[:, column]
    for place, name in enumerate(("loss", "rows judged")):
        yield name, loss[place], shown[0]["loss"][place]


def next_sentence(page: Page) -> Claims:
    made = page.own.next_sentence(page.leaving())
    yield "logits", made, page.bundle(payload.output, 0)["next_sentence"]
    for place, name in enumerate(("follows", "random")):
        yield name, made.softmax(dim=0)[place], page.fact(f"{name}_probability", "next_sentence")


def gates(page: Page) -> Claims:
    shown = page.heads[0]
    x = page.own.embedding(page.stream, page.run.read[page.stream])
    first = torch.zeros_like(shown["state"][:1])
    if page.stream == "decoder":
        first = page.bundle(payload.head, "encoder.0.recurrent", 0)["state"][-1:]
    yield "the state before", torch.cat([first, shown["state"][:-1]]), shown["before"]
    made = page.own.gates(page.stream, x, shown["before"])  # type: ignore[attr-defined]
    for name in ("reset", "update", "candidate"):
        for part in ("word_", "carried_", ""):
            yield part + name, made[part + name], shown[part + name]


def state(page: Page) -> Claims:
    shown = page.heads[0]
    x = page.own.embedding(page.stream, page.run.read[page.stream])
    yield "state", page.own.gates(page.stream, x, shown["before"])["state"], shown["state"]  # type: ignore[attr-defined]


def bottleneck(page: Page) -> Claims:
    """Every step of the decoder reads the encoder's last state."""
    encoded = page.bundle(payload.head, "encoder.0.recurrent", 0)["state"]
    shown = page.heads[0]
    yield "states", encoded, shown["encoder_state"]
    yield "the last", encoded[-1:], shown["last_state"]
    yield "context", encoded[-1:].expand(page.count, -1), shown["context_vector"]
