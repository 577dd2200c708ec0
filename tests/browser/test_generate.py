"""The tab that writes: every step with its digits, another word instead, beams as a tree; nothing on it is invented."""

from urllib.parse import urlencode

import pytest

from models import generate, load
from models.generation import Generation
from models.teacher_forcing import unmasked
from tests.browser.conftest import Open
from tests.browser.microscope import Microscope

pytestmark = pytest.mark.browser

MODEL, TEXT = "builtin/translator", "the black cat sleeps"
HERE = {"model": MODEL, "text": TEXT, "to": "fr"}
TAB = ".tab[data-tab=generate]"
DONE = ".generate:not(.busy)[data-step] .choices tr.chosen"


def opened(open_page: Open, **more: str) -> Microscope:
    microscope = open_page(urlencode(HERE | more))
    microscope[TAB].click()
    microscope.page.wait_for_selector(DONE)
    return microscope


def written(**options: object) -> Generation:
    return generate(MODEL, TEXT, language="fr", steps=12, **options)  # pyright: ignore[reportArgumentType]


def words(microscope: Microscope) -> list[str]:
    return microscope[".written button.token"].all_inner_texts()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_step_says_what_was_chosen_and_by_which_arithmetic(open_page: Open, lang: str):
    microscope, wanted = opened(open_page, lang=lang), written()
    assert words(microscope) == [step.choice.text for step in wanted.steps]
    for number, step in enumerate(wanted.steps):
        microscope.page.wait_for_selector(f'.generate[data-step="{number}"]')
        chosen = microscope[".choices tr.chosen"]
        assert chosen.locator("th").inner_text() == step.choice.text
        logit = f"{step.logits[step.choice.id]:.3f}".replace("-", "−")
        assert logit in chosen.inner_text()
        assert logit in microscope.text("[data-line=generate_line_logit]")
        assert f"{100 * step.probability:.1f}" in microscope.text("[data-line=generate_line_share]")
        assert microscope[".cell.kept"].count() == number
        assert microscope[".cell.new"].count() == 1
        if number + 1 < len(wanted.steps):
            microscope[".player [data-id=next]"].click()
    assert microscope[".player [data-id=next]"].is_disabled()


def test_what_was_written_is_read_once_and_compared(open_page: Open):
    microscope, wanted = opened(open_page), written()
    microscope["[data-id=compare]"].click()
    microscope.page.wait_for_selector(".compared tbody tr")
    apart = unmasked(load(MODEL), wanted)
    cells = microscope[".compared tbody tr"].evaluate_all(
        "(rows) => rows.map(({dataset, cells}) => [dataset.block, cells[1].textContent, cells[2].textContent])"
    )
    assert {block for block, *_ in cells} == {
        block.name for block in wanted.trace.blocks if block.query_stream == "decoder"
    }
    for block, masked, without in cells:
        assert float(masked.replace("−", "-")) <= 1e-5
        if block in apart and apart[block] > 1e-3:
            assert float(without.replace("−", "-")) == pytest.approx(apart[block], rel=0.06)
    assert apart["decoder.1.self"] > 1e-2


def test_what_is_compared_is_what_was_written_and_not_what_is_set_since(open_page: Open):
    microscope = opened(open_page)
    microscope[".writing [data-id=sample]"].click()
    microscope.page.wait_for_selector(DONE)
    microscope["[data-setting=temperature]"].fill("2")
    microscope["[data-setting=temperature]"].press("Enter")
    microscope.page.wait_for_selector(DONE)
    microscope.page.wait_for_function("window.waiting === 0")
    before = words(microscope)
    microscope["[data-setting=seed]"].fill("77")
    microscope["[data-setting=seed]"].press("Tab")
    microscope["[data-id=compare]"].click()
    microscope.page.wait_for_selector(".compared tbody tr")
    assert words(microscope) == before
    drawn = written(strategy="sample", temperature=2.0, seed=77)
    assert [step.choice.text for step in drawn.steps] != before


def test_another_word_is_gone_on_from(open_page: Open):
    microscope, plain = opened(open_page), written()
    microscope[".player [data-id=next]"].click()
    button = microscope[".choices button.token"].first
    other = int(button.get_attribute("data-token") or -1)
    button.click()
    microscope.page.wait_for_selector('.generate:not(.busy)[data-step="1"] [data-line=generate_line_forced]')
    wanted = written(forced=[plain.ids[0], other])
    assert words(microscope) == [step.choice.text for step in wanted.steps]


def test_the_same_seed_draws_the_same_text_and_shows_it_before_and_after(open_page: Open):
    microscope = opened(open_page)
    microscope[".writing [data-id=sample]"].click()
    microscope.page.wait_for_selector("[data-line=generate_line_temperature]")
    for name, value in {"temperature": "1.5", "top_k": "5", "seed": "3"}.items():
        microscope[f"[data-setting={name}]"].fill(value)
    microscope["[data-setting=seed]"].press("Enter")
    microscope.page.wait_for_selector("[data-line=generate_line_cut]")
    wanted = written(strategy="sample", temperature=1.5, top_k=5, seed=3)
    assert words(microscope) == [step.choice.text for step in wanted.steps]
    assert microscope[".choices tr.ruled-out"].count() >= 5


def test_beams_are_a_tree_and_it_says_why_one_won(open_page: Open):
    microscope = opened(open_page)
    microscope[".writing [data-id=beam]"].click()
    microscope.page.wait_for_selector(".beams .tree svg rect")
    microscope[".player [data-id=last]"].click()
    tree = written(strategy="beam", beams=3).tree
    assert tree is not None
    step, branch = tree.finished[0]
    score = f"{tree.steps[step][branch].score:.3f}".replace("-", "−")
    assert score in microscope.text(".beams tr.chosen")
    assert microscope[".beams tbody tr"].count() == min(8, len(tree.finished))


def test_a_model_that_writes_nothing_says_so(open_page: Open):
    microscope = open_page(urlencode({"model": "builtin/vit", "image": "example:cat"}))
    microscope[TAB].click()
    assert microscope.notice("cannot_generate")
