"""The address holds everything in view; one that is wrong gives the nearest view and says so."""

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.browser.conftest import Open
from tests.browser.microscope import Microscope, parameters

pytestmark = pytest.mark.browser

TEXT = "The animal didn't cross the street because it was too wide."


def everything(microscope: Microscope) -> dict[str, Any]:
    """All that the address has to bring back."""
    fields = {id: microscope[f"[data-id={id}]"].input_value() for id in ("text", "target", "to")}
    fields["model"] = microscope.model()
    thumb = microscope[".thumb[aria-pressed=true]"]
    chosen = {
        "thumb": (thumb.get_attribute("data-block"), thumb.get_attribute("data-head")),
        "cell": microscope.active(),
        "stage": microscope[".stage[aria-selected=true]"].get_attribute("data-stage"),
        "depth": microscope[".explain [role=radio][aria-checked=true]"].get_attribute("data-id"),
        "language": microscope.page.evaluate("document.documentElement.lang"),
        "formulas": microscope[".formula"].all_text_contents(),
        "address": microscope.address(),
    }
    return fields | chosen | microscope.in_view()


def change_everything(microscope: Microscope) -> None:
    """Another model, sentence, translation, language, head, cell, channel, dimension, stage and depth."""
    microscope.choose("builtin/translator-plain").run(TEXT, to="fr", target="la rue était large .")
    microscope.language("zh")
    microscope.open_head("decoder.0.cross", 2)
    microscope['.strip[data-stream=decoder] .token[data-index="3"]'].click()
    microscope['.strip[data-stream=encoder] .token[data-index="5"]'].click()
    for stage, steps in {"position": 4, "context": 6}.items():
        microscope.stage(stage)[".over"].focus()
        for _ in range(steps):
            microscope.page.keyboard.press("ArrowRight")
    microscope.depth("maths")
    microscope.ready()


def test_a_copied_link_restores_exactly_what_is_in_view(open_page: Open):
    mine = open_page(permissions=["clipboard-read", "clipboard-write"])
    change_everything(mine)
    mine["[data-id=link]"].click()
    mine.page.wait_for_function("navigator.clipboard.readText().then((text) => text.startsWith('http'))")
    link = mine.page.evaluate("navigator.clipboard.readText()")
    seen, address = everything(mine), parameters(link)
    assert address == seen["address"]
    assert address == {
        "model": "builtin/translator-plain",
        "text": TEXT,
        "target": "la rue était large .",
        "to": "fr",
        "lang": "zh",
        "block": "decoder.0.cross",
        "head": "2",
        "query": "3",
        "key": "5",
        "channel": "6",
        "dimension": "4",
        "stage": "context",
        "depth": "maths",
    }
    assert everything(open_page(urlencode(address))) == seen


def test_a_reload_changes_nothing(microscope: Microscope):
    microscope.stage("context")
    microscope.open_head("decoder.1.self", 3)
    seen = everything(microscope)
    microscope.page.reload()
    assert everything(microscope.ready()) == seen


def test_the_copy_button_says_that_it_has_copied(open_page: Open):
    microscope = open_page(permissions=["clipboard-read", "clipboard-write"])
    microscope["[data-id=link]"].click()
    microscope.page.wait_for_function(
        "(said) => document.querySelector('[data-id=link]').textContent === said",
        arg=microscope.texts["ui"]["copied"]["en"],
    )


def test_where_copying_is_forbidden_the_link_is_shown(open_page: Open):
    forbid = "if (navigator.clipboard) navigator.clipboard.writeText = () => Promise.reject(new Error())"
    microscope = open_page(scripts=(forbid,))
    microscope["[data-id=link]"].click()
    field = microscope["dialog[open] input"]
    assert parameters(field.input_value()) == microscope.address()


def named(microscope: Microscope) -> str:
    """What the message says was wrong."""
    before, after = microscope.texts["errors"]["url_fixed"]["en"]["body"].split("[[what]]")
    return microscope.notice("url_fixed").partition(before)[2].removesuffix(after)


@pytest.mark.parametrize("text", ["", TEXT])
def test_a_wrong_address_gives_the_nearest_view_and_one_line_about_it(open_page: Open, text: str):
    wrong = {"head": "99", "stage": "foo", "block": "nope", "query": "-1", "key": "abc"}
    microscope = open_page(urlencode(wrong | ({"text": text} if text else {})))
    assert set(named(microscope).split(", ")) == wrong.keys()
    assert list(microscope.notices()) == ["url_fixed"]
    address = microscope.address()
    assert int(address["head"]) == microscope.expected().trace.model.heads - 1
    assert not list(microscope.differences())


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "xx", "channel": "100000", "key": "1e3", "block": ""},
        {"lang": "xx", "depth": "foo", "dimension": "-3", "query": "99999999999"},
    ],
)
def test_every_wrong_parameter_is_named_and_no_right_one(open_page: Open, wrong: dict[str, str]):
    microscope = open_page(urlencode({"text": "I am a student", "stage": "scores", "head": "1"} | wrong))
    said = named(microscope)
    assert set(said.split(", ")) == wrong.keys()
    assert not list(microscope.differences())


def test_a_right_address_says_nothing(open_page: Open):
    assert not open_page("text=I+am+a+student&to=fr&lang=en&head=1&depth=words").notices()


def test_an_address_with_a_sentence_that_cannot_be_read_shows_an_example_and_says_why(microscope: Microscope):
    microscope.page.goto(f"{microscope.server.origin}/?text=xyzzy+plugh")
    assert "xyzzy" in microscope.notice("only_unknown")
    assert microscope.ready().picture().colours > 20
