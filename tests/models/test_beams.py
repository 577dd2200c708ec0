"""Beam search of our own models writes what a search without cache or tensors writes, and its tree says why."""

import math

import numpy as np
import pytest
import torch

from models import generate, load
from models.beams import Growth
from models.builtin.encoder_decoder import Cache
from models.generation import STEP_LIMIT
from models.trace import softmax

MODELS = ("builtin/translator", "builtin/seq2seq-attention", "builtin/seq2seq")
TEXT = "the black cat sleeps"


def decoded(model, source, written):
    """log p of every next token, the whole text read anew, in float64."""
    with torch.no_grad():
        logits = model.network(torch.tensor([source]), torch.tensor([written]))[0, -1].double()
    return logits.log_softmax(dim=-1).tolist()


def searched(model, source, start, beams, limit):
    """Beam search as it is told in words: (score, ids) of the best text."""
    running, ended = [(0.0, [start])], []
    for length in range(1, limit + 1):
        following = [
            (total + value, [*written, token])
            for total, written in running
            for token, value in enumerate(decoded(model, source, written))
        ]
        best = sorted(following, reverse=True, key=lambda each: each[0])[: 2 * beams]
        stops = [each for each in best[:beams] if each[1][-1] == model.tokenizer.end or length == limit]
        ended += [(total / length, written) for total, written in stops]
        running = [each for each in best if each[1][-1] != model.tokenizer.end][:beams]
        ended = sorted(ended, reverse=True, key=lambda each: each[0])[:beams]
        if len(ended) == beams and running[0][0] / length <= ended[-1][0]:
            break
    return ended[0]


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return load(request.param)


@pytest.mark.parametrize(("beams", "limit"), [(2, 5), (3, 12)])
def test_the_best_text_is_that_of_a_search_without_a_cache(model, beams, limit):
    got = generate(model, TEXT, steps=limit, strategy="beam", beams=beams)
    source, decoder = ([token.id for token in got.trace.tokens[s]] for s in ("encoder", "decoder"))
    score, ids = searched(model, source, decoder[0], beams, limit)
    assert list(got.ids) == ids[1:]
    assert got.tree is not None
    step, branch = got.tree.finished[0]
    assert got.tree.steps[step][branch].score == pytest.approx(score, abs=1e-4)
    assert got.tree.winner == got.tree.path(step, branch)


@pytest.fixture(scope="module")
def written():
    return generate(MODELS[0], TEXT, strategy="beam", beams=3)


def test_a_sum_is_that_of_its_path(written):
    tree = written.tree
    for step, branches in enumerate(tree.steps):
        for number, branch in enumerate(branches):
            if branch.is_real:
                path = [tree.steps[at][each] for at, each in enumerate(tree.path(step, number))]
                assert branch.total == pytest.approx(sum(each.log_probability for each in path), abs=1e-4)
                if branch.score is not None:
                    assert branch.score == pytest.approx(branch.total / len(path), abs=1e-5)


def test_the_winner_has_the_highest_score_and_none_worse_than_what_greedy_writes(written):
    scores = [written.tree.steps[step][branch].score for step, branch in written.tree.finished]
    assert scores == sorted(scores, reverse=True)
    greedy = generate(MODELS[0], TEXT)
    logs = [math.log(step.probability) for step in greedy.steps]
    assert scores[0] >= sum(logs) / len(logs) - 1e-5


def test_the_steps_are_those_of_the_winner(written):
    branches = [written.tree.steps[step][number] for step, number in enumerate(written.tree.winner)]
    assert [branch.token for branch in branches] == list(written.ids)
    for step, branch in zip(written.steps, branches, strict=True):
        assert math.log(softmax(step.logits)[branch.token]) == pytest.approx(branch.log_probability, abs=1e-4)
        for rows in step.rows.values():
            np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-5)


def test_its_trace_is_proved(written):
    trace = written.trace
    assert all(trace.head(block.name, head).proved for block in trace.blocks for head in range(block.heads))


def test_a_search_that_is_stopped_has_written_its_best_so_far():
    got = generate(MODELS[0], TEXT, strategy="beam", cancelled=lambda: True)
    assert got.cancelled
    assert len(got.ids) == len(got.steps) == 1


def test_a_longer_text_is_not_punished_where_the_penalty_is_large():
    short, long = (Growth(2, STEP_LIMIT, {0}, penalty) for penalty in (0.0, 2.0))
    for growth in (short, long):
        growth.add(np.log([[0.5, 0.4, 0.1]] * 2), [(0, 0), (0, 1), (0, 2), (1, 0)])
        growth.add(np.log([[0.9, 0.05, 0.05]] * 2), [(0, 0), (0, 1), (0, 2), (1, 0)])
    assert short.best() == (0,)
    assert long.best() == (1, 0)


def test_a_cache_goes_on_with_the_rows_that_it_is_told():
    cache = Cache()
    cache.grown("here", torch.arange(6.0).reshape(3, 1, 1, 2))
    cache.reorder(torch.tensor([2, 2, 0]))
    (kept,) = cache.grown("here", torch.zeros(3, 1, 1, 2))
    assert kept[:, 0, 0].tolist() == [[4, 5], [4, 5], [0, 1]]
    assert kept.shape == (3, 1, 2, 2)
