"""Trains a course step by step; may be stopped at any step and goes on from there, with the very same result."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.family.course import Course, Recipe

GLANCES = 20
"""So often while it trains the model is measured and its progress told."""
SAVED_EVERY = 20.0
"""Seconds after which the state is written to disk again."""
BETAS = (0.9, 0.98)
CLIP = 1.0


@dataclass(frozen=True)
class Progress:
    """How far training is: mean loss since the last report, figures of a few held-out examples, seconds left."""

    step: int
    steps: int
    loss: float
    glance: Mapping[str, float]
    seconds_left: float


class Training:
    """A model that is being trained: `run` it, stop it at will, make it anew from its state file and `run` again."""

    def __init__(self, course: Course, state: Path | None = None) -> None:
        self.course, self.state = course, state
        torch.manual_seed(course.recipe.seed)
        self.model = course.fresh()
        groups = _groups(self.model, course.rates(self.model), course.recipe.decay)
        self.optimiser = torch.optim.AdamW(groups, betas=BETAS, fused=True)
        self.step, self.seconds = 0, 0.0
        self._resume()

    def run(self) -> Generator[Progress, None, None]:
        """Train from the current step to the last; the state is saved now and then, and when the caller stops."""
        recipe, losses, saved = self.course.recipe, list[float](), time.monotonic()
        batches = self.course.batches(self.step)
        try:
            while self.step < recipe.steps:
                started = time.thread_time()
                losses.append(self._step(next(batches)))
                self.seconds += time.thread_time() - started
                if self.step % max(1, recipe.steps // GLANCES) == 0 or self.step == recipe.steps:
                    yield self._progress(losses)
                    losses = []
                if time.monotonic() - saved > SAVED_EVERY:
                    self.save()
                    saved = time.monotonic()
        finally:
            self.save()
            self.model.eval()

    def save(self) -> None:
        """Write the state, so that it is whole at any moment."""
        if self.state is None:
            return
        self.state.parent.mkdir(parents=True, exist_ok=True)
        part = self.state.with_suffix(".part")
        torch.save(
            {
                "fingerprint": self.course.fingerprint,
                "step": self.step,
                "seconds": self.seconds,
                "model": self.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "chance": torch.get_rng_state(),
            },
            part,
        )
        os.replace(part, self.state)

    def _step(self, batch: Any) -> float:
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.course.recipe) * group["factor"]
        loss = self.course.loss(self.model, batch)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimiser.step()
        self.course.after_step(self.model)
        self.step += 1
        return loss.item()

    def _progress(self, losses: list[float]) -> Progress:
        self.model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=()):
            glance = self.course.glance(self.model)
        left = self.seconds / self.step * (self.course.recipe.steps - self.step)
        return Progress(self.step, self.course.recipe.steps, sum(losses) / max(len(losses), 1), glance, left)

    def _resume(self) -> None:
        if self.state is None or not self.state.is_file():
            return
        saved = torch.load(self.state, weights_only=True)
        if saved["fingerprint"] != self.course.fingerprint:
            return
        self.model.load_state_dict(saved["model"])
        self.optimiser.load_state_dict(saved["optimiser"])
        torch.set_rng_state(saved["chance"])
        self.step, self.seconds = saved["step"], saved["seconds"]


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    warm = min(1.0, (step + 1) / recipe.warmup)
    return recipe.rate * warm * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


def _groups(model: nn.Module, rates: Mapping[str, float], decay: float) -> list[dict[str, Any]]:
    """The parameters by what their rate is multiplied by; all shrink alike."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        groups.setdefault(rates.get(name, 1.0), []).append(parameter)
    return [
        {"params": parameters, "factor": factor, "weight_decay": decay / factor}
        for factor, parameters in groups.items()
    ]
