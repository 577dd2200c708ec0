"""Whatever is typed: a message that helps, in the person's language, and the page keeps what it showed."""

from urllib.parse import urlencode

import pytest

from models import record
from models.errors import MicroscopeError
from tests.browser.microscope import Microscope
from viz.texts import render

pytestmark = pytest.mark.browser

REFUSED = {
    "nothing": "",
    "spaces": " \t  ",
    "unknown words": "xyzzy plugh",
    "one long word": "a" * 5000,
    "5000 characters": "animal " * 714 + "!!",
    "30000 characters": "animal " * 4300,
    "emoji": "😀🎉",
    "right to left": "مرحبا بالعالم",
    "70 tokens": "the " * 69,
}
HOSTILE = "The animal </script><img src=x onerror=window.hacked=1> ${alert(1)} {{7*7}} was tired."
MADE = "script, iframe, img:not(.images img)"
WIDTH = "document.documentElement.scrollWidth <= window.innerWidth"


def refusal(microscope: Microscope, text: str) -> dict[str, tuple[str, str]]:
    """Language → id and words of the message that a text deserves."""
    with pytest.raises(MicroscopeError) as refused:
        record("builtin/translator", text)
    id, facts = refused.value.id, refused.value.facts
    message = microscope.texts["errors"][id]
    said = {language: "{title} {body}".format(**message[language]) for language in ("zh", "en")}
    return {language: (id, render(words, facts)) for language, words in said.items()}


def test_a_refusal_says_why_in_both_languages_and_leaves_the_page_alone(microscope: Microscope):
    address = microscope.address()
    for name, text in REFUSED.items():
        before = microscope.in_view()
        microscope.run(text, to="")
        assert microscope.in_view() == before, name
        assert microscope.address() == address, name
        assert microscope["[data-id=text]"].input_value() == text, "what was typed can be mended"
        assert microscope.page.evaluate(WIDTH), name
        for language, (id, said) in refusal(microscope, text).items():
            microscope.language(language)
            assert microscope.notice(id) == said, name


def test_a_message_goes_when_the_next_run_succeeds(microscope: Microscope):
    microscope.run("xyzzy")
    assert microscope.notices()
    microscope.run("I am a student")
    assert not microscope.notices()


def test_a_message_can_be_closed(microscope: Microscope):
    microscope.run("I am a xyzzy student")
    microscope[".notice .close"].click()
    assert not microscope.notices()


def test_a_target_that_cannot_be_read_is_refused(microscope: Microscope):
    before = microscope.in_view()
    microscope.run("I am a student", target="xyzzy")
    assert "xyzzy" in microscope.notice("target_only_unknown")
    assert microscope.in_view() == before


def test_unknown_words_are_named_and_marked(microscope: Microscope):
    for word in ("xyzzy", "😀", "مرحبا", "龘龘"):
        microscope.run(f"I am a {word} student")
        assert word in microscope.notice("unknown_words")
        marked = microscope[".strip[data-stream=encoder] .token.unknown .reads"].all_text_contents()
        assert word in "".join(marked)
        assert not list(microscope.differences())


def test_the_vocabulary_opens_from_the_message_and_filters(microscope: Microscope):
    microscope.run("I am a xyzzy student")
    microscope[".notice .quiet"].click()
    words = microscope["dialog[open] .word:visible"]
    words.first.wait_for()
    known = microscope.server.ask("vocabulary?model=builtin/translator")
    assert words.count() == sum(map(len, known.values()))
    microscope["dialog[open] input"].fill("ANIM")
    wanted = [word for words in known.values() for word in words if "anim" in word.lower()]
    assert words.all_text_contents() == wanted
    microscope["dialog[open] .close"].click()


def test_a_word_of_the_vocabulary_goes_into_the_sentence(microscope: Microscope):
    microscope.run("I am a xyzzy student")
    microscope[".notice .quiet"].click()
    microscope["dialog[open] .word"].filter(has_text="happy").first.click()
    assert microscope["[data-id=text]"].input_value() == "I am a xyzzy student happy"


def hacked(microscope: Microscope) -> list[str]:
    """Signs that a typed text was run as code or as markup."""
    page = microscope.page
    signs = {
        "a script ran": "window.hacked !== undefined",
        "an element was made": f"document.querySelector('.microscope :is({MADE})') !== null",
        "a template was filled in": "document.querySelector('.strips').textContent.includes('49')",
    }
    return [sign for sign, test in signs.items() if page.evaluate(test)]


def test_markup_and_templates_are_only_text(microscope: Microscope):
    microscope.run(HOSTILE, to="fr")
    tokens = microscope[".strip[data-stream=encoder] .reads"].all_text_contents()
    assert tokens == [token.text for token in microscope.expected().trace.tokens["encoder"]]
    assert {"script", "img", "alert", "{{"} <= set(tokens)
    for stage in ("tokens", "softmax"):
        microscope.stage(stage)
        for depth in ("words", "maths", "code"):
            microscope.depth(depth)
            assert not hacked(microscope)


@pytest.mark.parametrize(
    "names",
    [("text", "target"), ("model", "block", "stage", "depth", "to", "lang", "head", "query", "__theme")],
)
def test_markup_in_the_address_is_only_text(microscope: Microscope, names: tuple[str, ...]):
    microscope.open(urlencode({"text": "I am a student"} | dict.fromkeys(names, f"la rue {HOSTILE}")))
    assert not hacked(microscope)


def test_a_double_click_on_run_runs(microscope: Microscope):
    microscope["[data-id=text]"].fill("I am a student")
    microscope[".run"].dblclick()
    assert not microscope.ready().notices()
    assert microscope.address()["text"] == "I am a student"
    assert not list(microscope.differences())


def test_of_two_runs_the_last_one_wins_whichever_answers_first(microscope: Microscope):
    held = []
    page = microscope.page
    page.route("**/microscope/run", lambda route: held.append(route) if not held else route.continue_())
    microscope["[data-id=text]"].fill("I am a student")
    microscope[".run"].click()
    page.wait_for_selector(".run[aria-busy=true]")
    microscope["[data-id=text]"].fill("The weather is nice today.")
    microscope[".run"].click()
    microscope.answered()
    with page.expect_response("**/microscope/run"):
        held[0].continue_()
    microscope.ready()
    assert microscope.address()["text"] == "The weather is nice today."
    assert microscope["[data-id=text]"].input_value() == "The weather is nice today."
    assert not microscope.notices()
    assert not list(microscope.differences())


def test_a_refusal_that_comes_late_does_not_touch_the_last_run(microscope: Microscope):
    held = []
    page = microscope.page
    page.route("**/microscope/run", lambda route: held.append(route) if not held else route.continue_())
    microscope["[data-id=text]"].fill("xyzzy")
    microscope[".run"].click()
    page.wait_for_selector(".run[aria-busy=true]")
    microscope["[data-id=text]"].fill("I am a student")
    microscope[".run"].click()
    microscope.answered()
    with page.expect_response("**/microscope/run"):
        held[0].continue_()
    microscope.ready()
    assert microscope.address()["text"] == "I am a student"
    assert not microscope.notices()
