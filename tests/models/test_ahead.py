"""Work in advance waits for the first answer, and is done once."""

import threading

from models.ahead import Ahead


def test_nothing_is_done_before_the_first_answer_and_then_once():
    done, calls = threading.Event(), []

    def work():
        calls.append(threading.current_thread())
        done.set()

    ahead = Ahead(work, pause=0.0)
    ahead.begin()
    assert not done.wait(0.2)
    ahead.answered()
    assert done.wait(5)
    ahead.answered()
    calls[0].join(5)
    assert len(calls) == 1
    assert calls[0].daemon


def test_where_it_was_not_begun_an_answer_does_nothing():
    calls = []
    Ahead(lambda: calls.append(1), pause=0.0).answered()
    assert not calls
