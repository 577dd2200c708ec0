"""The store: equal runs once, the oldest goes first, few run at once, and nothing is left behind."""

import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from models import ModelCard, Request, Trace
from models import store as module
from models.errors import EmptyText, ServerBusy
from models.store import RUNS_AT_ONCE, TraceStore

CARD = ModelCard("a model", "none", "none", 0, 0, 0, 0, 0, 0, "none")


class Rehearsal(Request):
    """A request whose run only counts itself, and may wait or fail."""

    runs: ClassVar[Counter[str]] = Counter()
    running = 0
    most = 0
    gate = threading.Event()
    lock = threading.Lock()

    def run(self) -> Trace:
        with self.lock:
            Rehearsal.runs[self.text] += 1
            Rehearsal.running += 1
            Rehearsal.most = max(Rehearsal.most, Rehearsal.running)
        self.gate.wait(10)
        with self.lock:
            Rehearsal.running -= 1
        if self.text == "":
            raise EmptyText
        return Trace(CARD, self.text, {}, (), {})


@pytest.fixture(autouse=True)
def rehearsal():
    Rehearsal.runs.clear()
    Rehearsal.most = 0
    Rehearsal.gate.set()
    yield Rehearsal
    Rehearsal.gate.set()


def wanted(text):
    return Rehearsal("a model", text)


def until(condition):
    """Waits for other threads, ten seconds at most."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_run_is_made_once_and_kept():
    store = TraceStore()
    assert store.get(wanted("a")) is store.get(wanted("a"))
    assert store.get(wanted("a")).text == "a"
    assert Rehearsal.runs == {"a": 1}


def test_equal_requests_at_the_same_time_run_once():
    store, start = TraceStore(), threading.Barrier(8)
    Rehearsal.gate.clear()

    def ask(_):
        start.wait()
        return store.get(wanted("a"))

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, None) for _ in range(8)]
        until(lambda: Rehearsal.running == 1)
        time.sleep(0.05)  # the other seven are waiting by now
        Rehearsal.gate.set()
        traces = [one.result(10) for one in asked]
    assert Rehearsal.runs == {"a": 1}
    assert all(trace is traces[0] for trace in traces)


def test_the_one_unused_for_longest_goes_first():
    store = TraceStore(capacity=2)
    for text in ("a", "b", "a", "c", "a"):
        store.get(wanted(text))
    assert Rehearsal.runs == {"a": 1, "b": 1, "c": 1}
    store.get(wanted("b"))
    assert Rehearsal.runs == {"a": 1, "b": 2, "c": 1}


def test_few_run_at_once():
    store = TraceStore()
    Rehearsal.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(store.get, wanted(str(n))) for n in range(8)]
        until(lambda: Rehearsal.running == RUNS_AT_ONCE)
        Rehearsal.gate.set()
        assert [one.result(10).text for one in asked] == [str(n) for n in range(8)]
    assert Rehearsal.most == RUNS_AT_ONCE


def test_a_run_that_fails_is_not_kept_and_may_be_tried_again():
    store = TraceStore()
    for _ in range(3):
        with pytest.raises(EmptyText):
            store.get(wanted(""))
    assert Rehearsal.runs == {"": 3}
    assert store.get(wanted("a")).text == "a"


def test_too_many_runs_are_refused_until_there_is_room(monkeypatch):
    monkeypatch.setattr(module, "WAITING_LIMIT", 3)
    store = TraceStore()
    Rehearsal.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(store.get, wanted(text)) for text in "abc"]
        until(lambda: Rehearsal.running == RUNS_AT_ONCE)
        time.sleep(0.05)  # the third waits by now
        with pytest.raises(ServerBusy) as refused:
            store.get(wanted("d"))
        assert refused.value.facts == {"limit": 3}
        equal = pool.submit(store.get, wanted("a"))
        time.sleep(0.02)
        assert not equal.done(), "one that runs already may be waited for"
        Rehearsal.gate.set()
        assert equal.result(10) is asked[0].result(10)
        assert [one.result(10).text for one in asked] == ["a", "b", "c"]
    assert store.get(wanted("d")).text == "d"


def test_a_store_does_not_fill_up_with_runs_that_are_over(monkeypatch):
    """Threads that come just as a run ends must leave nothing waiting."""
    monkeypatch.setattr(module, "WAITING_LIMIT", 8)
    store, before = TraceStore(capacity=2), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(6) as pool:
            for turn in range(150):
                asked = [pool.submit(store.get, wanted(f"turn {turn}")) for _ in range(6)]
                assert {one.result(10).text for one in asked} == {f"turn {turn}"}
    finally:
        sys.setswitchinterval(before)


CATS = [Request("builtin/translator", f"the cat {verb}") for verb in ("sleeps", "eats", "runs")]


def test_traces_fit_into_a_memory_limit_and_the_newest_always_stays():
    one = CATS[0].run().nbytes
    store = TraceStore(capacity=10, memory=int(2.5 * one))
    kept = [store.get(request) for request in CATS[:3]]
    assert store.get(CATS[2]) is kept[2]
    assert store.get(CATS[1]) is kept[1]
    assert store.get(CATS[0]) is not kept[0]
    small = TraceStore(memory=1)
    assert small.get(CATS[0]) is small.get(CATS[0])


def test_the_traces_of_a_model_that_is_closed_are_let_go():
    store = TraceStore()
    first = store.get(CATS[0])
    store.forget(("another", "float32"))
    assert store.get(CATS[0]) is first
    store.forget((CATS[0].model, "float32"))
    assert store.get(CATS[0]) is not first
