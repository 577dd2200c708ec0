"""Tokens per second while every step is recorded, beside transformers' own `generate` of the same model.

CPU times on one thread, taken in turn in one process; a ratio is the median over the turns. Without recording, a model
of the same weights writes that nobody watches. The time of `generate` here includes putting the trace together;
deriving a head comes later, when somebody looks.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch
import transformers

from models import generate, load, wrap
from models.catalog import Model

AIM = 0.8
"""Recorded tokens per second ÷ unrecorded ones."""

STEPS, PROMPT, TURNS = 48, 16, 9


@dataclass(frozen=True)
class Written:
    """One model and strategy: tokens per second without recording and with it, and the median of their ratios."""

    model: str
    strategy: str
    plain: float
    recorded: float
    ratio: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def row(self) -> str:
        """The line of the table."""
        mark = "" if self.ratio >= AIM else f"   below {AIM}"
        return f"{self.model:<24}{self.strategy:<10}{self.plain:>10.1f}{self.recorded:>10.1f}{self.ratio:>8.2f}{mark}"


def measure(quick: bool) -> list[Written]:
    """Every model with every strategy."""
    print(f"{'tokens per second':<34}{'plain':>10}{'recorded':>10}{'ratio':>8}")
    found = []
    for name, model in _models(quick):
        for strategy in ("greedy",) if quick else ("greedy", "beam"):
            found.append(_case(name, model, strategy, 3 if quick else TURNS))
            print(found[-1].row(), flush=True)
    return found


def _models(quick: bool) -> list[tuple[str, Any]]:
    torch.manual_seed(0)
    box: list[tuple[str, Any]] = [(name, load(name)) for name in ("builtin/gpt", "builtin/llama")]
    config = transformers.GPT2Config(n_layer=4) if quick else transformers.GPT2Config()
    return [*box, (f"GPT-2, {config.n_layer} layers", wrap(transformers.GPT2LMHeadModel(config)))]


def _case(name: str, model: Model, strategy: str, turns: int) -> Written:
    watched = getattr(model, "model")  # noqa: B009 -- only Hugging Face models are measured
    watched.generation_config.eos_token_id = None  # both write to the end
    plain = _unwatched(watched)
    inputs: Mapping[str, Any] = {"input_ids": torch.arange(5, 5 + PROMPT)[None]}
    beams = 3 if strategy == "beam" else 1

    def theirs() -> Any:
        return plain.generate(**inputs, max_new_tokens=STEPS, do_sample=False, num_beams=beams)

    def ours() -> Any:
        return generate(model, inputs=inputs, steps=STEPS, strategy=strategy, beams=max(2, beams))

    times = [(_seconds(theirs), _seconds(ours)) for _ in range(turns + 1)][1:]
    return Written(
        name,
        strategy,
        plain=STEPS / median(each[0] for each in times),
        recorded=STEPS / median(each[1] for each in times),
        ratio=round(median(without / recorded for without, recorded in times), 3),
    )


def _unwatched(model: Any) -> Any:
    """A model with the same weights, and none of the hooks."""
    plain = type(model)(model.config).eval()
    plain.load_state_dict(model.state_dict())
    plain.generation_config = model.generation_config
    return plain


def _seconds(run: Callable[[], Any]) -> float:
    gc.collect()
    started = time.process_time()
    run()
    return time.process_time() - started
