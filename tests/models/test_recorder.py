"""Watching a run changes nothing, leaves nothing behind, and hears nothing else."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from models import Site, Trace, record
from models.recorder import Recorder, note, recording


def ids(trace, stream):
    return [token.id for token in trace.tokens[stream]]


def same(one, other):
    """Whether two traces hold bit-equal arrays."""
    return one.arrays.keys() == other.arrays.keys() and all(
        np.array_equal(array, other.arrays[where]) for where, array in one.arrays.items()
    )


def test_the_output_is_bit_equal_with_and_without_recording(trace, translator):
    source, target = (torch.tensor([ids(trace, stream)]) for stream in ("encoder", "decoder"))
    with torch.no_grad():
        silent = translator.transformer(source, target)
        with recording(Recorder()) as everything:
            heard = translator.transformer(source, target)
    assert torch.equal(silent, heard)
    assert torch.equal(silent[0], torch.tensor(trace.array(Site.LOGITS)))
    assert len(everything.tensors) > 60


def test_recording_leaves_nothing_on_the_model(translator):
    def belongings():
        return {
            name: sorted((key, id(value)) for key, value in vars(module).items())
            for name, module in translator.transformer.named_modules()
        }

    before = belongings()
    record(translator, "the cat sleeps")
    assert belongings() == before


def test_the_same_request_gives_equal_arrays(run, trace):
    again = record("builtin/translator", **run)
    assert again is not trace
    assert same(again, trace)
    assert again.tokens == trace.tokens
    assert again.predictions == trace.predictions


def test_eight_threads_and_idle_passes_never_mix_up(translator):
    texts = ["the cat sleeps", "I eat apples", "The weather is nice today.", "今天天气很好"]
    alone = [record(translator, text) for text in texts]
    source = torch.tensor([ids(alone[2], "encoder")])
    with torch.no_grad():
        expected = translator.transformer(source, source)

    def work(turn):
        if turn % 5 == 4:
            with torch.no_grad():
                return torch.allclose(translator.transformer(source, source), expected, atol=1e-4)
        mine, whole = record(translator, texts[turn % 4]), alone[turn % 4]
        return all(np.allclose(array, whole.arrays[where], atol=1e-4) for where, array in mine.arrays.items())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(40)))


def test_a_recorder_hears_only_its_own_thread_and_only_while_it_is_on():
    one = torch.ones(1)
    with recording(Recorder()) as outer:
        note(Site.QUERY, "here", one)
        with recording(Recorder(sites={Site.KEY})) as inner:
            note(Site.KEY, "here", one)
            note(Site.VALUE, "here", one)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(note, Site.NORM, "elsewhere", one).result() is one
    assert note(Site.HIDDEN, "here", one) is one
    assert list(outer.tensors) == [(Site.QUERY, "here")]
    assert list(inner.tensors) == [(Site.KEY, "here")]
    assert outer.tensors[Site.QUERY, "here"] is one


def test_a_recorder_is_off_again_after_an_error():
    heard = Recorder()
    with pytest.raises(ZeroDivisionError), recording(heard):
        raise ZeroDivisionError
    note(Site.QUERY, "here", torch.ones(1))
    assert not heard.tensors


def test_a_trace_can_be_pickled(trace):
    trace.weights("encoder.0.self")
    copy = pickle.loads(pickle.dumps(trace))
    assert isinstance(copy, Trace)
    assert same(copy, trace)
    assert (copy.tokens, copy.blocks, copy.model) == (trace.tokens, trace.blocks, trace.model)
    np.testing.assert_array_equal(copy.weights("decoder.1.cross"), trace.weights("decoder.1.cross"))
