"""The tabs: the same run and selection with another emphasis; nothing chosen is lost on the way."""

from urllib.parse import urlencode

import pytest

from tests.browser.conftest import Open
from tests.browser.folders import Folders
from tests.browser.microscope import Microscope

pytestmark = pytest.mark.browser

HOME = {"text": "the weather is nice today", "to": "fr", "stage": "softmax", "query": 3, "key": 1, "head": 2}
FOCUSED = "() => document.activeElement.dataset.tab"


def tab(microscope: Microscope, id: str) -> Microscope:
    microscope[f".tab[data-tab={id}]"].click()
    microscope.page.wait_for_selector(f".microscope .tab[data-tab={id}][aria-selected=true]")
    return microscope.ready()


def test_a_tab_keeps_what_is_chosen_and_the_stage_that_was_left(open_page: Open):
    microscope = open_page(urlencode(HOME))
    before = microscope.address()
    assert "tab" not in before
    there = tab(microscope, "positions").address()
    assert there == before | {"tab": "positions", "stage": "position"}
    assert microscope.stages()[0] == "position"
    microscope.language("zh")
    microscope["[data-id=theme]"].click()
    assert microscope.address() == there | {"lang": "zh"}
    assert microscope.text(".tab[aria-selected=true]") == "位置编码"
    assert tab(microscope, "walk").address() == before | {"lang": "zh"}


def test_a_link_leads_to_the_tab(open_page: Open):
    microscope = open_page(urlencode(HOME | {"tab": "positions"}))
    assert microscope[".tab[data-tab=positions]"].get_attribute("aria-selected") == "true"
    assert microscope.address()["stage"] == "position"
    assert not microscope[".below"].is_visible()
    assert not list(microscope.differences())


def test_arrows_move_along_the_tabs(open_page: Open):
    microscope = open_page(urlencode(HOME))
    assert microscope[".tabs"].get_attribute("role") == "tablist"
    assert microscope[".tab[tabindex='0']"].count() == 1
    microscope[".tab[data-tab=walk]"].focus()
    microscope.page.keyboard.press("ArrowRight")
    assert microscope.page.evaluate(FOCUSED) == "positions"
    microscope.page.keyboard.press("ArrowRight")
    assert microscope.page.evaluate(FOCUSED) == "generate"
    microscope.page.keyboard.press("ArrowRight")
    microscope.page.wait_for_function("location.search.includes('tab=generate')")
    microscope.page.keyboard.press("ArrowLeft")
    microscope.page.keyboard.press("ArrowLeft")
    assert "tab" not in microscope.ready().address()


def test_an_unknown_tab_is_the_walk(open_page: Open):
    microscope = open_page(urlencode(HOME | {"tab": "elsewhere"}))
    assert microscope[".tab[aria-selected=true]"].get_attribute("data-tab") == "walk"
    assert "tab" in microscope.notice("url_fixed")


def test_where_no_positions_enter_a_sentence_says_why(open_page: Open, folders: Folders):
    at = {"block": "decoder.0.cross", "text": "the cat sat", "target": "the dog", "tab": "positions"}
    microscope = open_page(urlencode({"model": folders["t5"]} | at))
    said = microscope.texts["ui"]["positions_none_block"]["en"]
    assert microscope.text(".nothing") == said
    assert not microscope[".figure"].is_visible()
    assert tab(microscope, "walk")[".figure"].is_visible()
    assert not microscope[".nothing"].is_visible()
