"""One selection in every view: what is pointed at, clicked or chosen in one is marked in all."""

import re

import pytest
from playwright.sync_api import Route

from models.trace import TOLERANCE
from tests.browser.conftest import Open
from tests.browser.microscope import Microscope
from tests.browser.reference import request_of, same

pytestmark = pytest.mark.browser

MARKS = """() => [...document.querySelectorAll(".thumb")].map((thumb) => {
  const mark = thumb.querySelector(".mark");
  const { width, height } = thumb.querySelector("canvas").getBoundingClientRect();
  const at = ["left", "top"].map((side) => parseFloat(mark.style[side]));
  return {block: thumb.dataset.block, hidden: mark.hidden, key: at[0] / width, query: at[1] / height};
})"""
"""The marked cell of each thumbnail, as shares of its width and height."""


def test_pointing_marks_the_same_cell_in_every_view(microscope: Microscope):
    before = microscope.address()
    cell = microscope.point("weights", apart_from=microscope.active())
    tokens = microscope.expected().trace.tokens["encoder"]
    marks = microscope.page.evaluate(MARKS)
    here = [mark for mark in marks if mark["block"].startswith("encoder")]
    assert len(here) == 8
    for mark in here:
        assert mark["query"] * len(tokens) == pytest.approx(cell.query, abs=0.05)
        assert mark["key"] * len(tokens) == pytest.approx(cell.key, abs=0.05)
    assert all(mark["hidden"] for mark in marks if mark["block"].startswith("decoder"))
    assert tokens[cell.query].text in microscope.text(".bars h2")
    assert microscope.address() == before, "pointing alone chooses nothing"


def test_pointing_rewrites_the_explanation(microscope: Microscope):
    cell = microscope.point("weights", apart_from=microscope.active())
    expected = microscope.expected()
    assert same(
        microscope.lines()["line_weight"].split("weight")[1],
        f" {expected.head.weights[cell.query, cell.key]:.4f}",
    )


def test_the_pointer_leaves_and_the_chosen_cell_is_back(microscope: Microscope):
    chosen, lines = microscope.active(), microscope.lines()
    microscope.point("weights", apart_from=chosen)
    assert microscope.lines() != lines
    microscope["h1"].hover()
    assert (microscope.active(), microscope.lines()) == (chosen, lines)


def test_a_click_pins_the_cell_and_escape_frees_it(microscope: Microscope):
    other = microscope.point("weights", apart_from=microscope.active())
    cell = microscope.point("weights", apart_from=(other.query, other.key))
    microscope.page.mouse.click(cell.x, cell.y)
    address = microscope.address()
    assert (address["query"], address["key"]) == (str(cell.query), str(cell.key))
    assert not list(microscope.differences())
    microscope.page.mouse.move(other.x, other.y)
    assert microscope.active() == (cell.query, cell.key)
    microscope.page.keyboard.press("Escape")
    microscope.page.mouse.move(other.x + 1, other.y)
    assert microscope.active() == (other.query, other.key)


def test_a_thumbnail_opens_its_head(microscope: Microscope):
    microscope.open_head("decoder.1.cross", 0)
    address = microscope.address()
    assert (address["block"], address["head"]) == ("decoder.1.cross", "0")
    assert microscope[".thumb[aria-pressed=true]"].count() == 1
    assert not list(microscope.differences())


def test_every_thumbnail_opens_its_head(microscope: Microscope):
    trace = microscope.expected().trace
    chosen = microscope.address()
    for block in trace.blocks:
        for head in range(block.heads):
            microscope.open_head(block.name, head)
            weight = trace.head(block.name, head).weights[microscope.active()]
            shown = microscope.text(".line[data-line=line_weight] b")
            assert same(shown, f"{weight:.4f}"), f"{block.name} {head}, opened from {chosen}"


def hold(held: list[Route], route: Route) -> None:
    held.append(route)


def test_a_head_on_its_way_lends_its_name_to_no_other_numbers(microscope: Microscope):
    held: list[Route] = []
    microscope.page.route("**/head/decoder.0.self/1", lambda route: hold(held, route))
    before = microscope.lines() | {"reading": microscope.text(".reading")}
    microscope['.thumb[data-block="decoder.0.self"][data-head="1"]'].click()
    microscope.page.wait_for_function("window.waiting > 0")
    shown = microscope.lines() | {"reading": microscope.text(".reading")}
    assert shown == before or not re.search(r"\d\.\d", "".join(shown.values())), "old numbers under new names"
    held[0].continue_()
    assert not list(microscope.ready().differences())


def test_a_bar_chooses_its_key(microscope: Microscope):
    keys = len(microscope.expected().trace.tokens["encoder"])
    bars = microscope[".bars canvas"]
    bars.scroll_into_view_if_needed()
    box = bars.bounding_box()
    assert box
    microscope.page.mouse.click(box["x"] + 40, box["y"] + (4 + 0.5) * box["height"] / keys)
    assert microscope.address()["key"] == "4"
    assert not list(microscope.differences())


@pytest.mark.parametrize(("across", "part"), [(0.1, "query"), (0.9, "key")])
def test_a_line_s_end_chooses_its_token(microscope: Microscope, across: float, part: str):
    length = len(microscope.expected().trace.tokens["encoder"])
    lines = microscope[".lines canvas"]
    lines.scroll_into_view_if_needed()
    box = lines.bounding_box()
    assert box
    microscope.page.mouse.click(
        box["x"] + across * box["width"], box["y"] + (3 + 0.5) * box["height"] / length
    )
    assert microscope.address()[part] == "3"
    assert not list(microscope.differences())


def test_a_click_on_a_token_chooses_the_query_and_with_shift_the_key(microscope: Microscope):
    strip = microscope[".strip[data-stream=encoder]"]
    strip.locator('[data-index="3"]').click()
    strip.locator('[data-index="5"]').click(modifiers=["Shift"])
    assert microscope.active() == (3, 5)
    assert not list(microscope.differences())


def test_in_cross_attention_each_strip_chooses_its_own_part(microscope: Microscope):
    microscope.open_head("decoder.1.cross", 0)
    microscope[".strip[data-stream=decoder] [data-index='2']"].click()
    microscope[".strip[data-stream=encoder] [data-index='6']"].click()
    assert microscope.active() == (2, 6)
    assert not list(microscope.differences())


def test_the_selection_stays_through_every_stage(microscope: Microscope):
    chosen = {name: microscope.address()[name] for name in ("block", "head", "query", "key")}
    for stage in ("tokens", "qkv", "scores", "context", "softmax"):
        microscope.stage(stage)
        address = microscope.address()
        assert {name: address[name] for name in chosen} == chosen


def test_the_proof_names_the_error_of_every_head(microscope: Microscope):
    expected = microscope.expected()
    key = request_of(microscope.address()).key
    proofs, blocks = microscope.server.bundle(key, "proofs"), expected.trace.blocks
    microscope[".badge"].click()
    cells = microscope["dialog[open] tbody td"]
    cells.first.wait_for()
    errors = [float(error) for block in blocks for error in proofs[f"error:{block.name}"]]
    wanted = [f"{error:.1e}".replace("-", "−") for error in errors]
    assert all(error <= TOLERANCE for error in errors)
    assert cells.all_text_contents() == wanted
    assert microscope["dialog[open] td.bad"].count() == 0
    assert microscope["dialog[open] th[scope=row]"].count() == len(blocks) == 6


def test_the_largest_selected_error_is_within_the_tolerance(open_page: Open):
    microscope = open_page("text=I+am+a+student")
    assert microscope[".badge.good"].count() == 1
