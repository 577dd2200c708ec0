"""Play: one key walks through the whole model, first the text, then the figure; it may stop or go on anywhere."""

import pytest

from tests.browser.conftest import Open
from tests.browser.microscope import Microscope
from tests.browser.test_keyboard import press

pytestmark = pytest.mark.browser


def phase(microscope: Microscope) -> str:
    return microscope.page.locator(".microscope").get_attribute("data-play") or ""


def here(microscope: Microscope) -> tuple[str, str]:
    """Block and stage in view."""
    stage = microscope[".stage[aria-selected=true]"].get_attribute("data-stage") or ""
    return microscope["[data-id=block]"].input_value(), stage


def test_the_text_comes_first_and_the_figure_follows(open_page: Open):
    microscope = open_page("text=I+am+a+student&block=encoder.0.self&stage=scores")
    before, title = microscope.picture(), microscope.text(".explain h2")
    press(microscope, "P")
    microscope.ready()
    assert microscope.text(".explain h2") != title
    assert microscope.picture() == before
    press(microscope, "P")
    microscope.page.wait_for_timeout(300)
    assert microscope.picture() != before
    assert microscope.address()["stage"] == "scale"


def test_escape_stops_it_and_shows_the_figure(open_page: Open):
    microscope = open_page("text=I+am+a+student&block=encoder.0.self&stage=scores")
    press(microscope, "P")
    assert phase(microscope) == "text"
    press(microscope, "Escape")
    assert phase(microscope) == ""
    assert microscope["[data-id=play-start]"].is_visible()
    assert here(microscope) == ("encoder.0.self", "scale")
    assert (
        microscope[".figure .plates"].evaluate("(plates) => getComputedStyle(plates).pointerEvents") == "auto"
    )
    assert not list(microscope.ready().differences())


def test_it_goes_on_from_wherever_one_jumps_to_and_back(open_page: Open):
    microscope = open_page("text=I+am+a+student&block=encoder.0.self&stage=scores")
    press(microscope, "P")
    microscope.stage("softmax")
    assert phase(microscope) == "figure"
    press(microscope, "P")
    assert here(microscope) == ("encoder.0.self", "context")
    press(microscope, "Shift+P")
    assert (here(microscope), phase(microscope)) == (("encoder.0.self", "softmax"), "figure")


def test_what_is_typed_is_not_taken_for_the_key(open_page: Open):
    microscope = open_page("text=I+am+a+student&block=encoder.0.self&stage=scores")
    microscope["[data-id=text]"].fill("")
    microscope["[data-id=text]"].press_sequentially("Pp")
    assert microscope["[data-id=text]"].input_value() == "Pp"
    assert phase(microscope) == ""


def test_the_slow_walk_rests_at_each_text_and_pauses(open_page: Open):
    microscope = open_page("text=I+am+a+student&block=encoder.0.self&stage=scores", reduced_motion="reduce")
    microscope.page.clock.install()
    press(microscope, "P", "P")
    microscope["[data-id=play-slow]"].click()
    assert (here(microscope)[1], phase(microscope)) == ("mask", "text")
    microscope.page.clock.run_for(2500)
    assert phase(microscope) == "text"
    microscope.page.clock.run_for(20_000)
    assert phase(microscope) == "figure" or here(microscope)[1] != "mask"
    microscope["[data-id=play-pause]"].click()
    there = here(microscope)
    microscope.page.clock.run_for(60_000)
    assert here(microscope) == there
