"""Sinusoidal positions: the paper's numbers, and what makes a step of k the same turn everywhere."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.positions import sinusoidal

WIDTHS = st.integers(1, 64).map(lambda pairs: 2 * pairs)
LENGTHS = st.integers(1, 80)


def test_equals_the_lecture_by_hand():
    encoding = sinusoidal(50, 128)
    assert encoding.shape == (50, 128)
    assert encoding[0, :4].tolist() == [0, 1, 0, 1]
    first = [0.8414709848078965, 0.5403023058681398, 0.761720408471602, 0.6479058722668407]
    assert encoding[1, :4].tolist() == pytest.approx(first, abs=1e-7)
    assert encoding[49, -2:].tolist() == pytest.approx([0.005658401529890698, 0.9999839911179211], abs=1e-7)


@given(length=LENGTHS, d_model=WIDTHS)
def test_equals_the_formula_of_the_paper(length, d_model):
    encoding = sinusoidal(length, d_model)
    position, pair = length - 1, d_model // 2 - 1
    angle = position / 10000 ** (2 * pair / d_model)
    assert encoding[position, 2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-6)
    assert encoding[position, 2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


@given(length=LENGTHS, d_model=WIDTHS)
def test_every_position_is_equally_long(length, d_model):
    norms = sinusoidal(length, d_model).double().norm(dim=-1)
    torch.testing.assert_close(norms, torch.full_like(norms, math.sqrt(d_model / 2)), atol=1e-5, rtol=0)


def test_the_product_of_two_positions_depends_on_their_offset_only():
    encoding = sinusoidal(50, 128).double()
    products = encoding @ encoding.T
    by_hand = {0: 64.0, 1: 62.09368380576764, 5: 47.185011969839984, 49: 33.73007727415114}
    for offset in range(50):
        diagonal = products.diagonal(offset)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=0)
        if offset in by_hand:
            assert diagonal[0].item() == pytest.approx(by_hand[offset], abs=1e-5)


@given(d_model=WIDTHS, step=st.integers(0, 20))
def test_a_step_is_a_fixed_rotation(d_model, step):
    """The same for every position: each pair (sin, cos) turns by step × its frequency."""
    pairs = torch.view_as_complex(sinusoidal(60, d_model).double().unflatten(1, (-1, 2)))  # sin + i cos
    frequencies = torch.tensor(
        [10000 ** (-2 * i / d_model) for i in range(d_model // 2)], dtype=torch.float64
    )
    turn = torch.polar(torch.ones_like(frequencies), -step * frequencies)
    torch.testing.assert_close(pairs[step:], pairs[: 60 - step] * turn, atol=1e-6, rtol=0)
