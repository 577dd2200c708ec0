"""Every number on the page is the one that Python computes from the same sentence."""

from urllib.parse import urlencode

import pytest

from tests.browser.conftest import Open
from tests.browser.microscope import Microscope
from tests.browser.reference import same
from tests.browser.walk import faults

pytestmark = pytest.mark.browser

SENTENCES = {
    "fr": "The animal didn't cross the street because it was too wide.",
    "zh": "The weather is nice today.",
    "en": "我正在吃绿色的苹果",
}


@pytest.mark.parametrize("to", SENTENCES)
def test_a_typed_sentence_shows_the_numbers_of_its_run_also_beside_the_pointer(
    microscope: Microscope, to: str
):
    microscope.run(SENTENCES[to], to=to)
    assert not list(microscope.differences())
    address = microscope.address()
    assert (address["text"], address["to"]) == (SENTENCES[to], to)
    microscope.open_head("decoder.1.cross", 0)
    assert not list(microscope.differences())
    cell = microscope.point("weights", apart_from=microscope.active())
    expected = microscope.expected()
    tokens = expected.trace.tokens
    names = f"“{tokens['decoder'][cell.query].text}” · “{tokens['encoder'][cell.key].text}”"
    assert same(cell.tip, f"{names}\nweights {expected.head.weights[cell.query, cell.key]:.4f}")


def test_the_translation_on_the_page_is_the_model_s(microscope: Microscope):
    microscope.run(SENTENCES["en"], to="en")
    trace = microscope.expected().trace
    shown = microscope[".strip[data-stream=decoder] .reads"].all_text_contents()
    predicted = microscope[".strip[data-stream=decoder] .predicts"].all_text_contents()
    assert shown == [token.text for token in trace.tokens["decoder"]]
    assert predicted == [f"→ {token.text}" for token in trace.predictions]


def test_a_typed_translation_is_what_the_decoder_reads(microscope: Microscope):
    microscope.run(SENTENCES["fr"], to="fr", target="la rue était large .")
    microscope.open_head("decoder.1.cross", 1)
    shown = microscope[".strip[data-stream=decoder] .reads"].all_text_contents()
    assert shown[1:] == ["la", "rue", "était", "large", "."]
    assert not list(microscope.differences())


@pytest.mark.parametrize("block", ["encoder.0.self", "decoder.1.cross"])
def test_every_stage_shows_the_digits_of_its_computation(open_page: Open, block: str):
    at = {"block": block, "head": 2, "query": 2, "key": 4, "channel": 5, "dimension": 9, "to": "fr"}
    microscope = open_page(urlencode({"text": SENTENCES["fr"]} | at))
    assert not microscope.notices()
    assert not faults(microscope, (5, 1))


@pytest.mark.parametrize(("query", "key", "may"), [(1, 3, False), (3, 1, True)])
def test_a_forbidden_cell_says_so_and_has_no_weight(open_page: Open, query: int, key: int, may: bool):
    at = f"text=I+am+a+student&to=fr&block=decoder.0.self&head=1&stage=mask&query={query}&key={key}"
    microscope = open_page(at)
    assert microscope.expected().may == may
    assert not list(microscope.differences())
    assert ("−∞" in microscope.lines()["line_mask"]) != may
