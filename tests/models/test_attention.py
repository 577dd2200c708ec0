"""Attention: the same truths of PyTorch's (`models.attention`) and of what a trace derives (`models.trace.Head`)."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch.nn.functional import scaled_dot_product_attention

from models import attention
from models.trace import Head

SIZES = st.integers(1, 6)
SEEDS = st.integers(0, 2**32 - 1)


@dataclass
class Attended:
    """Every stage of one head."""

    scores: np.ndarray
    masked_scores: np.ndarray
    weights: np.ndarray
    context: np.ndarray


@dataclass
class Case:
    """What one head is given."""

    query: np.ndarray
    key: np.ndarray
    value: np.ndarray
    mask: np.ndarray


@st.composite
def cases(draw, *, idle=True):
    """Drawn sizes, numbers and masks; without `idle`, every query may attend to something."""
    queries, keys, d_head, d_value = (draw(SIZES) for _ in range(4))
    chance = np.random.default_rng(draw(SEEDS))
    spread = draw(st.sampled_from([0.1, 1.0, 5.0]))
    mask = draw(arrays.arrays(bool, (queries, keys)))
    if not idle:
        mask[np.arange(queries), chance.integers(keys, size=queries)] = True
    query, key, value = (
        spread * chance.standard_normal(shape, dtype=np.float32)
        for shape in ((queries, d_head), (keys, d_head), (keys, d_value))
    )
    return Case(query, key, value, mask)


def in_torch(case, bias=None):
    query, key, value, mask = (
        torch.from_numpy(array)[None, None] for array in (case.query, case.key, case.value, case.mask)
    )
    scores = attention.scores(query, key)
    biased = scores if bias is None else scores + torch.from_numpy(bias)
    masked_scores = attention.masked(biased, mask)
    weights = attention.weights(masked_scores)
    stages = (scores, masked_scores, weights, attention.context(weights, value))
    return Attended(*(stage[0, 0].numpy() for stage in stages))


def in_numpy(case, bias=None):
    scale = case.query.shape[1] ** -0.5
    nowhere = np.zeros((len(case.query), case.value.shape[1]), np.float32)
    head = Head(case.query, case.key, case.value, case.mask, scale, nowhere, bias)
    return Attended(head.scores, head.masked_scores, head.weights, head.context)


both = pytest.mark.parametrize("attend", [in_torch, in_numpy])


@both
@given(case=cases())
def test_each_query_spends_exactly_one_unit_of_attention(attend, case):
    weights = attend(case).weights
    assert (weights >= 0).all()
    assert (weights[~case.mask] == 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), case.mask.any(axis=-1), atol=1e-6)


@both
@given(case=cases(), pick=SIZES, seed=SEEDS)
def test_a_masked_key_cannot_be_felt(attend, case, pick, seed):
    pick %= len(case.key)
    case.mask[:, pick] = False
    before = attend(case)
    chance = np.random.default_rng(seed)
    case.key[pick], case.value[pick] = (
        100 * chance.standard_normal(array.shape[1]) for array in (case.key, case.value)
    )
    after = attend(case)
    np.testing.assert_array_equal(after.weights, before.weights)
    np.testing.assert_array_equal(after.context, before.context)


@both
@given(case=cases(), shift=arrays.arrays(np.float32, 6, elements=st.integers(-64, 64)))
def test_adding_a_constant_to_a_row_of_scores_changes_nothing(attend, case, shift):
    bias = np.broadcast_to(shift[: len(case.query), None], case.mask.shape).copy()
    shifted = attend(case, bias)
    np.testing.assert_allclose(shifted.weights, attend(case).weights, atol=3e-5)
    expected = np.where(case.mask, attend(case).scores + bias, -np.inf)
    np.testing.assert_array_equal(shifted.masked_scores, expected)


@both
@given(case=cases(), seed=SEEDS)
def test_shuffling_the_keys_shuffles_the_weights_and_keeps_the_context(attend, case, seed):
    order = np.random.default_rng(seed).permutation(len(case.key))
    shuffled = attend(Case(case.query, case.key[order], case.value[order], case.mask[:, order]))
    before = attend(case)
    np.testing.assert_allclose(shuffled.weights, before.weights[:, order], atol=1e-6)
    np.testing.assert_allclose(shuffled.context, before.context, atol=1e-5)


@both
@given(case=cases(idle=False))
def test_context_lies_within_the_span_of_the_visible_values(attend, case):
    context = attend(case).context
    for row, may in zip(context, case.mask, strict=True):
        seen = case.value[may]
        assert (row >= seen.min(axis=0) - 1e-5).all()
        assert (row <= seen.max(axis=0) + 1e-5).all()


@both
@given(case=cases(idle=False))
def test_equals_torch_reference(attend, case):
    tensors = (torch.from_numpy(array)[None, None] for array in (case.query, case.key, case.value))
    reference = scaled_dot_product_attention(*tensors, attn_mask=torch.from_numpy(case.mask))[0, 0]
    np.testing.assert_allclose(attend(case).context, reference, atol=1e-5, rtol=1e-4)


@both
@given(case=cases(), pick=SIZES)
def test_a_query_forbidden_every_key_has_zero_context(attend, case, pick):
    pick %= len(case.query)
    free = attend(case)
    case.mask[pick] = False
    attended, others = attend(case), np.arange(len(case.query)) != pick
    assert (attended.masked_scores[pick] == -np.inf).all()
    assert (attended.weights[pick] == 0).all()
    assert (attended.context[pick] == 0).all()
    np.testing.assert_array_equal(attended.weights[others], free.weights[others])


@both
@given(case=cases(idle=False), pick=SIZES)
def test_nan_is_never_hidden(attend, case, pick):
    pick %= len(case.query)
    case.query[pick, 0] = np.nan
    attended = attend(case)
    assert np.isnan(attended.scores[pick]).all()
    assert np.isnan(attended.weights[pick]).all()
    assert np.isnan(attended.context[pick]).all()
    others = np.arange(len(case.query)) != pick
    assert np.isfinite(attended.context[others]).all()


@both
def test_one_nan_among_the_visible_scores_spoils_its_row(attend):
    key = np.array([[0], [np.nan], [0]], np.float32)
    mask = np.array([[True, True, False]])
    case = Case(np.ones((1, 1), np.float32), key, np.ones((3, 2), np.float32), mask)
    assert np.isnan(attend(case).weights[0, :2]).all()
    assert np.isnan(attend(case).context).all()


@both
def test_scores_of_any_size_give_weights(attend):
    """exp overflows float32 at 89; the row maximum has to go first."""
    query, key = np.full((1, 1), 1e4, np.float32), np.array([[1], [1], [-1]], np.float32)
    case = Case(query, key, np.eye(3, dtype=np.float32), np.full((1, 3), True))
    np.testing.assert_array_equal(attend(case).context, [[0.5, 0.5, 0]])


THE_WEATHER = [[0.6, 0.2, 0.8], [0.2, 0.3, 0.1], [0.9, 0.1, 0.8], [0.4, 0.1, 0.4], [0.4, 0.1, 0.6]]
HAND = {
    "cross-attention": {
        "query": [0.5, 0.5],
        "keys": [[1, 0], [0, 1], [1, 1]],
        "products": [0.5, 0.5, 1.0],
        "unscaled": [0.274068619061197, 0.274068619061197, 0.45186276187760605],
        "unscaled context": [0.725931380938803, 0.725931380938803],
        "scaled": [0.2920459231442187, 0.2920459231442187, 0.41590815371156276],
        "scaled context": [0.7079540768557815, 0.7079540768557815],
    },
    "self-attention": {
        "query": [1, 1],
        "keys": [[1, 0], [0, 1], [1, 1]],
        "products": [1.0, 1.0, 2.0],
        "unscaled": [0.21194155761708547, 0.21194155761708547, 0.5761168847658291],
        "unscaled context": [0.7880584423829146, 0.7880584423829146],
        "scaled": [0.24825507825772308, 0.24825507825772308, 0.5034898434845538],
        "scaled context": [0.7517449217422769, 0.7517449217422769],
    },
    "the weather is nice today": {
        "query": THE_WEATHER[0],
        "keys": THE_WEATHER,
        "products": [1.04, 0.26, 1.2, 0.58, 0.74],
        "unscaled": [
            0.24974908031542076,
            0.11448647973453994,
            0.293083260770353,
            0.15766250988352087,
            0.18501866929616545,
        ],
        "unscaled context": [0.5735941505013527, 0.14787220397845008, 0.6197907263731807],
        "scaled": [
            0.23031294863483298,
            0.14680509466100014,
            0.25260198632166575,
            0.1765948112722887,
            0.19368515911021242,
        ],
        "scaled context": [0.5430025639555994, 0.15239231379568333, 0.5878614774063419],
    },
}
"""Lecture examples, computed by hand to all digits; values are the keys themselves."""

examples = pytest.mark.parametrize("example", HAND.values(), ids=HAND)


def by_hand(example):
    query, keys = np.array([example["query"]], np.float32), np.array(example["keys"], np.float32)
    return Case(query, keys, keys, np.full((1, len(keys)), True))


@both
@examples
def test_equals_the_lecture_by_hand(attend, example):
    case = by_hand(example)
    attended = attend(case)
    np.testing.assert_allclose(
        attended.scores[0] * np.sqrt(case.query.shape[1]), example["products"], atol=1e-6
    )
    np.testing.assert_allclose(attended.weights[0], example["scaled"], atol=1e-6)
    np.testing.assert_allclose(attended.context[0], example["scaled context"], atol=1e-6)


@examples
def test_equals_the_lecture_that_forgot_the_scale(example):
    case = by_hand(example)
    head = Head(case.query, case.key, case.value, case.mask, 1.0, np.zeros_like(case.query))
    np.testing.assert_allclose(head.scores[0], example["products"], atol=1e-6)
    np.testing.assert_allclose(head.weights[0], example["unscaled"], atol=1e-6)
    np.testing.assert_allclose(head.context[0], example["unscaled context"], atol=1e-6)
    weights = attention.weights(torch.tensor(example["products"])[None, None, None])[0, 0, 0]
    np.testing.assert_allclose(weights, example["unscaled"], atol=1e-6)


@given(case=cases(), seed=SEEDS)
def test_the_proof_is_the_largest_difference_to_the_models_own_context(case, seed):
    told = np.random.default_rng(seed).standard_normal((len(case.query), case.value.shape[1]), np.float32)
    head = Head(case.query, case.key, case.value, case.mask, 1.0, told)
    assert head.error == pytest.approx(abs(head.context - told).max(), abs=0)
    assert Head(case.query, case.key, case.value, case.mask, 1.0, head.context).error == 0


def test_the_proof_fails_where_a_number_is_nan():
    ones = np.ones((1, 1), np.float32)
    head = Head(ones, ones, np.full_like(ones, np.nan), ones > 0, 1.0, ones)
    assert not head.error <= 1e9


@given(seed=SEEDS)
def test_softmax_of_half_precision_is_computed_in_single(seed):
    scores = torch.randn(1, 2, 3, 40, generator=torch.Generator().manual_seed(seed)).half() * 4
    assert torch.equal(attention.weights(scores), scores.float().softmax(dim=-1).half())


def test_a_row_without_keys_passes_no_gradient():
    never = -torch.inf
    masked_scores = torch.tensor([[[[0.0, 0.0, never], [never, never, never]]]], requires_grad=True)
    (attention.weights(masked_scores) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert masked_scores.grad is not None
    torch.testing.assert_close(masked_scores.grad[0, 0], torch.tensor([[-0.25, 0.25, 0.0], [0.0, 0.0, 0.0]]))
