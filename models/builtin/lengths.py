"""What length costs: the held-out figures of the recurrent translators as curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

MODELS = ("builtin/seq2seq", "builtin/seq2seq-attention")
READINGS = {"": "", "reversed": "reversed_"}
"""How the source was read → how the names of such figures begin."""


class Point(TypedDict):
    """Sources of so many words (`6-10`): the share translated exactly, and how many there were."""

    words: str
    exact: float
    n: int


class Curve(TypedDict):
    """The points of one model that read the source in one way."""

    model: str
    reading: str
    points: list[Point]


def curves(checkpoints: Path) -> list[Curve]:
    """The curves of the models in this folder, from the shortest sources to the longest."""
    found = [
        (name, json.loads(file.read_text(encoding="utf-8"))["figures"])
        for name in MODELS
        if (file := checkpoints / name / "figures.json").is_file()
    ]
    return [
        Curve(model=name, reading=reading, points=_points(figures, f"{start}exact."))
        for name, figures in found
        for reading, start in READINGS.items()
    ]


def _points(figures: dict[str, dict[str, float]], start: str) -> list[Point]:
    return [
        Point(words=name.removeprefix(start), exact=figure["value"], n=int(figure["n"]))
        for name, figure in figures.items()
        if name.startswith(start)
    ]
