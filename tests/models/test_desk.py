"""A generation has a key, is kept, tells how far it is, and stops when it is told to."""

import pytest

from models import errors
from models.desk import Desk
from models.prompt import MARK, Prompt, from_key
from models.record import Request

CAT = Prompt("builtin/translator", "the cat sleeps", steps=6)


def test_a_key_says_everything_that_decides_what_is_written():
    hot = Prompt("builtin/translator", "the cat", strategy="sample", top_k=5, temperature=0.5, forced=[7, 9])
    assert from_key(hot.key) == hot
    assert hot.key.startswith(MARK)
    assert hot.key != Prompt("builtin/translator", "the cat", strategy="sample", top_k=6).key
    assert hash(hot) == hash(from_key(hot.key))


def test_the_key_of_a_run_is_what_it_was():
    run = Request("builtin/translator", "the cat sleeps")
    assert from_key(run.key) == run
    assert not run.key.startswith(MARK)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 2.5}, {"temperature": "hot"}, {"forced": ["a"]}, {"seed": -1}, {"strategy": "guess"},
     {"top_p": 0.0}, {"beams": 99}, {"steps": True}],
)  # fmt: skip
def test_numbers_that_are_none_are_refused(wrong):
    with pytest.raises(errors.BadRequest):
        Prompt("builtin/translator", "the cat", **wrong)


def test_the_trace_of_a_key_is_that_of_having_written_it():
    desk = Desk()
    prompt, written = desk.write(CAT, "a")
    assert prompt == CAT
    assert desk.get(CAT) is written
    assert from_key(CAT.key).run().tokens == written.trace.tokens


def test_it_tells_how_far_it_is_and_stops(monkeypatch):
    desk, seen = Desk(), []
    plain = Prompt.write

    def slowly(self, cancelled=None):
        def asked():
            seen.append(desk.progress("a"))
            if len(seen) == 2:
                desk.progress("a", stop=True)
            return cancelled() if cancelled else False

        return plain(self, asked)

    monkeypatch.setattr(Prompt, "write", slowly)
    prompt, written = desk.write(CAT, "a")
    assert [each["written"] for each in seen] == [0, 1]
    assert all(each["running"] for each in seen)
    assert written.cancelled
    assert prompt.steps == len(written.ids) == 2
    assert desk.get(prompt) is written
    assert desk.progress("a") == {"written": 0, "running": False}


def test_what_a_closed_model_wrote_is_let_go():
    desk = Desk()
    _, written = desk.write(CAT, "a")
    desk.forget(("builtin/translator", "float32"))
    assert desk.get(CAT) is not written
