"""Every stage of models that do attention differently: what the page says is what Python computes."""

from urllib.parse import urlencode

import pytest

from tests.browser.conftest import Open
from tests.browser.folders import Folders
from tests.browser.microscope import RECORD_TEXT, Microscope
from tests.browser.reference import same
from tests.browser.walk import faults

pytestmark = pytest.mark.browser

TEXT = "The cat 🙂 was tired, 苹果 too."
PLACES = {
    "gpt2": {"block": "decoder.1.self", "head": 2},
    "llama": {"block": "decoder.1.self", "head": 6, "channel": 7},
    "gemma2": {"block": "decoder.0.self", "head": 3, "channel": 2},
    "bloom": {"block": "decoder.0.self", "head": 1},
    "gptoss": {"block": "decoder.0.self", "head": 5, "expert": 2},
    "mixtral": {"block": "decoder.1.self", "head": 0, "expert": 5, "channel": 1},
    "minilm": {"text": "The weather is lovely today.", "block": "encoder.2.self", "head": 9},
}


@pytest.mark.parametrize("model", PLACES)
def test_every_stage_says_what_python_computes(open_page: Open, folders: Folders, model: str):
    at = {"text": TEXT, "query": 6, "key": 3, "channel": 5, "dimension": 9} | PLACES[model]
    microscope = open_page(urlencode({"model": folders[model]} | at))
    assert not microscope.notices()
    assert not faults(microscope, (7, 1), (2, 5))


@pytest.mark.parametrize("block", ["encoder.0.self", "decoder.1.self", "decoder.1.cross"])
def test_every_stage_of_an_encoder_decoder(open_page: Open, folders: Folders, block: str):
    at = {"query": 3, "key": 2, "channel": 5, "dimension": 9, "block": block, "head": 1}
    microscope = open_page(urlencode({"model": folders["t5"], "text": TEXT, "target": "the dog slept"} | at))
    assert not microscope.notices()
    assert not faults(microscope, (1, 3), (3, 0))


def drawn(microscope: Microscope) -> set[str]:
    """What stands on the canvases since this was last asked."""
    return set(microscope.page.evaluate("() => { const all = [...drawn]; drawn.clear(); return all; }"))


@pytest.mark.parametrize("model", ["llama", "gptoss"])
def test_the_curve_of_a_rotation_goes_through_the_product_of_the_cell(
    open_page: Open, folders: Folders, model: str
):
    at = {"block": "decoder.1.self", "head": 3, "query": 7, "key": 2, "channel": 2, "stage": "rotation"}
    address = urlencode({"model": folders[model], "text": TEXT} | at)
    microscope = open_page(address, scripts=(RECORD_TEXT,))
    expected = microscope.expected()
    for language, query in (("en", 7), ("zh", 7), ("zh", 4)):
        microscope.language(language)
        microscope[f".strip .token[data-index='{query}']"].click()
        here = expected.moved(language, query=query).curve()
        assert any(same(text, here) for text in drawn(microscope))


def test_pointing_into_a_rotation_rewrites_its_digits(open_page: Open, folders: Folders):
    at = {"block": "decoder.0.self", "head": 1, "query": 5, "key": 3, "channel": 1, "stage": "rotation"}
    microscope = open_page(urlencode({"model": folders["llama"], "text": TEXT} | at))
    before = microscope.lines()
    cell = microscope.point("query", apart_from=(5, -1))
    channel = int(cell.tip.split("\n")[0].split()[-1])
    wanted = microscope.expected().moved("en", query=cell.query, channel=channel)
    shown = microscope.lines()
    assert shown != before
    assert same(cell.tip.split("\n")[1].split()[-1], f"{wanted.facts['query_value']:.4f}".replace("-", "−"))
    assert shown.keys() == wanted.lines().keys()
    assert all(same(shown[id], line) for id, line in wanted.lines().items())


def test_pointing_marks_the_cell_in_all_views_of_a_modern_model(open_page: Open, folders: Folders):
    microscope = open_page(urlencode({"model": folders["gptoss"], "text": TEXT, "stage": "softmax"}))
    cell = microscope.point("weights", apart_from=microscope.active())
    expected = microscope.expected().moved("en", query=cell.query, key=cell.key)
    assert all(same(microscope.lines()[id], line) for id, line in expected.lines().items())
    assert same(microscope.text(".reading"), expected.reading())
    assert expected.trace.tokens["decoder"][cell.query].text in microscope.text(".bars h2")


def test_a_reader_of_shared_keys_opens_its_head(open_page: Open, folders: Folders):
    at = {"block": "decoder.1.self", "head": 6, "stage": "shared"}
    microscope = open_page(urlencode({"model": folders["llama"], "text": TEXT} | at))
    assert microscope[".shared-head"].count() == 2
    assert microscope.text(".shared-head.mine .thumb[aria-pressed=true]") == "6"
    assert microscope[".shared-head.mine .thumb"].all_text_contents() == ["4", "5", "6", "7"]
    microscope[".shared-head .thumb"].nth(1).click()
    microscope.ready()
    assert microscope.address() | {"head": "1", "stage": "shared"} == microscope.address()
    assert microscope.text(".shared-head.mine h3") == microscope.expected().ui("shared_head", {"head": 0})
    assert not list(microscope.differences())


def test_an_expert_is_chosen_by_its_column(open_page: Open, folders: Folders):
    at = {"block": "decoder.0.self", "head": 1, "query": 3, "stage": "router"}
    microscope = open_page(urlencode({"model": folders["mixtral"], "text": TEXT} | at))
    microscope[".over"].focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        microscope.page.keyboard.press(key)
    address = microscope.address()
    assert (address["query"], address["expert"]) == ("4", "2")
    assert not list(microscope.differences())
