"""It fits every screen, and every control has a name."""

from itertools import combinations
from typing import Any

import pytest

from tests.browser.conftest import Open
from tests.browser.microscope import Microscope
from tests.browser.walk import sweep

pytestmark = pytest.mark.browser

SCREENS = {"phone": (390, 844), "laptop": (1366, 768), "desktop": (1920, 1080), "projector": (3840, 2160)}
NAMED = {
    "button",
    "tab",
    "radio",
    "option",
    "textbox",
    "searchbox",
    "combobox",
    "link",
    "application",
    "image",
}

BOXES = """(selector) => [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility()).map((e) => {
  const { left, top, right, bottom } = e.getBoundingClientRect();
  const name = e.textContent.trim().slice(0, 24) || e.dataset.id || e.tagName;
  return {name, left, top, right, bottom, screen: window.innerWidth};
})"""

CUT_OFF = """(selector) => [...document.querySelectorAll(selector)].filter(
  (e) => e.checkVisibility() && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
).map((e) => e.textContent)"""


def boxes(microscope: Microscope, selector: str) -> list[dict[str, Any]]:
    return microscope.page.evaluate(BOXES, selector)


SIDEWAYS = "() => document.documentElement.scrollWidth - window.innerWidth"


def sideways(microscope: Microscope) -> int:
    """How many pixels the page is too wide."""
    return microscope.page.evaluate(SIDEWAYS)


def overlaps(found: list[dict[str, Any]]) -> list[str]:
    """Pairs of boxes that share more than a pixel in both directions."""
    return [
        f"{a['name']!r} and {b['name']!r}"
        for a, b in combinations(found, 2)
        if min(a["right"], b["right"]) - max(a["left"], b["left"]) > 1
        and min(a["bottom"], b["bottom"]) - max(a["top"], b["top"]) > 1
    ]


def crowding(microscope: Microscope) -> list[str]:
    """What does not fit at the top of the page."""
    faults = [f"cut off: {text!r}" for text in microscope.page.evaluate(CUT_OFF, ".topbar button, .run")]
    if sideways(microscope) > 0:
        faults.append(f"{sideways(microscope)} px too wide")
    for selector in (".topbar :is(h1, select, button)", ".sentence form > *"):
        found = boxes(microscope, selector)
        assert len(found) > 1
        faults += [f"overlap: {pair}" for pair in overlaps(found)]
        faults += [
            f"outside: {box['name']!r}"
            for box in found
            if box["left"] < 0 or box["right"] > box["screen"] + 1
        ]
    return faults


@pytest.fixture(params=SCREENS)
def screen(request: pytest.FixtureRequest, open_page: Open) -> Microscope:
    width, height = SCREENS[request.param]
    return open_page(viewport={"width": width, "height": height})


def test_nothing_at_the_top_overlaps_or_is_cut_off(screen: Microscope):
    faults = {}
    for scale in (1, 1.25, 1.5):
        for language in ("en", "zh"):
            screen.language(language)
            faults[f"{language}, {scale}"] = crowding(screen)
        screen["[data-id=size]"].click()
    assert not {place: found for place, found in faults.items() if found}


def test_no_stage_makes_the_page_scroll_sideways(screen: Microscope):
    found = sweep(screen, ("words", "maths", "code"), SIDEWAYS)
    assert not {place: pixels for place, pixels in found.items() if pixels > 0}


def test_the_figure_and_the_explanation_are_in_the_first_screen(microscope: Microscope):
    for selector in (".figure .over", ".reading", ".derivation .line.now"):
        box = microscope[selector].first.bounding_box()
        assert box
        assert box["y"] < 768, selector


def names(microscope: Microscope) -> list[tuple[str, str]]:
    """Role and name of every control, as the browser gives them to a screen reader."""
    session = microscope.page.context.new_cdp_session(microscope.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    seen = [node for node in nodes if not node["ignored"] and node["role"]["value"] in NAMED]
    return [(node["role"]["value"], node.get("name", {}).get("value", "").strip()) for node in seen]


def test_every_control_has_a_name(microscope: Microscope):
    assert len(names(microscope)) > 60
    assert [role for role, name in names(microscope) if not name] == []
    for opener in ("[data-id=help]", ".badge", "[data-id=card]"):
        microscope.open_dialog(opener)
        assert [role for role, name in names(microscope) if not name] == []
        microscope.page.keyboard.press("Escape")


def test_headings_begin_with_one_title(microscope: Microscope):
    assert microscope["h1"].count() == 1
    assert microscope.page.locator("main").count() >= 1


def test_a_long_sentence_fits_too(open_page: Open):
    text = "+".join(["The+animal+didn't+cross+the+street+because+it+was+too+tired."] * 5)
    microscope = open_page(f"text={text}&to=fr&stage=softmax")
    assert len(microscope.expected().trace.tokens["encoder"]) > 50
    assert sideways(microscope) <= 0
    assert microscope.picture().colours > 20
    assert not list(microscope.differences())
