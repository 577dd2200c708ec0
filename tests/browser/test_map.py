"""The map of the model: its light follows the stage, a click goes there, and the bar of parameters is whole."""

import re

import pytest

from tests.browser.conftest import Open
from tests.browser.folders import Folders
from tests.browser.microscope import Microscope

pytestmark = pytest.mark.browser

LIT = ".map-place[aria-current=true]"


OPENING = 60_000
"""Milliseconds that a model of 48 layers may take to be opened and run."""


def lit(microscope: Microscope) -> str:
    """The place that glows; there is one."""
    assert microscope[LIT].count() == 1
    return microscope[LIT].get_attribute("data-place") or ""


def place(microscope: Microscope, id: str):
    return microscope[f'.map-place[data-place="{id}"]']


def labels(microscope: Microscope) -> list[str]:
    return microscope[".map-place"].all_inner_texts()


def test_the_light_follows_the_stage(open_page: Open):
    microscope = open_page("text=I+am+a+student&block=decoder.1.cross&stage=tokens")
    where = {
        "tokens": "decoder:tokens",
        "embedding": "decoder:embedding",
        "position": "decoder:position",
        "qkv": "decoder.1.cross:attention",
        "softmax": "decoder.1.cross:attention",
        "add_norm": "decoder.1.cross:norm",
        "mlp": "decoder.1:feed_forward",
        "output": "decoder:output",
    }
    for stage, lighted in where.items():
        assert lit(microscope.stage(stage)) == lighted


def test_a_click_on_a_place_goes_there(open_page: Open):
    microscope = open_page("text=I+am+a+student&block=decoder.1.cross&stage=softmax")
    for id, block, stage in (
        ("decoder.1.self:attention", "decoder.1.self", "qkv"),
        ("decoder.1:feed_forward", "decoder.1.cross", "mlp"),
        ("decoder:embedding", "decoder.1.cross", "embedding"),
        ("encoder:tokens", "encoder.0.self", "tokens"),
        ("decoder:output", "decoder.1.cross", "logits"),
    ):
        place(microscope, id).click()
        microscope.ready()
        address = microscope.address()
        assert (address["block"], address["stage"]) == (block, stage)
        assert lit(microscope) == id
    assert not list(microscope.stage("softmax").differences())


def test_the_layer_in_view_is_open_and_a_click_opens_another(open_page: Open):
    microscope = open_page("text=I+am+a+student&block=encoder.0.self&stage=softmax")
    assert place(microscope, "encoder.0.self:attention").count() == 1
    assert place(microscope, "encoder.1.self:attention").count() == 0
    place(microscope, "encoder.1").click()
    microscope.ready()
    assert microscope.address()["block"] == "encoder.1.self"
    assert lit(microscope) == "encoder.1.self:attention"
    assert place(microscope, "encoder.0").count() == 1
    assert place(microscope, "encoder.0.self:attention").count() == 0


def test_it_is_reached_with_the_keyboard(open_page: Open):
    microscope = open_page("text=I+am+a+student&block=decoder.0.cross&stage=softmax")
    assert microscope["button.map-place[tabindex='0']"].count() == 1
    microscope[LIT].focus()
    microscope.page.keyboard.press("ArrowUp")
    microscope.page.keyboard.press("ArrowUp")
    assert "feed_forward" in microscope.page.evaluate("document.activeElement.dataset.place")
    microscope.page.keyboard.press("Enter")
    microscope.ready()
    assert microscope.address()["stage"] == "mlp"
    assert microscope.page.evaluate("document.activeElement.dataset.place") == "decoder.0:feed_forward"


def test_it_folds_says_where_one_is_and_stays_folded(open_page: Open):
    microscope = open_page("text=I+am+a+student&block=encoder.0.self&stage=softmax")
    microscope["[data-id=map-fold]"].click()
    assert microscope[".map-place"].count() == 0
    assert microscope.text(".map-here") == "Encoder 0 · self · Softmax"
    assert microscope["[data-id=map-fold]"].get_attribute("aria-expanded") == "false"
    microscope.page.reload()
    microscope.ready()
    assert microscope[".map-place"].count() == 0
    microscope["[data-id=map-fold]"].click()
    assert lit(microscope) == "encoder.0.self:attention"


def test_on_a_phone_it_begins_folded(open_page: Open):
    microscope = open_page(viewport={"width": 390, "height": 844})
    assert microscope["[data-id=map-fold]"].is_visible()
    assert microscope[".map-place"].count() == 0


def test_it_is_in_both_languages(open_page: Open):
    microscope = open_page("text=I+am+a+student&block=decoder.0.cross&stage=softmax")
    english = labels(microscope)
    assert {"Cross-attention", "Feed-forward", "Norm", "Layer 1", "Output"} <= set(english)
    microscope.language("zh")
    chinese = labels(microscope)
    assert {"交叉注意力", "前馈网络", "归一化", "第 1 层", "输出"} <= set(chinese)
    assert len(english) == len(chinese)


def test_the_bar_of_parameters_is_the_whole_model(microscope: Microscope):
    percents = microscope[".shares-list li"].evaluate_all(
        "(all) => all.map((li) => Number(li.dataset.percent))"
    )
    counts = microscope[".shares-bar .share"].evaluate_all(
        "(all) => all.map((one) => Number(one.dataset.count))"
    )
    assert round(sum(percents), 6) == 100
    card = microscope.expected().trace.model
    assert sum(counts) == card.parameters == sum(count for _, count in card.shares)
    assert f"{card.parameters:,}" in microscope.text(".shares p")
    title = microscope['.shares-list [data-role="attention"]'].get_attribute("title") or ""
    assert f"{dict(card.shares)['attention']:,}" in title


def test_many_layers_fold_and_unfold(open_page: Open, folders: Folders):
    microscope = open_page()
    microscope.ask_for_model(folders["deep"])
    microscope.page.wait_for_selector(".map-place.folded", timeout=OPENING)
    microscope.opened(folders["deep"])
    group = microscope[".map-place.folded"].first
    assert re.fullmatch(r"\d+–\d+ × \d+", group.inner_text())
    assert microscope[".map-place"].count() < 20
    group.click()
    place(microscope, "decoder.30").click()
    microscope.ready()
    assert microscope.address()["block"] == "decoder.30.self"
    assert lit(microscope).startswith("decoder.30.self:")
