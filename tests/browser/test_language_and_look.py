"""Language, theme and text size: they switch at once, everywhere, and are still there after a reload."""

import re
from typing import Any

import pytest

from tests.browser.conftest import Open
from tests.browser.microscope import RECORD_TEXT, Microscope
from tests.browser.walk import sweep
from viz.outputs import output

pytestmark = pytest.mark.browser

LATIN = re.compile(r"[A-Za-zÀ-ÿ]{3,}")

SAID = """() => {
  const said = [...(window.drawn ?? [])];
  const skipped = "code, pre, .katex, .words, .token .reads, .token .predicts, .output .token";
  for (const element of document.querySelectorAll("body *")) {
    if (!element.checkVisibility() || element.closest(skipped)) continue;
    for (const name of ["title", "aria-label", "placeholder"]) said.push(element.getAttribute(name) ?? "");
    for (const node of element.childNodes) if (node.nodeType === Node.TEXT_NODE) said.push(node.textContent);
  }
  return [document.title, ...said].filter((text) => text.trim());
}"""
"""Everything that can be read on the page, or is read out, drawn texts among it, except code and tokens."""


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in strings(inner)]
    if isinstance(value, list | tuple):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []


def chinese(value: Any) -> list[str]:
    """Every Chinese text of the page."""
    if isinstance(value, list):
        return [text for inner in value for text in chinese(inner)]
    if not isinstance(value, dict):
        return []
    return strings(value.get("zh")) + [text for inner in value.values() for text in chinese(inner)]


def latin(texts: list[str]) -> set[str]:
    return {word.lower() for text in texts for word in LATIN.findall(text)}


def allowed(microscope: Microscope) -> set[str]:
    """Latin words that may stand on a Chinese page: tokens, also those that a row may say, names in code, and what
    Chinese texts contain."""
    trace = microscope.expected().trace
    rows = range(0 if trace.logits is None or not len(trace.names) else len(trace.logits))
    sayable = [token.text for row in rows for token in output(trace, row).tokens]
    tokens = [token.text for stream in trace.tokens.values() for token in (*stream, *trace.predictions)]
    card = trace.model
    units = ["MiB", "rad"]
    about = [card.name, card.architecture, card.dtype, card.device, card.revision]
    names = [trace.text, *about, *units, *(block.name for block in trace.blocks)]
    return latin([*chinese(microscope.texts), *tokens, *sayable, *names])


def said(microscope: Microscope) -> set[str]:
    """Latin words on the page, drawn ones among them."""
    return latin(microscope.page.evaluate(SAID))


def test_a_language_switches_without_the_server(microscope: Microscope):
    before, asked = microscope.address(), len(microscope.watch.asked)
    microscope.language("zh")
    microscope.page.wait_for_selector(".microscope[lang=zh-CN]")
    assert microscope.address() == before | {"lang": "zh"}
    assert microscope.watch.asked[asked:] == []
    assert microscope.page.title() == microscope.texts["ui"]["title"]["zh"]
    assert microscope.page.evaluate("document.documentElement.lang") == "zh-CN"
    assert not list(microscope.differences())


def test_nothing_stays_english_when_the_page_is_chinese(open_page: Open):
    microscope = open_page(scripts=(RECORD_TEXT,))
    microscope.language("zh")
    right, found = allowed(microscope), sweep(microscope, ("words", "maths", "code"), SAID)
    left = {place: latin(said) - right for place, said in found.items()}
    assert not {place: words for place, words in left.items() if words}


def test_no_dialog_stays_english_when_the_page_is_chinese(microscope: Microscope):
    microscope.language("zh")
    right, left = allowed(microscope), {}
    for opener in (".badge", "[data-id=card]", "[data-id=help]"):
        microscope.open_dialog(opener)
        left[opener] = said(microscope) - right
        microscope.page.keyboard.press("Escape")
    assert not {place: words for place, words in left.items() if words}


def test_an_open_dialog_changes_with_the_language(microscope: Microscope):
    microscope["[data-id=help]"].click()
    microscope.page.evaluate("document.querySelector('.topbar [data-id=zh]').click()")
    microscope.page.wait_for_function(
        "/[\\u4e00-\\u9fff]/.test(document.querySelector('dialog[open] h2').textContent)"
    )


def test_the_language_survives_a_reload(microscope: Microscope):
    microscope.language("zh")
    microscope.address()
    microscope.page.reload()
    assert microscope.ready().text(".run") == microscope.texts["ui"]["run"]["zh"]
    assert microscope.open().text(".run") == microscope.texts["ui"]["run"]["zh"]


def test_a_chinese_browser_opens_the_page_in_chinese(open_page: Open):
    microscope = open_page(locale="zh-CN")
    assert microscope.text(".run") == microscope.texts["ui"]["run"]["zh"]


def ground(microscope: Microscope) -> str:
    return microscope.page.evaluate("getComputedStyle(document.querySelector('.figure')).backgroundColor")


def test_the_theme_switches_and_survives_a_reload(microscope: Microscope):
    light, picture = ground(microscope), microscope.picture()
    microscope["[data-id=theme]"].click()
    dark = ground(microscope)
    assert dark != light
    assert microscope.picture() != picture
    microscope.page.reload()
    microscope.ready()
    assert ground(microscope) == dark
    microscope["[data-id=theme]"].click()
    assert (ground(microscope), microscope.picture()) == (light, picture)


def test_a_dark_system_opens_the_page_dark(open_page: Open):
    microscope = open_page(color_scheme="dark")
    assert microscope.page.evaluate("document.documentElement.style.colorScheme") == "dark"


def size(microscope: Microscope) -> float:
    return microscope[".reading"].evaluate("(element) => parseFloat(getComputedStyle(element).fontSize)")


def test_the_text_size_switches_and_survives_a_reload(microscope: Microscope):
    sizes = [size(microscope)]
    for _ in range(2):
        microscope["[data-id=size]"].click()
        sizes.append(size(microscope))
    assert [each / sizes[0] for each in sizes] == pytest.approx([1, 1.25, 1.5], abs=0.01)
    microscope.page.reload()
    assert size(microscope.ready()) == sizes[-1]


def test_less_motion_means_none(open_page: Open):
    microscope = open_page(reduced_motion="reduce")
    for stage in ("scores", "qkv", "context"):
        moving = microscope.page.evaluate(
            """(stage) => {
              document.querySelector(`.stage[data-stage=${stage}]`).click();
              return document.getAnimations().filter((each) => each.playState === "running").length;
            }""",
            stage,
        )
        assert moving == 0, stage


def test_motion_is_shown_to_those_who_did_not_refuse_it(microscope: Microscope):
    moving = microscope.page.evaluate(
        """() => {
          document.querySelector(".stage[data-stage=scores]").click();
          return document.getAnimations().length;
        }"""
    )
    assert moving > 0
