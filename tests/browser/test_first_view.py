"""The first thing that a person sees, without touching anything."""

import re

import pytest

from tests.browser.conftest import Open
from tests.browser.microscope import RECORD_TEXT, Microscope

pytestmark = pytest.mark.browser


def test_the_first_view_is_drawn_without_a_click(microscope: Microscope):
    assert microscope.picture().colours > 20
    assert any(re.search(r"\d\.\d", line) for line in microscope.lines().values())
    assert microscope.text(".reading")
    assert not microscope.notices()


def test_the_first_view_says_what_python_computes(microscope: Microscope):
    assert not list(microscope.differences())


def test_the_first_view_opens_one_head_of_the_first_example(microscope: Microscope, texts):
    first, address = texts["presets"][0], microscope.address()
    assert {name: address[name] for name in ("model", "text", "block", "stage")} == {
        name: first[name] for name in ("model", "text", "block", "stage")
    }
    assert microscope["[data-id=text]"].input_value() == first["text"]
    assert microscope.text(".presets .why") == first["en"]["why"]
    tokens = microscope.expected().trace.tokens["encoder"]
    assert tokens[int(address["query"])].text == first["query"]
    assert tokens[int(address["key"])].text == first["key"]


def test_the_figure_is_labelled_with_the_tokens(open_page: Open):
    microscope = open_page(scripts=(RECORD_TEXT,))
    drawn = set(microscope.page.evaluate("[...window.drawn]"))
    assert {token.text for token in microscope.expected().trace.tokens["encoder"]} <= drawn


def test_every_example_opens_and_says_what_python_computes(microscope: Microscope, texts):
    faults = []
    for preset in texts["presets"]:
        if microscope.model() != preset["model"]:
            microscope.choose(preset["model"])
        microscope[f".chip[data-preset={preset['id']}]"].click()
        microscope.page.wait_for_selector(f".chip[data-preset={preset['id']}][aria-pressed=true]")
        microscope.ready()
        faults += [f"{preset['id']}: {fault}" for fault in microscope.differences()]
        assert microscope.address()["stage"] == preset["stage"]
    assert not faults, "\n".join(faults)


def test_only_this_machine_is_asked_and_nothing_is_asked_twice(microscope: Microscope):
    asked = [url for url in microscope.watch.asked if "/microscope/" in url and not url.endswith("/run")]
    assert len(asked) == len(set(asked)), [url for url in asked if asked.count(url) > 1]
