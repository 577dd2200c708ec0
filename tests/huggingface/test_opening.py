"""Models opened in the background: their progress, their end, and who may stop them."""

import json
import threading
import time

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import close_session

from models import catalog, errors, opening
from models.cache import ModelCache
from models.catalog import BUILTIN, is_open, load
from models.huggingface import load as loading
from models.huggingface.hub import cached
from models.huggingface.wrap import Wrapped
from models.machine import memory_budget
from models.opening import Opener, Opening
from tests.huggingface.zoo import built

NAME = "someone/tiny"


@pytest.fixture
def models(monkeypatch):
    """No model in memory but those of the box."""
    cache = ModelCache(memory_budget, BUILTIN)
    monkeypatch.setattr(catalog, "_models", cache)
    return cache


@pytest.fixture
def opener(models):
    return Opener()


def ended(opening, seconds=20):
    assert opening.wait(seconds), opening.as_json()
    return opening


def idle(opener):
    """Wait until the opener's threads have put their work down."""
    deadline = time.monotonic() + 20
    while opener._running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not opener._running


def test_a_model_is_opened_with_progress_and_its_weights_are_the_same(hub, folder, opener):
    hub.offer(NAME, folder)
    hub.pause_after = 20_000
    first = opener.open(NAME)
    assert hub.paused.wait(20)
    assert first.state == "downloading"
    assert 0 < first.done < first.total
    assert not is_open(NAME)
    hub.go_on.set()
    ended(first)
    assert (first.state, first.done) == ("ready", first.total)
    assert first.total == sum((folder / file).stat().st_size for file in set(hub.fetched()))
    assert first.card is not None
    assert first.card.name == NAME
    assert is_open(NAME)
    model = load(NAME)
    assert isinstance(model, Wrapped)
    weight = model.model.transformer.wte.weight
    torch.testing.assert_close(weight, built("gpt2").transformer.wte.weight, rtol=0, atol=0)


def test_cancelling_stops_the_download_and_leaves_no_rest(hub, folder, opener, hub_cache):
    hub.offer(NAME, folder)
    hub.pause_after = 20_000
    first = opener.open(NAME)
    assert hub.paused.wait(20)
    first.cancel()
    assert ended(first, 0).state == "cancelled"
    reached = first.done
    hub.go_on.set()
    idle(opener)
    assert first.done - reached <= 2 * 4096, "a chunk on its way, and no more"
    assert (first.state, first.card, first.error) == ("cancelled", None, None)
    assert not is_open(NAME)
    assert cached(NAME) is None
    assert not list(hub_cache.rglob("*.incomplete"))
    assert ended(opener.open(NAME)).state == "ready", "and it may be opened again"


def test_two_askers_share_one_opening(hub, folder, opener):
    hub.offer(NAME, folder)
    hub.pause_after = 20_000
    first = opener.open(NAME)
    assert hub.paused.wait(20)
    second = opener.open(NAME)
    assert second is first
    hub.go_on.set()
    ended(first)
    assert hub.fetched().count("model.safetensors") == 1


@pytest.mark.parametrize("askers", [("", ""), ("anna", "bo")])
def test_one_s_cancel_is_not_the_other_s(hub, folder, opener, askers):
    hub.offer(NAME, folder)
    hub.pause_after = 20_000
    first, second = (opener.open(NAME, asker=asker) for asker in askers)
    assert hub.paused.wait(20)
    first.cancel(askers[0])
    assert first.state == "downloading"
    if askers[0]:
        first.cancel(askers[0])
        assert first.state == "downloading", "the same one gave up twice"
    hub.go_on.set()
    assert ended(second).state == "ready"


def test_when_all_give_up_it_is_cancelled(hub, folder, opener):
    hub.offer(NAME, folder)
    hub.pause_after = 20_000
    opening = opener.open(NAME, asker="anna")
    opener.open(NAME, asker="bo")
    assert hub.paused.wait(20)
    opening.cancel("anna")
    opening.cancel("nobody")
    assert opening.state == "downloading"
    opening.cancel("bo")
    assert opening.state == "cancelled"


def test_who_loads_from_python_shares_it_too(hub, folder, opener):
    hub.offer(NAME, folder)
    hub.pause_after = 20_000
    opening, loaded = opener.open(NAME), []
    assert hub.paused.wait(20)
    caller = threading.Thread(target=lambda: loaded.append(load(NAME)))
    caller.start()
    hub.go_on.set()
    caller.join(20)
    ended(opening)
    assert hub.fetched().count("model.safetensors") == 1
    assert loaded == [load(NAME)]


def test_a_cancel_while_weights_are_read_drops_the_model(folder, opener, monkeypatch):
    begun, go_on, read = threading.Event(), threading.Event(), loading._model

    def slowly(*arguments):
        begun.set()
        assert go_on.wait(20)
        return read(*arguments)

    monkeypatch.setattr(loading, "_model", slowly)
    first = opener.open(str(folder))
    assert begun.wait(20)
    assert first.state == "loading"
    first.cancel()
    go_on.set()
    idle(opener)
    assert first.state == "cancelled"
    assert not is_open(str(folder))


def held(monkeypatch):
    """`catalog.load` waits in its place until it is let go; the names come in their order."""
    go_on, begun = threading.Event(), []

    def slowly(name, dtype=None, *, progress):
        begun.append(name)
        assert go_on.wait(20)
        return load(BUILTIN[0])

    monkeypatch.setattr(catalog, "load", slowly)
    return go_on, begun


def test_at_most_two_at_once_and_the_rest_in_their_turn(opener, monkeypatch):
    go_on, begun = held(monkeypatch)
    openings = [opener.open(name) for name in ("a", "b", "c", "d", "e")]
    assert [one.state for one in openings[2:]] == ["queued"] * 3
    openings[3].cancel()
    assert openings[3].state == "cancelled"
    assert opener.current() == (*openings[:3], openings[4])
    go_on.set()
    for one in openings:
        ended(one)
    idle(opener)
    assert sorted(begun[:2]) == ["a", "b"]
    assert sorted(begun[2:]) == ["c", "e"], "a cancelled one never begins"


def test_a_queue_that_is_full_refuses(opener, monkeypatch):
    monkeypatch.setattr(opening, "WAITING_LIMIT", 1)
    go_on, _ = held(monkeypatch)
    for name in ("a", "b", "c"):
        opener.open(name)
    with pytest.raises(errors.ServerBusy):
        opener.open("d")
    assert opener.open("c").state == "queued"
    go_on.set()
    idle(opener)
    assert ended(opener.open("d")).state == "ready"


def test_finished_openings_are_remembered_for_a_while(opener, monkeypatch):
    monkeypatch.setattr(opening, "REMEMBERED", 3)
    openings = [ended(opener.open(f"builtin/none-{number}")) for number in range(6)]
    assert [opener.get(one.id) for one in openings] == [None, None, None, *openings[3:]]
    assert opener.current() == ()


def test_what_is_open_already_is_ready_at_once(opener):
    for name in BUILTIN:
        assert opener.open(name).state == "ready"
    done = opener.open(BUILTIN[0])
    done.cancel()
    assert done.state == "ready"
    assert done.card == load(BUILTIN[0]).card


def test_a_refusal_is_kept_with_its_facts(hub, opener):
    opening = ended(opener.open("someone/unknown"))
    assert isinstance(opening.error, errors.UnknownModel)
    said = opening.as_json()
    assert said["state"] == "failed"
    assert said["error"]["error"] == "unknown_model"
    assert said["error"]["facts"]["got"] == "someone/unknown"
    with pytest.raises(errors.BadRequest):
        opener.open(BUILTIN[0], "int4")


def test_a_network_that_is_down_fails_the_opening(hub, opener, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    close_session()
    assert isinstance(ended(opener.open(NAME)).error, errors.NoNetwork)


def test_a_fault_of_ours_is_told_as_one(opener, monkeypatch, caplog):
    def broken(*_, **__):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(catalog, "load", broken)
    opening = ended(opener.open("a"))
    assert opening.error is not None
    assert (opening.state, opening.error.id) == ("failed", "internal")
    assert "ZeroDivisionError" in caplog.text


def test_it_is_told_in_plain_values_without_the_token(hub, folder, opener, monkeypatch):
    token = "hf_" + "NobodyShallReadThis"
    monkeypatch.setenv("HF_TOKEN", token)
    hub.offer(NAME, folder, gated=True)
    said = ended(opener.open(NAME)).as_json()
    assert said["error"]["error"] == "gated"
    assert token not in json.dumps(said)
    assert hub.tokens == {f"Bearer {token}"}
    assert set(said) == {"id", "name", "dtype", "state", "done", "total", "seconds", "error"}


def test_the_time_it_took_stands_still_at_its_end():
    opening = Opening(BUILTIN[0])
    opening.run()
    taken = opening.seconds
    time.sleep(0.02)
    assert opening.seconds == taken
