"""The models in the box: listed by group with a line each, chosen by mouse or keyboard, each with its own examples."""

from typing import Any
from urllib.parse import urlencode

import pytest

from models import BUILTIN
from models.catalog import figures
from tests.browser.conftest import Open
from tests.browser.folders import Folders
from tests.browser.microscope import Microscope

pytestmark = pytest.mark.browser

FOCUSED = "() => document.activeElement?.matches(%r) ?? false"
PHONE = {"width": 390, "height": 844}
ROWS = """() => [...document.querySelectorAll("dialog[open] .family section")].map((section) => ({
  title: section.querySelector("h3").textContent,
  rows: [...section.querySelectorAll(".choice")].map((row) => ({
    name: row.dataset.model, title: row.querySelector("strong").textContent,
    line: row.querySelector(".says").textContent, current: row.getAttribute("aria-current") })),
}))"""


def members(texts: dict[str, Any]) -> dict[str, Any]:
    """The models that this app has, in the order of the chooser."""
    return {member["name"]: member for member in texts["family"]["model"] if member["name"] in BUILTIN}


def open_chooser(microscope: Microscope) -> list[dict[str, Any]]:
    """What the dialog lists."""
    microscope.open_dialog("[data-id=model]")
    microscope.page.wait_for_selector("dialog[open] .family")
    return microscope.page.evaluate(ROWS)


def first(texts: dict[str, Any], name: str) -> dict[str, Any]:
    """The example that a model opens on."""
    return next(preset for preset in texts["presets"] if preset["model"] == name)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_model_is_listed_under_its_group_with_its_line(microscope: Microscope, texts, language):
    microscope.language(language)
    listed = open_chooser(microscope)
    groups = {group["id"]: group[language] for group in texts["family"]["group"]}
    found = {row["name"]: (section["title"], row) for section in listed for row in section["rows"]}
    assert list(found) == list(members(texts))
    for name, member in members(texts).items():
        title, row = found[name]
        assert title == groups[member["group"]]
        assert (row["title"], row["line"]) == (member[language]["title"], member[language]["line"])
        assert row["current"] == ("true" if name == "builtin/translator" else None)


@pytest.mark.parametrize("name", BUILTIN)
def test_a_model_opens_on_its_own_example(open_page: Open, texts, name: str):
    other = next(each for each in reversed(BUILTIN) if each != name)
    microscope = open_page(urlencode({"model": other})).opened(other)
    microscope.choose(name)
    preset = first(texts, name)
    address = microscope.address()
    assert (address.get("text", ""), address.get("image", "")) == (preset["text"], preset["image"])
    assert microscope[f".chip[data-preset={preset['id']}]"].get_attribute("aria-pressed") == "true"
    assert microscope.text(".presets .why") == preset["en"]["why"]
    assert microscope.text("[data-id=model] span:first-child") == members(texts)[name]["en"]["title"]
    own = {each["id"] for each in texts["presets"] if each["model"] == name}
    chips = microscope[".chips .chip"].evaluate_all("(all) => all.map((each) => each.dataset.preset)")
    assert set(chips) == own
    assert not list(microscope.differences())


def test_a_model_is_chosen_without_a_mouse(microscope: Microscope, texts):
    page, names = microscope.page, list(members(texts))
    microscope["[data-id=model]"].focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] .family")
    assert page.evaluate(FOCUSED % f"[data-model='{names[0]}']"), "the model in view has the focus"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(FOCUSED % f"[data-model='{names[1]}']")
    page.keyboard.press("End")
    assert page.evaluate(FOCUSED % "[data-id=another]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    microscope.opened(names[1])
    assert not page.locator("dialog[open]").count()
    assert page.evaluate(FOCUSED % "[data-id=model]"), "the focus is back where it was"


def test_escape_leaves_everything_as_it_was(microscope: Microscope):
    before, address = microscope.in_view(), microscope.address()
    open_chooser(microscope)
    microscope.page.keyboard.press("Escape")
    microscope.page.wait_for_selector("dialog[open]", state="detached")
    assert (microscope.in_view(), microscope.address()) == (before, address)
    assert microscope.page.evaluate(FOCUSED % "[data-id=model]")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_idea_of_a_lesson_leads_to_the_example(microscope: Microscope, texts, language):
    microscope.language(language)
    name = BUILTIN[-1]
    member, preset = members(texts)[name], first(texts, name)
    lesson = next(each for each in texts["family"]["lesson"] if each["number"] == member["lesson"])
    open_chooser(microscope)
    microscope[f"dialog[open] [data-look='{name}']"].click()
    microscope.page.wait_for_selector("dialog[open] [data-id=example]")
    said = microscope.text("dialog[open]")
    assert str(lesson["number"]) in said
    assert lesson[language] in said
    assert preset[language]["why"] in said
    assert texts["ui"]["idea_note"][language] in said
    idea = microscope.text("dialog[open] .passage").replace(" ", "")
    assert idea == member[language]["idea"].replace(" ", "").replace("`", "")
    microscope.page.keyboard.press("Enter")
    microscope.opened(name)
    assert microscope.text(".presets .why") == preset[language]["why"]


def test_the_card_tells_what_the_model_was_measured_to_do(microscope: Microscope):
    microscope.open_dialog("[data-id=card]")
    rows = microscope["dialog[open] .figures tbody tr"]
    rows.first.wait_for()
    wanted = figures(microscope.model())
    shown = rows.evaluate_all("(all) => all.map((row) => [...row.children].map((cell) => cell.textContent))")
    assert [(row[1], row[2]) for row in shown] == [(f"{each.value:.3f}", str(each.n)) for each in wanted]
    microscope["dialog[open] [data-look]"].click()
    microscope.page.wait_for_selector("dialog[open] [data-id=example]")


def test_a_typed_sentence_goes_along_to_a_model_of_the_same_kind(microscope: Microscope):
    microscope.run("The cat sleeps.")
    assert microscope.choose("builtin/translator-plain").address()["text"] == "The cat sleeps."
    assert not list(microscope.differences())


def test_the_same_example_is_one_click_away_in_another_model(microscope: Microscope, texts):
    chip = microscope[".elsewhere .chip[data-preset=animal-plain]"]
    assert chip.text_content() == members(texts)["builtin/translator-plain"]["en"]["title"]
    chip.click()
    microscope.opened("builtin/translator-plain")
    assert microscope.text(".presets .why") == next(
        preset["en"]["why"] for preset in texts["presets"] if preset["id"] == "animal-plain"
    )
    microscope[".elsewhere .chip[data-preset=animal-tired]"].click()
    microscope.opened("builtin/translator")


def test_examples_of_a_model_in_the_box_are_not_offered_for_another(microscope: Microscope, folders: Folders):
    microscope.ask_for_model(folders["gpt2"])
    microscope.opened(folders["gpt2"])
    assert not microscope[".presets .chips"].is_visible()
    opened = open_chooser(microscope)[-1]
    assert [row["name"] for row in opened["rows"]] == [folders["gpt2"]]
    microscope["dialog[open] [data-model='builtin/translator']"].click()
    microscope.opened("builtin/translator")
    assert microscope[".presets .chips"].is_visible()


def test_on_a_phone_every_model_can_be_read_and_chosen(open_page: Open):
    microscope = open_page(viewport=PHONE)
    open_chooser(microscope)
    sizes = "(dialog) => [dialog.scrollWidth, dialog.clientWidth]"
    needed, there = microscope["dialog[open]"].evaluate(sizes)
    assert needed <= there
    for choice in microscope["dialog[open] .choice"].all():
        choice.scroll_into_view_if_needed()
        box = choice.bounding_box()
        assert box
        assert box["height"] >= 40
        assert 0 <= box["x"] <= box["x"] + box["width"] <= PHONE["width"]
    microscope[f"dialog[open] [data-model='{BUILTIN[-1]}']"].click()
    microscope.opened(BUILTIN[-1])
