"""Models of other kinds fit every screen, in both languages, and every control of theirs has a name."""

from urllib.parse import urlencode

import pytest

from tests.browser.conftest import Open
from tests.browser.folders import Folders
from tests.browser.microscope import RECORD_TEXT, Microscope
from tests.browser.test_language_and_look import SAID, allowed, latin, said
from tests.browser.test_layout import SCREENS, SIDEWAYS, crowding, names
from tests.browser.walk import sweep

pytestmark = pytest.mark.browser

READ = {
    "gptoss": {"text": "The cat was tired, 苹果 too."},
    "t5": {"text": "the cat sat", "target": "the dog"},
    "swin": {"image": "example:cat", "block": "encoder.1.self"},
}


def address(folders: Folders, model: str) -> str:
    return urlencode({"model": folders[model], "query": 1, "key": 1} | READ[model])


@pytest.mark.parametrize("model", READ)
def test_nothing_stays_english_when_the_page_is_chinese(open_page: Open, folders: Folders, model: str):
    microscope = open_page(address(folders, model) + "&lang=zh", scripts=(RECORD_TEXT,))
    right, found = allowed(microscope), sweep(microscope, ("words", "maths"), SAID)
    left = {place: latin(words) - right for place, words in found.items()}
    for opener in (".badge", "[data-id=card]"):
        microscope.open_dialog(opener)
        left[opener] = said(microscope) - right
        microscope.page.keyboard.press("Escape")
    assert not {place: words for place, words in left.items() if words}


@pytest.mark.parametrize("model", READ)
def test_no_stage_makes_a_phone_scroll_sideways(open_page: Open, folders: Folders, model: str):
    width, height = SCREENS["phone"]
    microscope = open_page(address(folders, model), viewport={"width": width, "height": height})
    found = sweep(microscope, ("words", "maths"), SIDEWAYS)
    assert not {place: pixels for place, pixels in found.items() if pixels > 0}


@pytest.mark.parametrize("model", READ)
def test_every_control_has_a_name_and_its_place(open_page: Open, folders: Folders, model: str):
    microscope = open_page(address(folders, model))
    for language in ("en", "zh"):
        microscope.language(language)
        assert [role for role, name in names(microscope) if not name] == []
        if microscope["[data-id=text]"].is_visible():
            assert not crowding(microscope)


def test_the_dialog_for_another_model_is_chinese_on_a_chinese_page(microscope: Microscope):
    microscope.language("zh")
    right = allowed(microscope)
    microscope.open_dialog("[data-id=model]")
    microscope["dialog[open] [data-id=another]"].click()
    microscope.page.wait_for_selector("dialog[open] [data-suggested]")
    known = microscope.server.ask("models")
    given = [known["endpoint"], *(each["id"] for each in known["suggested"]), "float bfloat GB"]
    families = microscope["dialog[open] h3"].all_text_contents()
    assert not said(microscope) - right - latin([*given, *families])
    assert [role for role, name in names(microscope) if not name] == []
