"""Before the Transformer: states with their digits, one vector or attention, the curve, and reading backwards."""

import json
from urllib.parse import urlencode

import pytest

from models.catalog import CHECKPOINTS
from tests.browser.conftest import Open
from tests.browser.microscope import Microscope
from tests.browser.walk import faults

pytestmark = pytest.mark.browser

TEXT = "The cat sleeps."
PLAIN = {"model": "builtin/seq2seq", "text": TEXT, "lang": "en"}
ATTENTION = {"model": "builtin/seq2seq-attention", "text": TEXT, "lang": "en"}


def check_digits(microscope: Microscope, stage: str) -> None:
    assert microscope.address()["stage"] == stage
    assert not list(microscope.differences())


@pytest.mark.parametrize("model", [PLAIN, ATTENTION], ids=["plain", "attention"])
@pytest.mark.parametrize("stream", ["encoder", "decoder"])
def test_every_unit_of_a_state_has_its_digits(open_page: Open, model: dict[str, str], stream: str):
    at = {"block": f"{stream}.0.recurrent", "stage": "gates", "query": 2, "channel": 17}
    microscope = open_page(urlencode(model | at))
    assert not microscope.notices()
    for stage in ("gates", "state"):
        microscope.stage(stage)
        for language in ("en", "zh"):
            microscope.language(language)
            check_digits(microscope, stage)
    microscope[f'.strip[data-stream="{stream}"] .token[data-index="0"]'].click()
    check_digits(microscope, "state")


def test_without_attention_there_is_one_vector_and_no_weights(open_page: Open):
    microscope = open_page(urlencode(PLAIN | {"block": "decoder.0.recurrent", "stage": "bottleneck"}))
    check_digits(microscope, "bottleneck")
    assert microscope.stages() == [
        "tokens",
        "embedding",
        "gates",
        "state",
        "bottleneck",
        "logits",
        "output",
        "choice",
    ]
    assert not microscope[".lines"].is_visible()
    assert not microscope[".bars"].is_visible()
    assert microscope[".explain [data-note=absent_plain]"].is_visible()


def test_with_attention_every_stage_says_what_python_computes(open_page: Open):
    at = {"block": "decoder.0.cross", "query": 1, "key": 2, "channel": 5, "dimension": 9}
    microscope = open_page(urlencode(ATTENTION | at))
    assert microscope[".explain [data-note=absent_attention]"].is_visible()
    assert not faults(microscope, (2, 1), (0, 3))


def test_the_curve_shows_the_figures_of_both_models(open_page: Open):
    microscope = open_page(urlencode(PLAIN | {"block": "decoder.0.recurrent"}))
    said = microscope[".curve canvas"].get_attribute("aria-label") or ""
    for name in ("seq2seq", "seq2seq-attention"):
        file = CHECKPOINTS / "builtin" / name / "figures.json"
        for figure, point in json.loads(file.read_text(encoding="utf-8"))["figures"].items():
            if "exact." in figure:
                assert f"{figure.split('.')[1]} {point['value']:.2f}" in said, figure


def source(microscope: Microscope) -> list[str]:
    return microscope['.strip[data-stream="encoder"] .reads'].all_text_contents()


def test_reading_backwards_is_a_switch_and_stays_in_the_address(open_page: Open):
    microscope = open_page(urlencode(PLAIN | {"block": "encoder.0.recurrent", "stage": "state"}))
    assert source(microscope) == ["The", "cat", "sleeps", ".", "</s>"]
    microscope["[data-id=reading]"].click()
    microscope.ready()
    assert source(microscope) == [".", "sleeps", "cat", "The", "</s>"]
    assert microscope["[data-id=reading]"].get_attribute("aria-pressed") == "true"
    assert microscope.address()["reading"] == "reversed"
    check_digits(microscope, "state")
    again = open_page(urlencode(microscope.address()))
    assert source(again) == [".", "sleeps", "cat", "The", "</s>"]


def test_a_transformer_has_no_such_switch_and_no_curve(microscope: Microscope):
    assert not microscope["[data-id=reading]"].is_visible()
    assert not microscope[".curve"].is_visible()
