"""Outputs and sentence pairs on the page: bars and digits are those of Python, in both languages."""

from urllib.parse import urlencode

import pytest

from tests.browser.conftest import Open
from tests.browser.folders import Folders
from tests.browser.microscope import Microscope
from tests.browser.reference import same
from tests.browser.walk import faults
from viz.outputs import output
from viz.texts import spell

pytestmark = pytest.mark.browser

PAIR = "[CLS] the man went to [MASK] store [SEP] he bought a gallon [MASK] milk [SEP]"
MASKED = (5, 12)


def bars(microscope: Microscope) -> list[list[str]]:
    """Name, probability and logit of every bar."""
    rows = microscope[".outputs tbody tr"].all()
    return [
        [row.locator(part).inner_text().strip() for part in ("th", ".probability", ".logit")] for row in rows
    ]


def expected_bars(microscope: Microscope, row: int) -> list[list[str]]:
    here = microscope.expected()
    said = output(here.trace, row)
    shown = zip(said.tokens, said.probabilities.tolist(), said.logits.tolist(), strict=True)
    named = [[token.text, spell(chance, ".4f"), spell(logit, ".3f")] for token, chance, logit in shown]
    others = here.ui("output_rest", {"count": said.size - len(named)})
    return [*named, [others, spell(said.rest, ".4f"), ""]]


def all_same(shown: list[list[str]], wanted: list[list[str]]) -> bool:
    return len(shown) == len(wanted) and all(
        same(a, b)
        for left, right in zip(shown, wanted, strict=True)
        for a, b in zip(left, right, strict=True)
    )


def test_a_hidden_word_has_its_bars_and_digits_in_both_languages(open_page: Open, folders: Folders):
    at = {"model": folders["pretraining"], "text": PAIR, "stage": "output", "query": MASKED[0]}
    microscope = open_page(urlencode(at))
    for language in ("en", "zh"):
        microscope.language(language)
        assert all_same(bars(microscope), expected_bars(microscope, MASKED[0]))
        assert not list(microscope.differences())
    microscope[".hidden-rows .chip"].nth(1).click()
    microscope.ready()
    assert microscope.address()["query"] == str(MASKED[1])
    assert all_same(bars(microscope), expected_bars(microscope, MASKED[1]))
    microscope[".outputs tbody tr"].nth(4).click()
    assert microscope.address()["choice"] == "4"
    assert not list(microscope.differences())
    assert microscope[".outputs tr.chosen"].count() == 1


def test_every_stage_of_a_pair_says_what_python_computes(open_page: Open, folders: Folders):
    at = {"model": folders["pretraining"], "text": PAIR, "query": 9, "key": 3, "channel": 5, "dimension": 9}
    microscope = open_page(urlencode(at))
    assert {"position", "output", "next_sentence"} <= {*microscope.stages()}
    assert not faults(microscope, (5, 1), (12, 9))


def test_the_strip_says_where_each_sentence_begins(open_page: Open, folders: Folders):
    microscope = open_page(urlencode({"model": folders["pretraining"], "text": PAIR, "stage": "tokens"}))
    segments = [token.segment for token in microscope.expected().trace.tokens["encoder"]]
    for language in ("en", "zh"):
        microscope.language(language)
        here = microscope.expected()
        names = microscope[".strip .segment-name"].all_text_contents()
        assert names == [here.ui("segment_a"), here.ui("segment_b")]
        assert microscope[".strip .token.second"].count() == sum(segments)
        column = microscope[".token-table tbody td:nth-child(4)"].all_text_contents()
        assert column == ["AB"[segment] for segment in segments]


def test_arrow_keys_move_along_the_bars(open_page: Open, folders: Folders):
    at = {"model": folders["gpt2"], "text": "the cat sat on the mat", "stage": "output", "query": 3}
    microscope = open_page(urlencode(at))
    microscope[".token-table"].focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        microscope.page.keyboard.press(key)
    assert microscope.address()["choice"] == "2"
    assert not list(microscope.differences())


def test_classes_of_an_image_are_all_shown(open_page: Open, folders: Folders):
    at = {"model": folders["vit"], "image": "example:cat", "stage": "output"}
    microscope = open_page(urlencode(at))
    shown = bars(microscope)
    assert {name for name, *_ in shown} == {f"LABEL_{id}" for id in range(10)}
    assert sum(float(chance) for _, chance, _ in shown) == pytest.approx(1, abs=1e-3)
    assert not list(microscope.differences())
