"""Models shared within a budget: loaded once, the least recently used let go, never one in use, never a built-in."""

import gc
import threading
import weakref
from dataclasses import dataclass, replace

import pytest

from models import load
from models.cache import ModelCache
from models.catalog import BUILTIN, is_open, leased, opened
from models.errors import BadRequest, UnknownModel
from models.progress import Cancelled, Progress
from models.trace import ModelCard

CARD = ModelCard("", "", "", 1, 1, 1, 1, 1, 1, "none")


@dataclass(eq=False)
class Model:
    card: ModelCard

    def __post_init__(self):
        self.circle = self  # as real models hold themselves


def make(name, memory=10):
    return lambda: Model(replace(CARD, name=name, memory=memory))


def names(cache):
    return [card.name for card in cache.opened()]


@pytest.fixture
def cache():
    return ModelCache(lambda: 30, always=("box",))


def filled(cache, *keys):
    for name in keys:
        cache.get((name, ""), make(name))
    return cache


def test_a_model_is_made_once(cache):
    first = cache.get(("a", ""), make("a"))
    assert cache.get(("a", ""), lambda: pytest.fail("made again")) is first
    assert cache.get(("a", "float16"), make("a")) is not first


def test_the_least_recently_used_is_let_go(cache):
    filled(cache, "a", "b", "c", "a", "d")
    assert names(cache) == ["c", "a", "d"]
    assert not cache.is_open(("b", ""))


def test_who_holds_on_to_models_hears_of_those_let_go(cache):
    heard = []
    cache.closed.append(heard.append)
    filled(cache, "a", "b", "c", "d")
    assert heard == [("a", "")]


def test_what_is_let_go_is_freed_at_once(cache):
    model = weakref.ref(cache.get(("a", ""), make("a")))
    gc.disable()
    try:
        filled(cache, "b", "c", "d")
        assert model() is None
    finally:
        gc.enable()


def test_a_model_in_use_is_never_let_go(cache):
    with cache.leased(("a", ""), make("a")) as model:
        filled(cache, "b", "c", "d", "e")
        assert names(cache) == ["a", "d", "e"]
        assert cache.get(("a", ""), make("other")) is model
        with cache.leased(("a", ""), make("other")):
            pass
        filled(cache, "f", "g", "h")
        assert "a" in names(cache)
    filled(cache, "i", "j", "k")
    assert "a" not in names(cache)


def test_a_model_of_the_box_is_never_let_go(cache):
    filled(cache, "box", "a", "b", "c", "d")
    assert names(cache) == ["box", "c", "d"]


def test_one_model_may_be_larger_than_the_budget(cache):
    filled(cache, "a")
    cache.get(("big", ""), make("big", 100))
    assert names(cache) == ["big"]
    filled(cache, "b")
    assert names(cache) == ["b"]


def test_several_in_use_may_pass_the_budget_until_they_are_given_back(cache):
    with (
        cache.leased(("a", ""), make("a", 20)),
        cache.leased(("b", ""), make("b", 20)),
    ):
        assert names(cache) == ["a", "b"]
    assert names(cache) == ["b"]


def test_room_is_made_before_a_model_is_loaded(cache):
    filled(cache, "a", "b", "c")
    cache.make_room(15)
    assert names(cache) == ["c"]
    cache.make_room(100)
    assert names(cache) == []


def test_who_asks_while_another_loads_waits_for_that_one(cache):
    made, begun, go_on = [], threading.Event(), threading.Event()

    def slowly():
        begun.set()
        assert go_on.wait(10)
        made.append(make("a")())
        return made[-1]

    got = []
    askers = [threading.Thread(target=lambda: got.append(cache.get(("a", ""), slowly))) for _ in range(5)]
    for asker in askers:
        asker.start()
    assert begun.wait(10)
    assert cache.get(("b", ""), make("b")).card.name == "b", "another model waits for nobody"
    go_on.set()
    for asker in askers:
        asker.join(10)
    assert len(made) == 1
    assert got == made * 5


def test_who_waits_hears_of_the_failure_and_may_try_again(cache):
    begun, go_on, heard = threading.Event(), threading.Event(), []

    def fail():
        begun.set()
        assert go_on.wait(10)
        raise UnknownModel("a", ())

    def ask():
        try:
            cache.get(("a", ""), fail)
        except UnknownModel as error:
            heard.append(error)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    assert begun.wait(10)
    go_on.set()
    for asker in askers:
        asker.join(10)
    assert len(heard) == 3
    assert cache.get(("a", ""), make("a")).card.name == "a"


def test_when_the_one_who_loads_gives_up_the_next_one_loads(cache):
    begun, go_on, got = threading.Event(), threading.Event(), []

    def give_up():
        begun.set()
        assert go_on.wait(10)
        raise Cancelled

    def ask():
        with pytest.raises(Cancelled):
            cache.get(("a", ""), give_up)

    first = threading.Thread(target=ask)
    first.start()
    assert begun.wait(10)
    second = threading.Thread(target=lambda: got.append(cache.get(("a", ""), make("a"))))
    second.start()
    go_on.set()
    first.join(10)
    second.join(10)
    assert got[0].card.name == "a"


def test_who_waits_may_give_up(cache):
    class Unwanted(Progress):
        def check(self):
            raise Cancelled

    begun, go_on = threading.Event(), threading.Event()

    def slowly():
        begun.set()
        assert go_on.wait(10)
        return make("a")()

    first = threading.Thread(target=lambda: cache.get(("a", ""), slowly))
    first.start()
    assert begun.wait(10)
    with pytest.raises(Cancelled):
        cache.get(("a", ""), slowly, Unwanted())
    go_on.set()
    first.join(10)
    assert cache.is_open(("a", ""))


def test_built_in_models_are_always_open_and_the_same_in_every_dtype():
    assert all(is_open(name) for name in BUILTIN)
    model = load(BUILTIN[0])
    assert load(BUILTIN[0], "float16") is model
    with leased(BUILTIN[0]) as same:
        assert same is model
    assert model.card in opened()
    assert not is_open("nobody/nothing")
    with pytest.raises(BadRequest, match="int8"):
        load(BUILTIN[0], "int8")
