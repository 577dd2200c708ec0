"""The operation tracer on attention written by hand: any manner is recorded, what is no plain attention is not."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.huggingface.tracer import tracing
from tests.huggingface.tracer_models import context_error, weight_error


class Attention(nn.Module):
    """Attention written by hand, in many manners."""

    def __init__(self, manner: dict, heads: int, size: int) -> None:
        super().__init__()
        self.manner = manner
        self.slopes = nn.Parameter(torch.rand(heads, 1, 1) + 0.5, requires_grad=False)
        self.alibi = nn.Parameter(torch.randn(heads, 1, size), requires_grad=False)
        self.seen: Tensor | None = None

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        scale = 1 / math.sqrt(query.shape[-1])
        if self.manner["scale"] == "query":
            query = query * scale
        if self.manner["scale"] == "key":
            key = key / math.sqrt(query.shape[-1])
        scores = self.product(query, key)
        if self.manner["scale"] == "after":
            scores *= scale
        if self.manner["scale"] == "head":
            scores = scores * self.slopes
        if self.manner["cap"]:
            scores = torch.tanh(scores / 5.0) * 5.0
        if self.manner["alibi"]:
            scores = scores + self.alibi
        self.seen = self.masked(scores, mask).softmax(dim=-1)
        return self.mix(self.seen, value)

    def product(self, query: Tensor, key: Tensor) -> Tensor:
        match self.manner["product"]:
            case "matmul":
                return torch.matmul(query, key.transpose(-1, -2))
            case "@":
                return query @ key.mT
            case "einsum":
                return torch.einsum("bhid,bhjd->bhij", query, key)
            case "swapped einsum":
                return torch.einsum("...jd, ...id -> ...ij", key, query)
            case "bmm":
                return torch.bmm(query.flatten(0, 1), key.flatten(0, 1).mT).view(*query.shape[:3], -1)
        empty = torch.zeros(1, 1, 1)
        flat = torch.baddbmm(empty, query.flatten(0, 1), key.flatten(0, 1).mT, beta=0, alpha=1.0)
        return flat.view(*query.shape[:3], -1)

    def masked(self, scores: Tensor, mask: Tensor) -> Tensor:
        match self.manner["mask"]:
            case "fill":
                return scores.masked_fill(~mask, -math.inf)
            case "where":
                return torch.where(mask, scores, torch.finfo(scores.dtype).min)
            case "add":
                return scores + torch.zeros(mask.shape).masked_fill(~mask, -1e9)
            case "subtract":
                return scores - 1e30 * (~mask).float()
            case "multiply":
                return scores * mask.float() + -1e4 * (~mask)
        return scores

    def mix(self, weights: Tensor, value: Tensor) -> Tensor:
        match self.manner["mix"]:
            case "einsum":
                return torch.einsum(
                    "bhij,bhjd->bihd", nn.functional.dropout(weights, 0.5, training=False), value
                )
            case "transposed":
                return (value.mT @ weights.transpose(-2, -1)).mT
            case "mT":
                return (value.mT @ weights.mT).mT
        return weights.to(value.dtype) @ value


MANNERS = st.fixed_dictionaries(
    {
        "product": st.sampled_from(["matmul", "@", "einsum", "swapped einsum", "bmm", "baddbmm"]),
        "scale": st.sampled_from(["query", "key", "after", "head", "none"]),
        "cap": st.booleans(),
        "alibi": st.booleans(),
        "mask": st.sampled_from(["fill", "where", "add", "subtract", "multiply", "none"]),
        "mix": st.sampled_from(["matmul", "einsum", "transposed", "mT"]),
    }
)


@given(MANNERS, st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(0, 99))
def test_hand_written_attention_is_recorded_in_any_manner(manner, batch, heads, size, seed):
    manner = manner | {"cap": manner["cap"] and manner["scale"] != "head"}
    manner = manner | {"alibi": manner["alibi"] and manner["mask"] != "multiply"}
    torch.manual_seed(seed)
    query, key, value = torch.randn(3, batch, heads, size, 4).unbind(0)
    mask = torch.ones(size, size, dtype=torch.bool).tril()
    model = Attention(manner, heads, size)
    with tracing(model) as calls:
        model(query, key, value, mask)
    (call,) = calls
    assert [len(capture.query) for capture in call] == [heads] * batch
    assert model.seen is not None
    assert weight_error(call, model.seen) <= 1e-5
    assert max(context_error(capture) for capture in call) <= 1e-5
    if manner["scale"] != "head":
        assert torch.allclose(torch.stack([capture.query for capture in call]), query)
    assert torch.allclose(torch.stack([capture.key.expand(heads, -1, -1) for capture in call]), key)


class Altered(nn.Module):
    """Attention that is not softmax of scores times value."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        scores = query @ key.mT
        if self.way == "heads mixed":
            scores = torch.einsum("hij,hg->gij", scores, torch.ones(2, 2))
        if self.way == "scores clamped":
            scores = scores.clamp(-1, 1)
        if self.way == "zeros not forbidden":
            scores = scores * torch.ones(3, 3).tril()
        if self.way == "heads scaled after a bias":
            scores = (scores + torch.randn(2, 3, 3)) * torch.rand(2, 1, 1)
        if self.way == "key axis":
            return scores.softmax(dim=-2) @ value
        if self.way == "written past the tracer":
            scores.view(-1)[:2] = 7.0
        weights = scores.softmax(dim=-1)
        if self.way == "weights halved":
            weights = weights * 0.5
        return weights @ value


@pytest.mark.parametrize(
    "way",
    [
        "heads mixed",
        "scores clamped",
        "zeros not forbidden",
        "heads scaled after a bias",
        "key axis",
        "weights halved",
        "written past the tracer",
    ],
)
def test_what_is_no_plain_attention_gives_no_capture(way):
    model = Altered(way)
    with tracing(model) as calls:
        model(*torch.randn(3, 2, 3, 4).unbind(0))
    assert calls == []


class Overwriting(nn.Module):
    """Attention that writes into its own tensors afterwards, as Nyströmformer does."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        context = (query @ key.mT).softmax(dim=-1) @ value
        context += 1.0
        value[0] = 0.0
        return context


def test_what_the_model_overwrites_later_stays_recorded():
    model = Overwriting()
    query, key, value = (torch.randn(2, 3, 4) for _ in range(3))
    kept = value.clone()
    with tracing(model) as calls:
        model(query, key, value)
    ((capture,),) = calls
    assert torch.equal(capture.value, kept)
    assert context_error(capture) <= 1e-6
    assert capture.query.data_ptr() == query.data_ptr()  # a reference where nothing was written


@pytest.mark.parametrize("need_weights", [True, False])
def test_multi_head_attention_of_torch_is_seen_inside(need_weights):
    module = nn.MultiheadAttention(32, 4, batch_first=True).eval()
    hidden = torch.randn(1, 7, 32)
    padding = torch.tensor([[False] * 5 + [True] * 2])
    arguments = {"key_padding_mask": padding, "need_weights": need_weights, "average_attn_weights": False}
    plain, weights_of_torch = module(hidden[:, :3], hidden, hidden, **arguments)
    with tracing(module) as calls:
        seen, _ = module(hidden[:, :3], hidden, hidden, **arguments)
    ((capture,),) = calls
    assert torch.equal(plain, seen)
    assert capture.route == "module"
    assert context_error(capture) <= 1e-5
    if need_weights:
        assert weight_error((capture,), weights_of_torch) <= 1e-6


class Layered(nn.Module):
    """Attention whose products are computed by modules without parameters, as in SqueezeBERT."""

    class Product(nn.Module):
        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return left @ right

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(4, 4)
        self.product, self.weigh = self.Product(), nn.Softmax(dim=-1)

    def forward(self, hidden: Tensor) -> Tensor:
        projected = self.project(hidden)
        return self.product(self.weigh(self.product(projected, projected.mT)), hidden)


def test_attention_belongs_to_the_innermost_module_with_parameters():
    model = nn.Sequential(Layered(), Layered())
    with torch.no_grad(), tracing(model) as calls:
        model(torch.randn(2, 3, 4))
    assert [call[0].module for call in calls] == ["0", "1"]
    assert max(context_error(capture) for call in calls for capture in call) <= 1e-6


class TwoTerms(nn.Module):
    """Content and position scores, and a tensor of bias and mask that counts once whole and once half."""

    def forward(self, query: Tensor, key: Tensor, position: Tensor, shared: Tensor) -> Tensor:
        first = (query @ key.mT + position @ key.mT + shared).softmax(dim=-1) @ key
        content, places = query @ key.mT, position @ key.mT
        return first + ((places + content + shared) * 0.5).softmax(dim=-1) @ key


def test_the_first_product_gives_query_and_key_and_the_others_are_bias():
    query, key, position = (torch.randn(2, 3, 4) for _ in range(3))
    shared = torch.randn(3, 3).masked_fill(~torch.ones(3, 3, dtype=torch.bool).tril(), -math.inf)
    model = TwoTerms()
    with tracing(model) as calls:
        model(query, key, position, shared)
    for (capture,), factor in zip(calls, (1.0, 0.5), strict=True):
        assert torch.equal(capture.query, query)
        assert capture.scale == factor
        assert capture.bias is not None
        expected = (position @ key.mT + shared.masked_fill(shared.isneginf(), 0.0)) * factor
        assert torch.allclose(capture.bias, expected, atol=1e-6)
        assert context_error(capture) <= 1e-6
