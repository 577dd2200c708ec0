"""It fits every screen, and every control has a name."""

from itertools import combinations
from typing import Any

import pytest

from tests.browser.conftest import Open
from tests.browser.microscope import Microscope
from viz.stages import STAGE_IDS

pytestmark = pytest.mark.browser

SCREENS = {"phone": (390, 844), "laptop": (1366, 768), "desktop": (1920, 1080), "projector": (3840, 2160)}
NAMED = {"button", "tab", "radio", "option", "textbox", "searchbox", "combobox", "link", "application", "image", "img"}

BOXES = """(selector) => [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility()).map((e) => {
  const { left, top, right, bottom } = e.getBoundingClientRect();
  return {name: e.textContent.trim().slice(0, 24) || e.dataset.id || e.tagName, left, top, right, bottom};
})"""


def boxes(microscope: Microscope, selector: str) -> list[dict[str, Any]]:
    return microscope.page.evaluate(BOXES, selector)


def overlaps(found: list[dict[str, Any]]) -> list[str]:
    """Pairs of boxes that share more than a pixel in both directions."""
    return [
        f"{a['name']!r} and {b['name']!r}"
        for a, b in combinations(found, 2)
        if min(a["right"], b["right"]) - max(a["left"], b["left"]) > 1
        and min(a["bottom"], b["bottom"]) - max(a["top"], b["top"]) > 1
    ]


@pytest.fixture(params=SCREENS)
def screen(request: pytest.FixtureRequest, open_page: Open) -> Microscope:
    width, height = SCREENS[request.param]
    return open_page(viewport={"width": width, "height": height})


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_scrolls_sideways_and_nothing_at_the_top_overlaps(screen: Microscope, language: str):
    screen.language(language)
    for _ in range(3):
        screen["[data-id=size]"].click()
        wide = screen.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{wide} px too wide"
        for selector in (".topbar :is(h1, select, button)", ".sentence form > *"):
            found = boxes(screen, selector)
            assert len(found) > 3
            assert not overlaps(found)
            width = screen.page.viewport_size["width"]
            assert all(0 <= box["left"] and box["right"] <= width + 1 for box in found)


def test_no_stage_makes_the_page_scroll_sideways(screen: Microscope):
    for stage in STAGE_IDS:
        screen.stage(stage)
        for depth in ("words", "maths", "code"):
            screen[f".explain [data-id={depth}]"].click()
            wide = screen.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{stage}, {depth}: {wide} px too wide"


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


@pytest.mark.parametrize("opener", ["", "[data-id=help]", ".badge", "[data-id=card]"])
def test_every_control_has_a_name(microscope: Microscope, opener: str):
    if opener:
        microscope[opener].click()
        microscope.page.wait_for_selector("dialog[open]")
    found = names(microscope)
    assert [role for role, name in found if not name] == []
    assert len(found) > 3 or opener


def test_headings_begin_with_one_title(microscope: Microscope):
    assert microscope["h1"].count() == 1
    assert microscope.page.locator("main").count() >= 1


def test_a_long_sentence_fits_too(open_page: Open):
    text = "+".join(["The+animal+didn't+cross+the+street+because+it+was+too+tired."] * 5)
    microscope = open_page(f"text={text}&to=fr&stage=softmax")
    assert len(microscope.expected().trace.tokens["encoder"]) > 50
    assert microscope.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert microscope.colours() > 20
    assert not list(microscope.differences())
