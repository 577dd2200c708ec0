"""Masks: predicates of a query and a key position, True where a query may attend."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from models.masks import causal, visible


@given(length=st.integers(0, 30))
def test_a_position_sees_itself_and_what_came_before(length):
    mask = causal(length)
    assert mask.shape == (1, 1, length, length)
    assert mask[0, 0].tolist() == [[key <= query for key in range(length)] for query in range(length)]


@given(
    st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=1, max_size=5), st.integers(0, 5)
)
def test_every_token_but_padding_may_be_seen(sentences, padding):
    mask = visible(torch.tensor(sentences), padding)
    assert mask.shape == (len(sentences), 1, 1, 4)
    assert mask[:, 0, 0].tolist() == [[id != padding for id in sentence] for sentence in sentences]


def test_masks_are_joined_by_and():
    mask = causal(3) & visible(torch.tensor([[7, 0, 7]]), padding=0)
    assert mask[0, 0].tolist() == [[True, False, False], [True, False, False], [True, False, True]]
