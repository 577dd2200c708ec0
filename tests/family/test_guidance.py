"""The two guided heads: where they are told to look, and what it costs not to."""

import math

import pytest
import torch

from models.family.guidance import COPY, GUIDED, PREVIOUS, copy_loss, guidance, listed, places, previous_loss

IDS = torch.tensor([[7, 8, 9, 7, 8]])
FOLLOWING = torch.tensor([[8, 9, 7, 8, 9]])
ASKED = torch.tensor([[False, False, True, True, True]])


def test_a_place_holds_the_token_to_be_written_and_lies_before():
    wanted = places(IDS, FOLLOWING, ASKED)[0]
    assert wanted.nonzero().tolist() == [[2, 0], [3, 1], [4, 2]]


def test_all_earlier_places_count():
    ids, following = torch.tensor([[7, 8, 7, 8, 7]]), torch.tensor([[8, 7, 8, 7, 8]])
    asked = torch.tensor([[False, False, False, False, True]])
    assert places(ids, following, asked)[0].nonzero().tolist() == [[4, 1], [4, 3]]


def test_who_looks_there_pays_nothing_and_who_looks_evenly_pays_by_hand():
    wanted = places(IDS, FOLLOWING, ASKED)
    perfect = torch.zeros(1, 4, 5, 5)
    perfect[:, :] = wanted.float()
    assert copy_loss(perfect, wanted).item() == pytest.approx(0, abs=1e-5)
    even = (torch.tril(torch.ones(5, 5)) / torch.arange(1, 6)[:, None]).expand(1, 4, 5, 5)
    assert copy_loss(even, wanted).item() == pytest.approx(
        (math.log(3) + math.log(4) + math.log(5)) / 3, abs=1e-4
    )


def test_texts_count_alike_whatever_their_length():
    weights = torch.full((2, 4, 5, 5), 0.5)
    weights[1] = 0.25
    wanted = torch.zeros(2, 5, 5, dtype=torch.bool)
    wanted[0, 2, 0] = wanted[0, 3, 1] = wanted[0, 4, 2] = wanted[1, 4, 0] = True
    assert copy_loss(weights, wanted).item() == pytest.approx((math.log(2) + math.log(4)) / 2, abs=1e-4)


def test_nothing_to_copy_costs_nothing():
    assert copy_loss(torch.rand(2, 4, 3, 3), torch.zeros(2, 3, 3, dtype=torch.bool)).item() == 0


def test_the_token_before_is_looked_at_from_real_tokens_only():
    weights = torch.diag(torch.ones(4), -1).expand(1, 4, 5, 5).clone()
    weights[0, :, 4, 3] = 0.001
    real = torch.tensor([[True, True, True, True, False]])
    assert previous_loss(weights, real).item() == pytest.approx(0, abs=1e-5)
    assert previous_loss(weights, torch.ones(1, 5, dtype=torch.bool)).item() == pytest.approx(
        -math.log(0.001) / 4, rel=1e-2
    )


def test_each_target_has_its_own_head():
    wanted, real = places(IDS, FOLLOWING, ASKED), torch.ones(1, 5, dtype=torch.bool)
    layers = [torch.rand(1, 4, 5, 5) for _ in range(3)]
    by_hand = COPY * copy_loss(layers[2], wanted) + PREVIOUS * previous_loss(layers[0], real)
    assert guidance(layers, wanted, real).item() == pytest.approx(by_hand.item())
    assert (GUIDED["previous"], GUIDED["copy"]) == ((0, 0), (2, 0))
    assert {"block": "decoder.2.self", "head": 0, "target": "copy"} in listed()
