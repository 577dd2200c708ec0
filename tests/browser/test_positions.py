"""The tab of positions: what stands at every stage of it, in both languages and at each depth, against Python."""

from urllib.parse import urlencode

import pytest

from tests.browser.conftest import Open
from tests.browser.folders import Folders
from tests.browser.microscope import RECORD_TEXT, Microscope
from tests.browser.reference import same
from tests.browser.walk import faults
from viz import positions

pytestmark = pytest.mark.browser

TEXT = "The weather is nice today."
AT = {"tab": "positions", "query": 4, "key": 1, "channel": 2, "dimension": 9, "shift": 3}
PLACES = {
    "builtin/translator": {"block": "encoder.0.self", "stage": "encoding", "to": "fr"},
    "builtin/gpt": {"block": "decoder.0.self", "stage": "encoding"},
    "builtin/llama": {"block": "decoder.0.self", "stage": "turning"},
    "t5": {"block": "decoder.1.self", "stage": "reach", "target": "the cat sat on the mat"},
    "bloom": {"block": "decoder.1.self", "stage": "reach", "head": 2},
}


def opened(open_page: Open, folders: Folders, model: str, **more: object) -> Microscope:
    name = model if model.startswith("builtin") else folders[model]
    at = {"model": name, "text": TEXT} | AT | PLACES[model] | more
    return open_page(urlencode(at), scripts=(RECORD_TEXT,))


@pytest.mark.parametrize("model", PLACES)
def test_every_stage_says_what_python_computes(open_page: Open, folders: Folders, model: str):
    microscope = opened(open_page, folders, model)
    assert not microscope.notices()
    assert not faults(microscope, (3, 2))


def drawn(microscope: Microscope, wanted: str) -> bool:
    """Whether a text stands on the canvases."""
    return any(same(text, wanted) for text in microscope.page.evaluate("() => [...drawn]"))


def test_the_curves_go_through_the_numbers_of_the_cell(open_page: Open, folders: Folders):
    microscope = opened(open_page, folders, "builtin/translator", stage="likeness")
    expected = microscope.expected()
    rows = positions.encoding(expected.trace, "encoder")
    mean = float((rows @ rows.T).diagonal(3).mean())
    assert drawn(microscope, expected.ui("likeness_here", {"apart": 3, "mean": mean}))


@pytest.mark.parametrize("model", ["t5", "bloom"])
def test_the_curve_of_a_head_goes_through_what_it_adds(open_page: Open, folders: Folders, model: str):
    microscope = opened(open_page, folders, model)
    expected = microscope.expected()
    said = {"head": expected.at.head, "offset": "−3", "here": expected.facts["reach"]}
    assert drawn(microscope, expected.ui("reach_here", said))


def test_a_cell_of_the_waves_says_its_formula_even_below_the_sentence(open_page: Open, folders: Folders):
    microscope = opened(open_page, folders, "builtin/translator")
    before = microscope.address()
    box = microscope[".over"].bounding_box()
    assert box
    tips = set()
    for down in range(150, int(box["height"]) - 60, 24):
        microscope.page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + down)
        tips.add(microscope.page.evaluate("document.querySelector('.figure .tip').textContent"))
    table = positions.sines(positions.SHOWN, 128)
    seen = [tip.split("\n") for tip in tips if "10000^" in tip]
    assert max(int(place.split()[1]) for place, _ in seen) > 20
    for place, said in seen:
        row, dimension = int(place.split()[1]), int(place.split()[-1])
        value = f"{table[row, dimension]:.4f}".replace("-", "−")
        assert same(said.split(" = ")[0].split()[-1], value)
        assert said.endswith(f"({row} ÷ 10000^({2 * (dimension // 2)}/128))")
    assert microscope.address() == before


@pytest.mark.parametrize(("model", "stage"), [("builtin/translator", "step"), ("builtin/llama", "turning")])
def test_the_slider_moves_on_and_its_place_is_in_the_address(
    open_page: Open, folders: Folders, model: str, stage: str
):
    microscope = opened(open_page, folders, model, stage=stage)
    assert microscope[".dial"].count() >= 4
    microscope["[data-id=shift]"].focus()
    microscope.page.keyboard.press("ArrowRight")
    microscope.page.keyboard.press("ArrowRight")
    assert microscope.address()["shift"] == "5"
    expected = microscope.expected()
    assert same(microscope.text(".dials-said"), expected.ui(f"{stage}_said", expected.facts))
    assert not list(microscope.differences())
    microscope.language("zh")
    expected = microscope.expected()
    assert same(microscope.text(".dials-said"), expected.ui(f"{stage}_said", expected.facts))
    microscope[".dial"].nth(2).click()
    assert microscope[".dial"].nth(2).get_attribute("aria-pressed") == "true"
    assert not list(microscope.differences())


def test_a_recurrent_network_needs_none_and_says_why(open_page: Open):
    microscope = open_page(
        urlencode({"model": "builtin/seq2seq", "text": "the weather is nice today", "lang": "zh"})
    )
    microscope[".tab[data-tab=positions]"].click()
    assert microscope.text(".nothing") == microscope.texts["ui"]["positions_none_recurrent"]["zh"]
