"""What one model of the family learns, and what is asked of it: the plan that `trainer` carries out."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from torch import Tensor, nn

Batch = TypeVar("Batch")

HELD_OUT_SEED = 1_000_003
"""Added to the seed of training, for the data that a model in the box is measured on: they are drawn anew."""


class Figure(NamedTuple):
    """A held-out figure, most often a share in [0, 1], and of how many."""

    value: float
    n: int


Figures = dict[str, Figure]
"""Figures by dotted name: `exact.coref`."""


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train. `seed` decides everything that is drawn, weights and data; another number of
    `threads` rounds differently."""

    steps: int
    rate: float = 2e-3
    warmup: int = 200
    decay: float = 0.01
    seed: int = 0
    threads: int = 1


class Course(ABC, Generic[Batch]):
    """One model: how it is made, what it is shown, how it is measured, what is asked of it.

    The same recipe gives the same figures: weights are drawn after `torch.manual_seed`, and `batches(step)` gives from
    any step on what it would have given from the beginning, so that stopped training goes on as if it had not stopped.
    """

    name: ClassVar[str]
    """The catalogue name, such as `builtin/gpt`."""
    about: ClassVar[str]
    """What it is, for the model card: one paragraph of Markdown."""
    asked: ClassVar[Mapping[str, float]]
    """The beginning of a figure's name → the least it must be; the longest beginning counts."""
    highest: ClassVar[Mapping[str, float]] = {}
    """The same for figures that must not be higher."""
    usual: ClassVar[Recipe]
    """The recipe of the model in the box."""
    follows: ClassVar[str] = ""
    """The course that is carried out before, where this one goes on from its model."""
    into: Path | None = None
    """The folder to hold builtin/NAME, where such a model is looked for first; None: where those in the box are."""

    def __init__(self, recipe: Recipe | None = None) -> None:
        self.recipe = recipe or self.usual

    @abstractmethod
    def fresh(self) -> nn.Module:
        """The untrained model; called right after the seed is set."""

    @abstractmethod
    def batches(self, start: int) -> Iterator[Batch]:
        """The batches from step `start` on, without end."""

    @abstractmethod
    def loss(self, model: Any, batch: Batch) -> Tensor:
        """What one step makes smaller."""

    def rates(self, model: Any) -> Mapping[str, float]:  # noqa: ARG002 -- for those that have rates
        """By the name of a parameter of the fresh model: what its rate is multiplied by, where not by 1."""
        return {}

    def after_step(self, model: Any) -> None:
        """What else is done after each step: nothing, for most."""

    @abstractmethod
    def glance(self, model: Any) -> Mapping[str, float]:
        """One or two held-out figures of a few examples, in less than a second or two, to be shown while it trains."""

    @abstractmethod
    def save(self, model: Any, folder: Path) -> None:
        """Write the folder that `load` reads, weights in half precision."""

    @abstractmethod
    def figures(self, folder: Path, seed: int) -> Figures:
        """Every held-out figure of the model as it lies on disk, on data that the generators draw from this seed."""

    @abstractmethod
    def sizes(self) -> Mapping[str, str]:
        """The rows of the model card's table: what → how much."""

    def heads(self, folder: Path) -> Mapping[str, tuple[str, int]]:
        """Heads worth looking at: (block, head) by what they do, chosen on other data than the figures."""
        del folder
        return {}

    def notes(self) -> str:
        """What the model card says under the figures, in Markdown: what they mean."""
        return ""

    def asked_of(self, figure: str) -> float | None:
        """The least that a figure must be; None where nothing is asked of it."""
        return _longest(self.asked, figure)

    def at_most(self, figure: str) -> float | None:
        """The most that a figure may be; None where there is no such limit."""
        return _longest(self.highest, figure)

    def missed(self, figures: Mapping[str, Figure]) -> list[str]:
        """The figures that are not what is asked, each as a line of text; a name that no figure has is missed too."""
        lines = []
        for name, (value, n) in figures.items():
            least, most = self.asked_of(name), self.at_most(name)
            if least is not None and not value >= least:
                lines.append(f"{name}: {value:.4f} (n={n}), asked at least {least}")
            if most is not None and not value <= most:
                lines.append(f"{name}: {value:.4f} (n={n}), asked at most {most}")
        wanted = (*self.asked, *self.highest)
        absent = [start for start in wanted if not any(name.startswith(start) for name in figures)]
        return [*lines, *(f"{start}: not measured" for start in absent)]

    @property
    def fingerprint(self) -> str:
        """What tells half-trained models apart that must not be mixed."""
        said = json.dumps([self.name, asdict(self.recipe), dict(self.sizes())], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()


def _longest(limits: Mapping[str, float], figure: str) -> float | None:
    fitting = [start for start in limits if figure.startswith(start)]
    return limits[max(fitting, key=len)] if fitting else None
