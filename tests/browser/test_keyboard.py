"""The whole page without a mouse."""

import pytest

from tests.browser.conftest import Open
from tests.browser.microscope import Microscope

pytestmark = pytest.mark.browser

FOCUSED = "() => document.activeElement?.matches(%r) ?? false"
MOST_TABS = 60


def tab_to(microscope: Microscope, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(MOST_TABS):
        if microscope.page.evaluate(FOCUSED % selector):
            return
        microscope.page.keyboard.press("Tab")
    raise AssertionError(f"{MOST_TABS} times Tab does not lead to {selector}")


def press(microscope: Microscope, *keys: str) -> None:
    for key in keys:
        microscope.page.keyboard.press(key)


def test_a_sentence_is_typed_and_run_without_a_mouse(microscope: Microscope):
    tab_to(microscope, "[data-id=text]")
    press(microscope, "Control+A")
    microscope.page.keyboard.type("I am a student")
    press(microscope, "Enter")
    microscope.page.wait_for_function(
        "() => new URLSearchParams(location.search).get('text') === 'I am a student'"
    )
    assert not list(microscope.ready().differences())


def test_shift_and_enter_does_not_run(microscope: Microscope):
    before = microscope.address()
    microscope["[data-id=text]"].fill("I am")
    press(microscope, "Shift+Enter")
    assert microscope.address() == before


def test_arrows_change_the_stage_and_keep_the_focus(microscope: Microscope):
    tab_to(microscope, ".stage")
    press(microscope, "ArrowRight")
    assert microscope.address()["stage"] == "context"
    press(microscope, "ArrowLeft", "ArrowLeft")
    assert microscope.address()["stage"] == "mask"
    assert microscope.page.evaluate(FOCUSED % "[data-stage=mask]")


def test_arrows_move_the_cell_of_the_figure(microscope: Microscope):
    query, key = microscope.active()
    tab_to(microscope, ".over")
    press(microscope, "ArrowRight", "ArrowDown", "ArrowDown")
    assert microscope.active() == (query + 2, key + 1)
    press(microscope, "ArrowLeft", "ArrowUp", "ArrowUp")
    assert microscope.active() == (query, key)
    assert not list(microscope.differences())


def test_the_cell_stops_at_the_edge(microscope: Microscope):
    microscope[".over"].focus()
    press(microscope, *["ArrowUp"] * 20, *["ArrowLeft"] * 20)
    assert microscope.active() == (0, 0)


def test_escape_frees_the_cell(microscope: Microscope):
    other = microscope.point("weights", apart_from=microscope.active())
    tab_to(microscope, ".over")
    press(microscope, "ArrowRight")
    pinned = microscope.active()
    assert pinned != (other.query, other.key)
    microscope.page.mouse.move(other.x + 1, other.y + 1)
    assert microscope.active() == pinned
    press(microscope, "Escape")
    microscope.page.mouse.move(other.x, other.y)
    assert microscope.active() == (other.query, other.key)


def test_page_down_and_up_walk_through_the_stages(open_page: Open):
    microscope = open_page("text=I+am+a+student&stage=embedding")
    tab_to(microscope, ".over")
    for stage in ("position", "qkv", "scores", "scale", "mask", "softmax", "context"):
        press(microscope, "PageDown")
        microscope.page.wait_for_selector(f".stage[data-stage={stage}][aria-selected=true]")
    press(microscope, "PageUp")
    assert microscope.address()["stage"] == "softmax"


def test_page_up_leads_to_the_tokens_and_page_down_back(open_page: Open):
    microscope = open_page("text=I+am+a+student&stage=embedding")
    tab_to(microscope, ".over")
    press(microscope, "PageUp")
    assert microscope.address()["stage"] == "tokens"
    press(microscope, "PageDown")
    assert microscope.address()["stage"] == "embedding"


def test_arrows_move_along_the_tokens(microscope: Microscope):
    query, key = microscope.active()
    microscope[f'.strip[data-stream=encoder] .token[data-index="{query}"]'].focus()
    press(microscope, "ArrowRight", "ArrowRight")
    assert microscope.active() == (query + 2, key)
    assert microscope.page.evaluate(FOCUSED % f".token[data-index='{query + 2}']")


def test_the_cell_is_spoken(microscope: Microscope):
    tab_to(microscope, ".over")
    press(microscope, "ArrowDown")
    spoken = microscope.expected().spoken()
    microscope.page.wait_for_function(
        "(said) => document.querySelector('[aria-live=polite]').textContent === said", arg=spoken
    )


def test_the_focused_element_can_be_seen(microscope: Microscope):
    for selector in ("[data-id=text]", ".run", ".stage", ".over"):
        tab_to(microscope, selector)
        outlined = microscope.page.evaluate(
            """() => {
              const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
              return (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none";
            }"""
        )
        assert outlined, selector


def test_a_dialog_closes_with_escape_and_gives_the_focus_back(microscope: Microscope):
    tab_to(microscope, "[data-id=help]")
    press(microscope, "Enter")
    microscope.page.wait_for_selector("dialog[open]")
    press(microscope, "Escape")
    microscope.page.wait_for_selector("dialog", state="hidden")
    assert microscope.page.evaluate(FOCUSED % "[data-id=help]")
