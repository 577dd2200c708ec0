"""A model from a folder: opened in the background, refused with a reason, named by the address."""

import json
import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Route

from models import load, record
from models.errors import MicroscopeError, NoNetwork
from tests.browser.conftest import Open
from tests.browser.folders import CONTEXT, Folders
from tests.browser.microscope import Microscope
from viz.texts import render

pytestmark = pytest.mark.browser

FOCUSED = "() => document.activeElement?.matches(%r) ?? false"
CANCEL_AT_ONCE = """() => new MutationObserver((_, observer) => {
  const button = document.querySelector(".opening [data-id=cancel]");
  if (button) [observer.disconnect(), button.click()];
}).observe(document.querySelector(".topbar"), {childList: true, subtree: true})"""


def hold(held: list[Route], route: Route) -> None:
    held.append(route)


def next_of(held: list[Route], microscope: Microscope) -> Route:
    """The next request that is held, once it is there."""
    while not held:
        microscope.page.wait_for_timeout(20)
    return held.pop()


def message(microscope: Microscope, error: MicroscopeError) -> dict[str, str]:
    """Language → what has to be said of a refusal."""
    told = microscope.texts["errors"][error.id]
    return {
        language: render("{title} {body}".format(**told[language]), error.facts) for language in ("zh", "en")
    }


def refusal(folder: str) -> MicroscopeError:
    """Why a folder cannot be opened."""
    with pytest.raises(MicroscopeError) as refused:
        load(folder)
    return refused.value


def test_a_folder_is_opened_without_a_mouse(microscope: Microscope, folders: Folders):
    page, text, folder = microscope.page, microscope.address()["text"], folders.fresh("llama")
    microscope["[data-id=model]"].focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] [data-id=another]")
    page.keyboard.press("End")
    assert page.evaluate(FOCUSED % "[data-id=another]")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] [data-id=open-name]")
    while not page.evaluate(FOCUSED % "[data-id=open-name]"):
        page.keyboard.press("Tab")
    page.keyboard.insert_text(folder)
    page.keyboard.press("Enter")
    page.wait_for_selector(".opening progress")
    assert not page.locator("dialog[open]").count()
    microscope.opened(folder)
    assert microscope.address()["model"] == folder
    assert microscope.address()["text"] == text, "the sentence stays"
    assert microscope.text("[data-id=model] span:first-child") == "/".join(folder.split("/")[-2:])
    assert not microscope.notices()
    assert not list(microscope.differences())


def test_while_a_model_is_fetched_the_page_stays_as_it_was_and_usable(
    microscope: Microscope, folders: Folders
):
    held: list[Route] = []
    folder = folders.fresh("gpt2")
    microscope.page.route(re.compile("/opening/"), lambda route: hold(held, route))
    before, address = microscope.in_view(), microscope.address()
    microscope.ask_for_model(folder)
    microscope.page.wait_for_function("() => document.querySelector('.opening')?.dataset.state !== undefined")
    assert folder in microscope.text(".opening span")
    route = next_of(held, microscope)
    half_way = {"name": "gpt2", "state": "downloading", "done": 1.5e8, "total": 6e8}
    route.fulfill(body=json.dumps(half_way | {"id": route.request.url.rpartition("/")[2]}))
    microscope.page.wait_for_selector(".opening[data-state=downloading] progress[max='600000000']")
    assert microscope.text(".opening span") == "gpt2: 25 % of 600 MB"
    assert (microscope.in_view(), microscope.address()) == (before, address)
    microscope.language("zh")
    assert microscope.text(".opening span") == "gpt2：600 MB 的 25 %"
    microscope.language("en")
    cell = microscope.point("weights", apart_from=microscope.active())
    assert microscope.active() == (cell.query, cell.key)
    microscope[".stage[data-stage=scores]"].click()
    assert not list(microscope.differences())
    next_of(held, microscope).continue_()
    microscope.page.unroute(re.compile("/opening/"))
    microscope.opened(folder)
    assert not list(microscope.differences())


def test_an_opening_is_given_up(open_page: Open, folders: Folders):
    microscope, folder = open_page(), folders.fresh("deep")
    before, address = microscope.in_view(), microscope.address()
    microscope.page.evaluate(CANCEL_AT_ONCE)
    microscope.ask_for_model(folder)
    said = microscope.notice("opening_cancelled")
    told = microscope.texts["errors"]["opening_cancelled"]
    assert said == render("{title} {body}".format(**told["en"]), {"got": folder})
    assert not microscope[".opening"].count()
    assert (microscope.in_view(), microscope.address()) == (before, address)
    assert microscope.model() == address["model"]


@pytest.mark.parametrize("name", ["empty", "corrupt", "mamba", "nobody/has-this"])
def test_what_cannot_be_opened_says_why_in_both_languages_and_leaves_the_page_alone(
    microscope: Microscope, folders: Folders, name: str
):
    place = name if "/" in name else folders[name]
    error = NoNetwork(name) if "/" in name else refusal(place)
    before, address = microscope.in_view(), microscope.address()
    microscope.ask_for_model(place)
    microscope.page.wait_for_selector(f".notice[data-notice={error.id}]")
    assert (microscope.in_view(), microscope.address()) == (before, address)
    assert microscope.model() == address["model"]
    for language, said in message(microscope, error).items():
        microscope.language(language)
        assert microscope.notice(error.id) == said


def test_a_text_longer_than_the_model_reads_is_refused_and_the_page_stays(open_page: Open, folders: Folders):
    microscope = open_page(urlencode({"model": folders["llama"], "text": "the cat sat"}))
    before, address, long = microscope.in_view(), microscope.address(), "the cat " * CONTEXT
    microscope.run(long)
    with pytest.raises(MicroscopeError) as refused:
        record(folders["llama"], long)
    assert (microscope.in_view(), microscope.address()) == (before, address)
    for language, said in message(microscope, refused.value).items():
        microscope.language(language)
        assert microscope.notice(refused.value.id) == said


def test_suggestions_that_cannot_be_reached_are_grey_and_say_why(microscope: Microscope):
    microscope.open_dialog("[data-id=model]")
    microscope["dialog[open] [data-id=another]"].click()
    microscope.page.wait_for_selector("dialog[open] [data-suggested]")
    known = microscope.server.ask("models")
    assert not known["network"]
    ids = [each["id"] for each in known["suggested"]]
    far = [each["id"] for each in known["suggested"] if not each["local"]]
    buttons = microscope["dialog[open] [data-suggested]"]
    assert sorted(buttons.evaluate_all("(all) => all.map((each) => each.dataset.suggested)")) == sorted(ids)
    for language in ("en", "zh"):
        microscope.page.evaluate(
            "(id) => document.querySelector(`.topbar [data-id=${id}]`).click()", language
        )
        why = microscope.texts["ui"]["open_unreachable"][language]
        microscope.page.wait_for_selector(f"dialog[open] [data-suggested][title='{why}']")
        grey = buttons.evaluate_all(
            "(all, why) => all.filter((e) => e.disabled && e.title === why).map((e) => e.dataset.suggested)",
            why,
        )
        assert sorted(grey) == sorted(far)
        said = render(microscope.texts["ui"]["open_no_network"][language], known)
        assert said in microscope.text("dialog[open]")


def test_an_address_that_names_only_a_model_opens_it_with_the_sentence_in_view(
    open_page: Open, folders: Folders
):
    microscope = open_page(urlencode({"model": folders["bloom"]})).opened(folders["bloom"])
    assert microscope.address()["model"] == folders["bloom"]
    assert not list(microscope.differences())


def test_an_address_with_a_model_that_there_is_not_shows_an_example_and_says_why(open_page: Open):
    microscope = open_page(urlencode({"model": "nobody/has-this", "text": "I am a student"}))
    assert microscope.notice("no_network") == message(microscope, NoNetwork("nobody/has-this"))["en"]
    assert microscope.address()["model"] == "builtin/translator"
    assert not list(microscope.differences())


def test_a_number_format_is_computed_in_and_comes_back_from_the_address(open_page: Open, folders: Folders):
    microscope = open_page()
    microscope.ask_for_model(folders["gpt2"], "bfloat16")
    microscope.opened(folders["gpt2"])
    address = microscope.address()
    assert address["dtype"] == "bfloat16"
    assert microscope.expected().trace.model.dtype == "bfloat16"
    assert not list(microscope.differences())
    seen = microscope.in_view()
    assert open_page(urlencode(address)).in_view() == seen
