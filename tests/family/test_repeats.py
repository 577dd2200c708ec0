"""The score of an induction head, on weights that are known beforehand."""

import pytest
import torch

from models.family.repeats import following_weight, previous_weight, twice

LENGTH = 4


def perfect(tokens, begin):
    """A head that looks at the token after the first occurrence, else at the first token."""
    weights = torch.zeros(1, 1, tokens, tokens)
    for query in range(tokens):
        before = query - LENGTH + 1 if query >= begin + LENGTH else 0
        weights[0, 0, query, before] = 1.0
    return weights


@pytest.mark.parametrize("begin", [0, 1])
def test_a_perfect_induction_head_scores_one(begin):
    weights = perfect(begin + 2 * LENGTH, begin)
    assert following_weight(weights, LENGTH, begin).tolist() == [1.0]


def test_a_head_that_looks_at_the_same_token_scores_nothing():
    same = torch.zeros(1, 1, 2 * LENGTH, 2 * LENGTH)
    for query in range(2 * LENGTH):
        same[0, 0, query, query - LENGTH if query >= LENGTH else query] = 1.0
    assert following_weight(same, LENGTH).tolist() == [0.0]


def test_a_head_that_looks_everywhere_scores_its_share():
    tokens = 2 * LENGTH
    even = torch.tril(torch.ones(1, 2, tokens, tokens)) / torch.arange(1, tokens + 1)[:, None]
    by_hand = (1 / 5 + 1 / 6 + 1 / 7 + 1 / 8) / 4
    assert following_weight(even, LENGTH).tolist() == pytest.approx([by_hand, by_hand])


def test_a_previous_token_head_scores_one():
    previous = torch.diag(torch.ones(5), -1)[None, None]
    assert previous_weight(previous).tolist() == [1.0]
    assert previous_weight(torch.eye(6)[None, None]).tolist() == [0.0]


def test_rows_come_twice_after_what_begins_a_text():
    assert twice([[7, 8], [5, 6]], [3]).tolist() == [[3, 7, 8, 7, 8], [3, 5, 6, 5, 6]]
