"""A page of text: everything is drawn, the pointer is followed, small pictures stay small."""

from itertools import pairwise
from urllib.parse import urlencode

import pytest

from tests.browser.conftest import Open
from tests.browser.folders import Folders
from tests.browser.microscope import Microscope
from tests.browser.reference import same
from viz.payload import THUMBNAIL

pytestmark = pytest.mark.browser

TEXT = "the cat sat on the mat and the dog slept in the house. " * 26
SHAPES = "(all) => [...new Set(all.map((one) => `${one.width} × ${one.height}`))]"


@pytest.fixture
def long(open_page: Open, folders: Folders) -> Microscope:
    at = {"block": "decoder.1.self", "head": 1, "query": 300, "key": 120, "stage": "softmax"}
    microscope = open_page(urlencode({"model": folders["gpt2"], "text": TEXT.strip()} | at))
    assert 350 < len(microscope.expected().trace.tokens["decoder"]) < 450
    return microscope


def test_a_page_of_text_is_drawn_and_says_what_python_computes(long: Microscope):
    assert not long.notices()
    assert long.picture().colours > 20
    assert not list(long.differences())
    for stage in long.stages():
        long.stage(stage)
        assert not list(long.differences()), stage


def test_small_pictures_of_long_texts_are_pooled_and_say_so(long: Microscope):
    assert long[".thumb canvas"].evaluate_all(SHAPES) == [f"{THUMBNAIL} × {THUMBNAIL}"]
    assert long.expected().ui("heads_pooled") in long.text(".heads")
    expected = long.expected()
    weights = long.server.bundle(expected.request.key, "thumbnails")["decoder.1.self"][1]
    starts = [len(expected.head.weights) * i // THUMBNAIL for i in range(THUMBNAIL + 1)]
    rows = [slice(*ends) for ends in pairwise(starts)]
    pooled = [[expected.head.weights[row, column].max() for column in rows] for row in rows]
    assert abs(weights / 255 - pooled).max() < 0.003


def test_the_pointer_is_followed_over_a_long_text(long: Microscope):
    cell = long.point("weights", apart_from=long.active())
    expected = long.expected().moved("en", query=cell.query, key=cell.key)
    assert all(same(long.lines()[id], line) for id, line in expected.lines().items())
    assert same(long.text(".reading"), expected.reading())
    assert same(cell.tip.split("\n")[1], f"weights {expected.facts['weight']:.4f}") or not expected.may
    quick = long.page.evaluate(
        """async ([x, y]) => {
          const over = document.querySelector(".over"), began = performance.now();
          for (let i = 0; i < 20; i++) {
            over.dispatchEvent(new PointerEvent("pointermove", {clientX: x + i, clientY: y + 2 * i, bubbles: true}));
            await new Promise(requestAnimationFrame);
          }
          return (performance.now() - began) / 20;
        }""",
        [cell.x, cell.y],
    )
    assert quick < 400, "milliseconds for each move"


def test_a_click_far_down_chooses_and_all_views_follow(long: Microscope):
    long[".strip .token[data-index='340']"].click()
    assert long.address()["query"] == "340"
    assert not list(long.differences())
    assert long.expected().trace.tokens["decoder"][340].text in long.text(".bars h2")
