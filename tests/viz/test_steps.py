"""Facts are what the arrays say, computed once more here from nothing but the definitions."""

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models import Block, BlockCell, ModelCard, Site, Token, Trace, record
from models.trace import TOLERANCE
from viz import steps
from viz.facts import COMMON, COUNTS, LITERALS, MEASURES, ONLY, WORDS
from viz.stages import STAGE_IDS
from viz.steps import IN_STREAM, Selection, arguments, cell_reading, reading
from viz.texts import load_texts
from viz.walk import stages_of


def facts(trace, at) -> dict[str, Any]:
    """The facts, each of whatever type it is."""
    return {**steps.facts(trace, at)}


def selections(trace, each=4):
    """Some cells of every block, the same every time."""
    chance = random.Random(0)
    for block in trace.blocks:
        for _ in range(each):
            yield Selection(
                block.name,
                chance.randrange(block.heads),
                chance.randrange(len(trace.tokens[block.query_stream])),
                chance.randrange(len(trace.tokens[block.key_stream])),
                chance.randrange(trace.model.d_head),
                chance.randrange(trace.model.d_model),
            )


def test_every_fact_that_texts_may_use_is_supplied(trace):
    for at in selections(trace):
        said = facts(trace, at)
        texts = stages_of(trace, trace.block(at.block)).values()
        assert said.keys() >= COMMON.union(*(ONLY.get(id, frozenset()) for id in texts)) - LITERALS
        assert all(isinstance(said[name], str) for name in said.keys() & WORDS)
        assert all(isinstance(said[name], int) for name in said.keys() & COUNTS)
        assert all(isinstance(said[name], float) for name in said.keys() & MEASURES)


def test_the_facts_of_a_dot_product_are_its_terms(trace):
    for at in selections(trace):
        said, head = facts(trace, at), trace.head(at.block, at.head)
        q, k, v = (
            array.astype(float) for array in (head.query[at.query], head.key[at.key], head.value[at.key])
        )
        terms = [a * b for a, b in zip(q, k, strict=True)]
        largest = max(range(len(terms)), key=lambda i: abs(terms[i]))
        assert (said["query_value"], said["key_value"], said["value_value"]) == (
            q[at.channel],
            k[at.channel],
            v[at.channel],
        )
        assert said["product"] == pytest.approx(sum(terms), abs=1e-9)
        assert said["largest_dimension"] == largest
        assert said["largest_product"] == pytest.approx(terms[largest])
        assert said["score"] == pytest.approx(sum(terms) / math.sqrt(len(q)), abs=1e-4)
        assert said["root_d_head"] * said["scale"] == pytest.approx(1)


def test_the_facts_of_softmax_are_those_of_the_row(trace):
    for at in selections(trace):
        said, head = facts(trace, at), trace.head(at.block, at.head)
        may = head.mask[at.query]
        scores = (head.query.astype(float)[at.query] @ head.key.astype(float).T) / math.sqrt(
            head.query.shape[1]
        )
        visible = scores[may]
        total = sum(math.exp(score - max(visible)) for score in visible)
        here = scores[at.key] if may[at.key] else -math.inf
        assert said["row_max"] == pytest.approx(max(visible), abs=1e-4)
        assert said["masked_score"] == pytest.approx(here, abs=1e-4)
        assert said["shifted"] == pytest.approx(here - max(visible), abs=1e-4)
        assert said["exponential"] == pytest.approx(math.exp(here - max(visible)), abs=1e-4)
        assert said["row_sum"] == pytest.approx(total, abs=1e-4)
        assert said["weight"] == pytest.approx(math.exp(here - max(visible)) / total, abs=1e-4)
        assert said["percent"] == pytest.approx(100 * said["weight"])
        assert said["exponential"] / said["row_sum"] == pytest.approx(said["weight"], abs=1e-6)


def test_the_facts_of_the_context_are_a_weighted_mean(trace):
    for at in selections(trace):
        said, head = facts(trace, at), trace.head(at.block, at.head)
        values = head.value[:, at.channel].astype(float)
        mean = sum(
            weight * value for weight, value in zip(head.weights[at.query].astype(float), values, strict=True)
        )
        assert said["context"] == pytest.approx(mean, abs=1e-5)
        size = max(1, *(abs(float(number)) for number in head.model_context.ravel()))
        assert said["error"] == head.error <= said["tolerance"] == pytest.approx(TOLERANCE * size)
        assert head.proved


def test_the_facts_of_the_stream_are_embedding_plus_position(trace):
    for at in selections(trace):
        said, d_model = facts(trace, at), trace.model.d_model
        pair, is_cosine = divmod(at.dimension, 2)
        angle = at.query / 10000 ** (2 * pair / d_model)
        stream = trace.block(at.block).query_stream
        assert said["position"] == pytest.approx(math.cos(angle) if is_cosine else math.sin(angle), abs=1e-6)
        assert said["sum"] == pytest.approx(
            trace.array(Site.RESIDUAL, stream)[at.query, at.dimension], abs=1e-5
        )
        assert said["embedding"] + said["position"] == pytest.approx(said["sum"], abs=1e-5)
        assert said["segment"] == 0
        assert said["table_value"] * said["root_d_model"] == pytest.approx(said["embedding"])
        assert said["root_d_model"] == math.sqrt(d_model)
        assert said["pair"] == pair
        after = (at.query + said["wavelength"]) / 10000 ** (2 * pair / d_model)
        assert after - angle == pytest.approx(2 * math.pi)


def test_the_facts_name_the_selection_and_its_tokens(trace):
    for at in selections(trace):
        said, block = facts(trace, at), trace.block(at.block)
        queries, keys = trace.tokens[block.query_stream], trace.tokens[block.key_stream]
        assert (said["block"], said["head"], said["query"], said["key"]) == (
            at.block,
            at.head,
            at.query,
            at.key,
        )
        assert (said["query_token"], said["key_token"]) == (queries[at.query].text, keys[at.key].text)
        assert said["token_id"] == queries[at.query].id
        assert said["stream"] == block.query_stream
        assert (said["n_query"], said["n_key"]) == (len(queries), len(keys))
        assert said["model"] == trace.model.name
        decoder = block.query_stream == "decoder"
        assert said["predicted_token"] == (trace.predictions[at.query].text if decoder else "")
        model = trace.model
        sizes = (model.d_model, model.d_head, model.layers, model.heads, model.vocabulary)
        assert tuple(said[name] for name in ("d_model", "d_head", "layers", "heads", "vocabulary")) == sizes


def test_the_channel_is_one_of_d_model_where_the_stream_is_shown(trace):
    at = Selection("encoder.0.self", 0, channel=3, dimension=100)
    said = {stage: facts(trace, replace(at, stage=stage))["channel"] for stage in STAGE_IDS}
    assert {stage for stage, channel in said.items() if channel == 100} == set(IN_STREAM)
    assert set(said.values()) == {3, 100}


def test_the_two_largest_weights_of_a_row_are_named(trace):
    for at in selections(trace):
        said = facts(trace, at)
        row = trace.head(at.block, at.head).weights[at.query].tolist()
        keys = [token.text for token in trace.tokens[trace.block(at.block).key_stream]]
        order = sorted(range(len(row)), key=lambda key: (-row[key], key))
        assert (said["top_weight"], said["second_weight"]) == (row[order[0]], row[order[1]])
        assert (said["top_token"], said["second_token"]) == (keys[order[0]], keys[order[1]])


def test_a_selection_that_is_not_there_is_refused(trace):
    with pytest.raises(KeyError, match="no block"):
        facts(trace, Selection("encoder.9.self", 0))
    for wrong in ({"head": 4}, {"query": 64}, {"key": 64}, {"channel": 999}, {"dimension": 999}):
        with pytest.raises(IndexError):
            facts(trace, replace(Selection("encoder.0.self", 0), **wrong))


def test_a_row_that_may_look_nowhere_has_facts_without_nan():
    edits = [BlockCell("encoder.0.self", 0, key) for key in range(3)]
    trace = record("builtin/translator", "the cat", edits=edits)
    said = facts(trace, Selection("encoder.0.self", 1, query=0, key=1))
    assert (said["masked_score"], said["row_max"], said["shifted"]) == (-math.inf, -math.inf, -math.inf)
    assert (said["exponential"], said["row_sum"], said["weight"], said["context"]) == (0, 0, 0, 0)


def row_of(name, weights, query):
    """A trace of one head that attends just so, in the row `query`."""
    n = len(weights)
    stream, _, kind = name.split(".")
    block = Block(name, 1, 1, stream, "encoder" if kind == "cross" else stream, "", 1.0)
    grid = np.zeros((1, n, n), np.float32)
    grid[0, query] = weights
    zeros, everyone = np.zeros((1, n, 1), np.float32), np.ones((1, n, n), bool)
    mask = np.tril(everyone) if name == "decoder.0.self" else everyone
    arrays = {
        (Site.QUERY, name): zeros,
        (Site.KEY, name): zeros,
        (Site.VALUE, name): zeros,
        (Site.CONTEXT, name): zeros,
        (Site.MASK, name): mask,
        (Site.WEIGHTS, name): grid,
    }
    card = ModelCard("by hand", "", "", 1, 1, 1, 1, 1, 0, "")
    tokens = tuple(Token(i, str(i)) for i in range(n))
    return Trace(card, "", {"encoder": tokens, "decoder": tokens}, (block,), arrays, predictions=tokens)


@pytest.mark.parametrize(
    ("block", "weights", "query", "expected"),
    [
        ("encoder.0.self", [0.7, 0.2, 0.1], 1, "sharp"),
        ("encoder.0.self", [0.5, 0.3, 0.2], 2, "sharp"),
        ("encoder.0.self", [0.7, 0.2, 0.1], 0, "self_sharp"),
        ("encoder.0.self", [0.4, 0.3, 0.3], 0, "uniform"),
        ("encoder.0.self", [0.4, 0.12, 0.12, 0.12, 0.12, 0.12], 1, "broad"),
        ("decoder.0.self", [1.0, 0.0, 0.0], 0, "decoder_first"),
        ("decoder.0.self", [0.7, 0.3, 0.0], 1, "decoder_sharp"),
        ("decoder.0.self", [0.4, 0.3, 0.3], 2, "decoder_broad"),
        ("decoder.0.cross", [0.7, 0.2, 0.1], 0, "cross_sharp"),
        ("decoder.0.cross", [0.4, 0.3, 0.3], 0, "cross_broad"),
    ],
)
def test_a_row_is_read_by_how_its_weights_lie(block, weights, query, expected):
    assert reading(row_of(block, weights, query), Selection(block, 0, query)) == expected


def test_every_row_has_a_sentence(trace):
    said = {reading(trace, at) for at in selections(trace, each=20)}
    assert said <= load_texts().readings.keys()
    assert len(said) >= 4


def test_arguments_of_any_kind_become_python_source():
    def given(*args, **named):
        return args, named

    text = "the cat \"says\" 'it\\s' 🐈\n今天"
    assert eval(f"given({arguments(text)})", {"given": given}) == ((text,), {})
    said = eval(f"given({arguments(text, target='it', language='fr')})", {"given": given})
    assert said == ((text,), {"target": "it", "language": "fr"})


def test_a_forbidden_cell_of_the_translator_is_one_that_comes_later(trace):
    assert cell_reading(trace, Selection("decoder.0.self", 0, query=1, key=1)) == "cell"
    assert cell_reading(trace, Selection("decoder.0.self", 0, query=1, key=2)) == "cell_masked"
