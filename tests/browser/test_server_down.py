"""The server goes and comes back; the page stays."""

from urllib.parse import urlencode

import pytest

from tests.browser.conftest import Open
from tests.browser.folders import Folders
from tests.browser.microscope import Microscope
from viz.texts import render

pytestmark = pytest.mark.browser

BROKEN = (
    "ERR_CONNECTION_REFUSED",
    "ERR_EMPTY_RESPONSE",
    "ERR_CONNECTION_RESET",
    "ERR_INCOMPLETE_CHUNKED_ENCODING",
)


def message(microscope: Microscope, id: str, language: str) -> str:
    return render("{title} {body}".format(**microscope.texts["errors"][id][language]), {})


def test_the_page_outlives_its_server(open_page: Open):
    microscope = open_page()
    microscope.watch.expected.extend(BROKEN)
    microscope.page.evaluate("window.kept = true")
    before = microscope.in_view()
    microscope.server.kill()
    try:
        microscope.run("I am a student")
        assert microscope.notice("server_down") == message(microscope, "server_down", "en")
        assert microscope.in_view() == before
        assert microscope.point("weights", apart_from=microscope.active()).tip
    finally:
        microscope.server.start()
    microscope.run("I am a student")
    assert not microscope.notices()
    assert microscope.address()["text"] == "I am a student"
    assert not list(microscope.differences())
    assert microscope.page.evaluate("window.kept"), "without a reload"


def test_a_link_into_a_folder_opens_on_a_server_that_has_just_started(open_page: Open, folders: Folders):
    at = {"block": "decoder.1.self", "head": 5, "query": 6, "key": 2, "channel": 3, "stage": "rotation"}
    address = {"model": folders["llama"], "text": "The cat was tired, 苹果 too."} | at
    mine = open_page(urlencode(address))
    seen, shared = mine.in_view(), mine.address()
    assert {name: shared[name] for name in address} == {name: str(value) for name, value in address.items()}
    mine.server.kill()
    mine.server.start()
    assert all(card["builtin"] for card in mine.server.ask("models")["opened"])
    yours = open_page(urlencode(shared))
    assert (yours.in_view(), yours.address()) == (seen, shared)
    assert not list(yours.differences())


def test_a_page_outlives_the_models_of_its_server(open_page: Open, folders: Folders):
    microscope = open_page(urlencode({"model": folders["llama"], "text": "The cat was tired."}))
    microscope.watch.expected.append("status of 422")
    microscope.server.kill()
    microscope.server.start()
    before = microscope[".derivation"].text_content()
    microscope.open_head("decoder.0.self", 4)
    microscope.page.wait_for_function(
        "(before) => document.querySelector('.derivation').textContent !== before", arg=before
    )
    assert not microscope.ready().notices()
    assert not list(microscope.differences())
    microscope.run("the dog slept")
    assert not microscope.notices()
    assert not list(microscope.differences())


def test_a_fault_of_the_server_is_said_to_be_one(microscope: Microscope):
    microscope.watch.expected.append("status of 500")
    before = microscope.in_view()
    microscope.page.route("**/microscope/run", lambda route: route.fulfill(status=500, body="oops"))
    microscope.run("I am a student")
    assert microscope.notice("internal") == message(microscope, "internal", "en")
    assert microscope.in_view() == before


def test_a_head_that_cannot_be_fetched_is_a_message_and_not_an_empty_page(microscope: Microscope):
    microscope.watch.expected.append("ERR_FAILED")
    microscope.page.route("**/head/decoder.0.self/**", lambda route: route.abort())
    picture = microscope.picture()
    microscope.open_head("decoder.0.self", 1)
    assert microscope.notice("server_down") == message(microscope, "server_down", "en")
    assert microscope.picture() == picture
    microscope.page.unroute("**/head/decoder.0.self/**")
    microscope.open_head("decoder.0.self", 2)
    microscope.page.wait_for_selector('.thumb[data-block="decoder.0.self"][data-head="2"][aria-pressed=true]')
    microscope.page.wait_for_function(
        "() => !document.querySelector('.derivation').textContent.includes('…')"
    )
    assert not list(microscope.differences())
