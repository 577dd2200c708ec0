"""The recurrent networks against torch's own GRU, and against the formulas in float64."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.builtin.checkpoint import load_translator, save_translator
from models.builtin.recurrent import CROSS, GRU, Config, Seq2Seq
from models.builtin.recurrent_translator import RecurrentTranslator
from models.edits import BlockCell, ForceRow, ScaleHead
from models.errors import BadRequest
from models.record import record
from models.recorder import Recorder, recording
from models.trace import AXES, Axis, Site

CHECKPOINTS = Path(__file__).parents[2] / "assets" / "checkpoints" / "builtin"
SENTENCE = "The animal didn't cross the street"


def seq2seq(*, attention, units=24):
    torch.manual_seed(0)
    return Seq2Seq(Config(50, d_model=16, units=units, attention=attention)).eval()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Untrained recurrent translators on disk and loaded again: without attention and with it."""
    _, tokenizer, _ = load_translator(CHECKPOINTS / "translator")
    made = {}
    for attention in (False, True):
        torch.manual_seed(1)
        folder = tmp_path_factory.mktemp("recurrent")
        config = Config(len(tokenizer.vocabulary), d_model=16, units=24, attention=attention)
        save_translator(folder, Seq2Seq(config), tokenizer, [], name="untrained")
        made[attention] = RecurrentTranslator("untrained", folder)
    return made


def torchs_gru(gru, d_input, units):
    reference = nn.GRU(d_input, units, batch_first=True)
    reference.load_state_dict(
        {
            "weight_ih_l0": gru.input.weight,
            "weight_hh_l0": gru.state.weight,
            "bias_ih_l0": gru.input.bias,
            "bias_hh_l0": gru.state.bias,
        }
    )
    return reference


def test_the_states_are_those_of_torchs_own_gru():
    torch.manual_seed(0)
    gru, x, first = GRU(8, 12, "encoder"), torch.randn(3, 7, 8), torch.randn(3, 12)
    states = gru(x, first, torch.ones(3, 7, dtype=torch.bool))
    expected, _ = torchs_gru(gru, 8, 12)(x, first[None])
    torch.testing.assert_close(states, expected, atol=1e-6, rtol=0)


def test_padding_changes_neither_the_last_state_nor_the_logits():
    for attention in (False, True):
        model = seq2seq(attention=attention)
        source, target = torch.tensor([[5, 6, 7, 1]]), torch.tensor([[3, 8, 9]])
        longer, more = torch.tensor([[5, 6, 7, 1, 0, 0]]), torch.tensor([[3, 8, 9, 0]])
        torch.testing.assert_close(model(longer, more)[:, :3], model(source, target))


def test_a_position_of_the_decoder_never_sees_a_later_one():
    for attention in (False, True):
        model = seq2seq(attention=attention)
        source = torch.tensor([[5, 6, 7, 1]])
        one, other = (model(source, torch.tensor([[3, 8, id]])) for id in (9, 10))
        assert torch.equal(one[:, :2], other[:, :2])
        assert not torch.equal(one[:, 2], other[:, 2])


@pytest.mark.parametrize("stream", ["encoder", "decoder"])
@pytest.mark.parametrize("attention", [False, True])
def test_every_state_follows_from_the_one_before_by_the_formula(models, stream, attention):
    trace = models[attention].record(SENTENCE)
    gates = trace.array(Site.GATE_INPUT, stream).astype(np.float64)
    before = trace.array(Site.GATE_STATE, stream).astype(np.float64)
    states = trace.array(Site.STATE, stream).astype(np.float64)
    first = np.zeros_like(states[0]) if stream == "encoder" else trace.array(Site.STATE, "encoder")[-1]
    previous = np.concatenate([first[None], states[:-1]])

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    reset, update = sigmoid(gates[:, 0] + before[:, 0]), sigmoid(gates[:, 1] + before[:, 1])
    candidate = np.tanh(gates[:, 2] + reset * before[:, 2])
    for site, expected in ((Site.RESET, reset), (Site.UPDATE, update), (Site.CANDIDATE, candidate)):
        np.testing.assert_allclose(trace.array(site, stream), expected, atol=1e-6)
    np.testing.assert_allclose(states, (1 - update) * candidate + update * previous, atol=1e-6)

    gru = getattr(models[attention].seq2seq, stream)
    w, u = gru.input.weight.double().numpy(), gru.state.weight.double().numpy()
    words = trace.array(Site.TOKEN_EMBEDDING, stream) @ w.T + gru.input.bias.numpy()
    np.testing.assert_allclose(gates.reshape(len(gates), -1), words, atol=1e-5)
    np.testing.assert_allclose(
        before.reshape(len(gates), -1), previous @ u.T + gru.state.bias.numpy(), atol=1e-5
    )


def test_without_attention_there_is_no_block_and_the_context_is_the_last_state_at_every_step(models):
    trace = models[False].record(SENTENCE)
    context, last = trace.array(Site.CONTEXT_VECTOR, "decoder"), trace.array(Site.STATE, "encoder")[-1]
    assert trace.blocks == ()
    assert trace.model.heads == 0
    assert {site for site, _ in trace.arrays}.isdisjoint(
        {Site.QUERY, Site.KEY, Site.VALUE, Site.MASK, Site.CONTEXT, Site.POSITION_ENCODING}
    )
    assert all(np.array_equal(row, last) for row in context)


def test_with_attention_weights_are_torchs_softmax_of_the_states_products(models):
    trace = models[True].record(SENTENCE)
    head = trace.head(CROSS, 0)
    states, encoded = (torch.tensor(trace.array(Site.STATE, s)).double() for s in ("decoder", "encoder"))
    w = models[True].seq2seq.context.query.weight.double()
    scores = states @ w.T @ encoded.T
    weights = scores.softmax(dim=-1)
    np.testing.assert_allclose(head.scores, scores, atol=1e-5)
    np.testing.assert_allclose(head.weights, weights, atol=1e-5)
    np.testing.assert_allclose(head.model_context, weights @ encoded, atol=1e-5)
    np.testing.assert_array_equal(trace.array(Site.CONTEXT_VECTOR, "decoder"), head.model_context)
    assert head.proved
    assert head.mask.all()
    assert trace.block(CROSS).scale == 1


@pytest.mark.parametrize("attention", [False, True])
def test_the_logits_follow_from_context_and_state(models, attention):
    trace, model = models[attention].record(SENTENCE), models[attention].seq2seq
    both = np.concatenate(
        [trace.array(Site.CONTEXT_VECTOR, "decoder"), trace.array(Site.STATE, "decoder")], axis=1
    )
    output = np.tanh(both @ model.output.weight.numpy().T + model.output.bias.numpy())
    np.testing.assert_allclose(trace.array(Site.OUTPUT_VECTOR, ""), output, atol=1e-5)
    np.testing.assert_allclose(trace.logits, output @ model.embedding.weight.numpy().T, atol=1e-4)


def test_a_source_read_backwards_is_the_same_words_from_the_last_to_the_first(models):
    for model in models.values():
        forwards = model.record(SENTENCE).tokens["encoder"]
        backwards = model.record(SENTENCE, reading="reversed").tokens["encoder"]
        assert backwards == (*reversed(forwards[:-1]), forwards[-1])
        assert forwards[-1].text == "</s>"


def test_only_the_recurrent_translators_read_backwards(models):
    with pytest.raises(BadRequest, match="sideways"):
        models[False].record(SENTENCE, reading="sideways")
    with pytest.raises(BadRequest, match="reversed"):
        record("builtin/translator", SENTENCE, reading="reversed")


@pytest.mark.parametrize("attention", [False, True])
def test_recording_changes_nothing(models, attention):
    model, source, target = models[attention].seq2seq, torch.tensor([[5, 6, 7, 1]]), torch.tensor([[3, 8, 9]])
    with torch.no_grad():
        silent = model(source, target)
        with recording(Recorder()):
            assert torch.equal(model(source, target), silent)


@pytest.mark.parametrize("attention", [False, True])
def test_every_array_has_the_axes_that_are_said(models, attention):
    trace, model = models[attention].record(SENTENCE), models[attention].seq2seq
    sizes = {Axis.UNIT: model.config.units, Axis.GATE: 3, Axis.D_MODEL: model.config.d_model}
    for (site, place), array in trace.arrays.items():
        assert array.ndim == len(AXES[site]), site
        for axis, length in zip(AXES[site], array.shape, strict=True):
            if axis == Axis.POSITION and place:
                assert length == len(trace.tokens[place.split(".")[0]]) or place == CROSS, (site, place)
            if axis in sizes and place != CROSS:
                assert length == sizes[axis], (site, axis)


def test_edits_change_what_attention_sees(models):
    model = models[True]
    plain = model.record(SENTENCE, target="l'animal")
    blocked = model.record(SENTENCE, target="l'animal", edits=[BlockCell(CROSS, 1, 2)])
    forced = model.record(SENTENCE, target="l'animal", edits=[ForceRow(CROSS, 1, 2)])
    silenced = model.record(SENTENCE, target="l'animal", edits=[ScaleHead(CROSS, 0)])
    assert blocked.head(CROSS, 0).weights[1, 2] == 0 < plain.head(CROSS, 0).weights[1, 2]
    np.testing.assert_array_equal(
        forced.array(Site.CONTEXT_VECTOR, "decoder")[1], plain.array(Site.STATE, "encoder")[2]
    )
    assert not silenced.array(Site.CONTEXT_VECTOR, "decoder").any()
    assert all(trace.head(CROSS, 0).proved for trace in (plain, blocked, forced, silenced))


@pytest.mark.parametrize("attention", [False, True])
def test_writing_step_by_step_gives_the_greedy_reading(models, attention):
    model = models[attention]
    read = model.record(SENTENCE).tokens["decoder"]
    written = model.generate(SENTENCE, steps=5)
    assert [token.id for token in read[1:6]] == list(written.ids)[: len(read) - 1]
    assert math.isclose(written.steps[0].distribution.sum(), 1, abs_tol=1e-5)
