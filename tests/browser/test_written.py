"""What a layer writes, on the page: the digits of each head's part and of E + ΔE = E′ are those of Python."""

from urllib.parse import urlencode

import pytest

from models import Site
from tests.browser.conftest import Open
from tests.browser.folders import Folders
from tests.browser.microscope import RECORD_TEXT, Microscope
from tests.browser.reference import NUMBER
from viz import written

pytestmark = pytest.mark.browser

TEXT = "The animal didn't cross the street because it was too tired."
CROSS = {"text": TEXT, "block": "decoder.1.cross", "head": 1, "query": 3, "key": 2, "dimension": 7}


def number(text: str) -> float:
    """The last number of a text."""
    return float(NUMBER.findall(text)[-1].replace("−", "-"))


def drawn(microscope: Microscope) -> set[str]:
    """What stands on the canvases since this was last asked."""
    return set(microscope.page.evaluate("() => { const all = [...drawn]; drawn.clear(); return all; }"))


def test_the_parts_of_the_heads_add_up_to_what_the_model_recorded(open_page: Open):
    microscope = open_page(urlencode(CROSS | {"stage": "written"}), scripts=(RECORD_TEXT,))
    trace = microscope.expected().trace
    recorded = float(trace.array(Site.ATTENTION_OUTPUT, "decoder.1.cross")[3, 7])
    for language in ("en", "zh"):
        microscope.language(language)
        assert not list(microscope.differences())
        assert number(microscope.lines()["line_written_sum"]) == pytest.approx(recorded, abs=1e-4)
    parts = written.arrays(trace, trace.block("decoder.1.cross"), 0)["contributions"][3]
    lengths = {f"{float((part.astype(float) ** 2).sum() ** 0.5):.2f}" for part in parts}
    assert lengths <= drawn(microscope), "each head's row says how long it is"


def test_the_row_of_a_head_chooses_the_head(open_page: Open):
    microscope = open_page(urlencode(CROSS | {"stage": "written"}))
    before = microscope.lines()
    cell = microscope.point("contributions")
    head, dimension = NUMBER.findall(cell.tip.split("\n")[0])
    pointed = microscope.expected().moved("en", head=int(head), dimension=int(dimension))
    assert microscope.lines()["line_head_written"] == pointed.lines()["line_head_written"]
    microscope.page.mouse.click(cell.x, cell.y)
    microscope.ready()
    address = microscope.address()
    assert (address["head"], address["dimension"], address["stage"]) == (head, dimension, "written")
    assert microscope.lines() != before
    assert not list(microscope.differences())


def test_arrow_keys_move_from_head_to_head_and_a_token_changes_the_row(open_page: Open):
    microscope = open_page(urlencode(CROSS | {"stage": "written"}))
    microscope[".over"].focus()
    microscope.page.keyboard.press("ArrowDown")
    microscope.ready()
    microscope.page.keyboard.press("ArrowRight")
    microscope.ready()
    address = microscope.address()
    assert (address["head"], address["dimension"]) == ("2", "8")
    before = microscope.picture()
    microscope['.strip[data-stream="decoder"] [data-index="1"]'].click()
    microscope.ready()
    assert microscope.address()["query"] == "1"
    assert not list(microscope.differences())
    assert microscope.picture() != before


@pytest.mark.parametrize("stage", ["residual", "residual_mlp"])
def test_a_sum_has_its_digits_in_both_languages(open_page: Open, stage: str):
    microscope = open_page(urlencode(CROSS | {"stage": stage}))
    for language in ("en", "zh"):
        microscope.language(language)
        assert not list(microscope.differences())
    microscope['.strip[data-stream="decoder"] [data-index="2"]'].click()
    microscope.ready()
    sublayer = "mlp" if stage == "residual_mlp" else "attention"
    facts = microscope.expected().facts
    line = microscope.lines()[f"line_sum_{sublayer}"]
    assert number(line) == pytest.approx(facts[f"{sublayer}_after"], abs=1e-4)
    assert not list(microscope.differences())


def test_a_model_that_normalises_before_says_so(open_page: Open, folders: Folders):
    at = {"model": folders["llama"], "text": TEXT, "query": 3, "stage": "residual", "dimension": 5}
    microscope = open_page(urlencode(at))
    assert "pre-norm" in microscope.text(".explain")
    assert not list(microscope.differences())
    translator = open_page(urlencode(CROSS | {"stage": "residual"}))
    assert "post-norm" in translator.text(".explain")


def test_beside_a_norm_stands_what_batchnorm_would_take_and_beside_ffn_the_zeros(open_page: Open):
    microscope = open_page(urlencode(CROSS | {"stage": "add_norm"}))
    assert "BatchNorm" in microscope.lines()["line_batch"]
    assert not list(microscope.differences())
    microscope.stage("mlp")
    assert "line_zero" in microscope.lines()
    assert not list(microscope.differences())


def test_cross_attention_says_that_all_blocks_read_one_array(open_page: Open):
    microscope = open_page(urlencode(CROSS | {"stage": "qkv"}))
    for language in ("en", "zh"):
        microscope.language(language)
        assert not list(microscope.differences())
    assert "0.0e" in microscope.lines()["line_memory"]
    microscope.open_head("decoder.1.self", 0)
    assert "line_memory" not in microscope.lines()
