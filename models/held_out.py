"""The held-out figures of a model in the box, read from the `figures.json` beside its weights; nothing is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FILE = "figures.json"


@dataclass(frozen=True)
class HeldOut:
    """One figure, of how many cases, and what was asked of it (`≥ 0.95`; nothing where it is only reported)."""

    name: str
    value: float
    n: int
    asked: str = ""


def held_out(folder: Path) -> tuple[HeldOut, ...]:
    """The figures of a checkpoint in the order in which they were measured.

    Raises:
        OSError, ValueError, KeyError: no such file, or another one.
    """
    said = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return tuple(
        HeldOut(name, float(figure["value"]), int(figure["n"]), str(figure.get("asked", "")))
        for name, figure in said["figures"].items()
    )
