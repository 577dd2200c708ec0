"""Every stage of models that do attention differently: what the page says is what Python computes."""

from urllib.parse import urlencode

import pytest

from tests.browser.conftest import Open
from tests.browser.folders import Folders
from tests.browser.walk import faults

pytestmark = pytest.mark.browser

TEXT = "The cat 🙂 was tired, 苹果 too."
PLACES = {
    "gpt2": {"block": "decoder.1.self", "head": 2},
    "llama": {"block": "decoder.1.self", "head": 6, "channel": 7},
    "gemma2": {"block": "decoder.0.self", "head": 3, "channel": 2},
    "bloom": {"block": "decoder.0.self", "head": 1},
    "gptoss": {"block": "decoder.0.self", "head": 5, "expert": 2},
    "mixtral": {"block": "decoder.1.self", "head": 0, "expert": 5, "channel": 1},
    "minilm": {"text": "The weather is lovely today.", "block": "encoder.2.self", "head": 9},
}


@pytest.mark.parametrize("model", PLACES)
def test_every_stage_says_what_python_computes(open_page: Open, folders: Folders, model: str):
    at = {"text": TEXT, "query": 6, "key": 3, "channel": 5, "dimension": 9} | PLACES[model]
    microscope = open_page(urlencode({"model": folders[model]} | at))
    assert not microscope.notices()
    assert not faults(microscope, (7, 1), (2, 5))


@pytest.mark.parametrize("block", ["encoder.0.self", "decoder.1.self", "decoder.1.cross"])
def test_every_stage_of_an_encoder_decoder(open_page: Open, folders: Folders, block: str):
    at = {"query": 3, "key": 2, "channel": 5, "dimension": 9, "block": block, "head": 1}
    microscope = open_page(urlencode({"model": folders["t5"], "text": TEXT, "target": "the dog slept"} | at))
    assert not microscope.notices()
    assert not faults(microscope, (1, 3), (3, 0))
