"""The curves of what length costs are the figures beside the checkpoints, in the order of the lengths."""

import json

from models.builtin.lengths import curves
from models.catalog import CHECKPOINTS


def test_curves_are_the_figures_of_the_checkpoints():
    found = curves(CHECKPOINTS)
    assert [(curve["model"], curve["reading"]) for curve in found] == [
        (model, reading)
        for model in ("builtin/seq2seq", "builtin/seq2seq-attention")
        for reading in ("", "reversed")
    ]
    for curve in found:
        figures = json.loads((CHECKPOINTS / curve["model"] / "figures.json").read_text(encoding="utf-8"))[
            "figures"
        ]
        assert [point["words"] for point in curve["points"]] == ["1-5", "6-10", "11-15", "16-20", "21-30"]
        for point in curve["points"]:
            name = f"{'reversed_' if curve['reading'] else ''}exact.{point['words']}"
            assert (point["exact"], point["n"]) == (figures[name]["value"], figures[name]["n"])


def test_a_box_without_these_models_has_no_curves(tmp_path):
    assert curves(tmp_path) == []
