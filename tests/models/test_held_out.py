"""Held-out figures: read from the file that training wrote, without the model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models import catalog
from models.errors import UnknownModel
from models.held_out import HeldOut, held_out

ROOT = Path(__file__).parents[2]


def test_a_figure_is_read_with_its_number_and_what_was_asked(tmp_path):
    figures = {"exact.coref": {"value": 0.99, "n": 300, "asked": "≥ 0.95"}, "loss": {"value": 0.1, "n": 8}}
    (tmp_path / "figures.json").write_text(json.dumps({"figures": figures}), encoding="utf-8")
    assert held_out(tmp_path) == (
        HeldOut("exact.coref", 0.99, 300, "≥ 0.95"),
        HeldOut("loss", 0.1, 8, ""),
    )


@pytest.mark.parametrize("name", catalog.BUILTIN)
def test_every_model_in_the_box_says_how_good_it_is(name):
    figures = catalog.figures(name)
    assert figures
    assert all(figure.n > 0 for figure in figures)


def test_another_model_has_no_figures_here():
    with pytest.raises(UnknownModel):
        catalog.figures("gpt2")


def test_no_model_is_loaded_for_its_figures():
    code = (
        "from models import catalog; [catalog.figures(name) for name in catalog.BUILTIN];"
        "import sys; assert not catalog.opened(), catalog.opened(); assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PYTHONPATH": "."}, check=True)
