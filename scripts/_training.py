"""Trains, measures and saves the models in the box; started by `train.py` in the project's own environment."""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import torch

from models.family.course import HELD_OUT_SEED, Course, Figures
from models.family.courses import COURSES
from models.family.trainer import Progress, Training

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINTS = ROOT / "assets" / "checkpoints"
STATES = ROOT / ".training"
CORES = 2
"""Of so many cores the models that train at the same time make use."""
STOPPED = 130
"""The exit code of a run that was interrupted."""


def main() -> int:
    """Train one model here, or several in processes of their own."""
    chosen = arguments()
    if chosen.model == "all":
        return train_all([word for word in sys.argv[1:] if word != "all"], chosen.into)
    recipe = COURSES[chosen.model].usual
    recipe = replace(recipe, **{k: v for k in ("steps", "seed") if (v := getattr(chosen, k)) is not None})
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)
    try:
        return make(chosen.model, COURSES[chosen.model](recipe), chosen.into, fresh=chosen.fresh)
    except KeyboardInterrupt:
        print(f"{chosen.model}: stopped; the same command goes on from here", flush=True)
        return STOPPED


def stop(*_: object) -> NoReturn:
    """Interrupt training, once: a second signal must not interrupt the saving of what there is."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: None)
    raise KeyboardInterrupt


def arguments() -> argparse.Namespace:
    """What the person asks for."""
    parser = argparse.ArgumentParser(prog="python scripts/train.py")
    parser.add_argument("model", choices=["all", *COURSES])
    parser.add_argument("--steps", type=int, help="fewer steps train faster and worse")
    parser.add_argument("--seed", type=int, help="of the data and of the weights")
    parser.add_argument("--fresh", action="store_true", help="begin anew, even where training was stopped")
    parser.add_argument("--into", type=Path, default=CHECKPOINTS, help="the folder to hold builtin/NAME")
    return parser.parse_args()


def train_all(options: Sequence[str], into: Path) -> int:
    """Every model, one on two cores or two on one each; the first that fails stops the rest."""
    waiting, running, started = list(COURSES), dict[str, subprocess.Popen](), time.monotonic()
    try:
        while waiting or running:
            while name := _next(waiting, running):
                waiting.remove(name)
                command = [sys.executable, "-m", "scripts._training", name, *options]
                running[name] = subprocess.Popen(command, cwd=ROOT)
            time.sleep(0.2)
            for name, process in list(running.items()):
                if process.poll() is not None:
                    del running[name]
                    if process.returncode:
                        return process.returncode
    except KeyboardInterrupt:
        return STOPPED
    finally:  # in a terminal the processes have heard it too; each saves what it has
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()
    print(f"all models in {time.monotonic() - started:.0f} s, in {into}")
    return 0


def _next(waiting: Sequence[str], running: Collection[str]) -> str | None:
    """The first whose training does not have to wait for another's, if there are cores left for it."""
    ready = (name for name in waiting if COURSES[name].follows not in {*waiting, *running})
    name = next(ready, None)
    busy = sum(COURSES[each].usual.threads for each in running)
    return name if name and busy + COURSES[name].usual.threads <= CORES else None


def make(name: str, course: Course, into: Path, *, fresh: bool) -> int:
    """Train a model, or go on training it; save it and measure what was saved."""
    torch.set_num_threads(course.recipe.threads)
    course.into = into
    state = STATES / f"{name}.pt"
    if fresh:
        state.unlink(missing_ok=True)
    training = Training(course, state)
    if training.step:
        print(f"{name:18} goes on from step {training.step}", flush=True)
    for progress in training.run():
        print(line(name, progress), flush=True)
    folder = into / course.name
    folder.mkdir(parents=True, exist_ok=True)
    course.save(training.model, folder)
    found = course.figures(folder, course.recipe.seed + HELD_OUT_SEED)
    write_figures(folder, course, found, training)
    print_figures(name, course, found)
    state.unlink(missing_ok=True)
    return 1 if course.missed(found) else 0


def line(name: str, progress: Progress) -> str:
    """One line of progress."""
    glance = "  ".join(f"{figure} {value:.2f}" for figure, value in progress.glance.items())
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    far = f"step {progress.step:5}/{progress.steps}  loss {progress.loss:7.4f}"
    return f"{name:18} {far}  {glance}  {minutes}:{seconds:02} left"


def write_figures(folder: Path, course: Course, found: Figures, training: Training) -> None:
    """figures.json and the model card beside the weights."""
    count = sum(parameter.numel() for parameter in training.model.parameters())
    facts = {
        "steps": course.recipe.steps,
        "seed": course.recipe.seed,
        "held_out_seed": course.recipe.seed + HELD_OUT_SEED,
        "seconds": round(training.seconds),
        "threads": course.recipe.threads,
        "parameters": count,
    }
    heads = course.heads(folder)
    content = {
        "figures": {
            name: {"value": round(value, 4), "n": n, "asked": _asked(course, name)}
            for name, (value, n) in found.items()
        },
        "heads": {what: list(head) for what, head in heads.items()},
        "training": facts,
    }
    (folder / "figures.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    weights = (folder / "model.safetensors").read_bytes()
    written = card(course, found, heads, facts, hashlib.sha256(weights).hexdigest()[:12])
    (folder / "README.md").write_text(written, encoding="utf-8")


def card(
    course: Course,
    found: Figures,
    heads: Mapping[str, tuple[str, int]],
    facts: Mapping[str, int],
    revision: str,
) -> str:
    """The model card."""
    sizes = {**course.sizes(), "parameters": f"{facts['parameters']:,}, stored in half precision"}
    sizes["revision"] = f"`{revision}`"
    sizes |= {f"head: {what}": f"`{block}` head {head}" for what, (block, head) in heads.items()}
    rows = [f"| {name} | {value:.3f} | {n} | {_asked(course, name)} |" for name, (value, n) in found.items()]
    short = course.name.split("/")[-1]
    return "\n".join(
        [
            f"# {course.name}",
            "",
            course.about.strip(),
            "",
            "| | |",
            "|---|---|",
            *(f"| {what} | {much} |" for what, much in sizes.items()),
            "",
            "## Held-out figures",
            "",
            f"Measured on the weights as stored, on data drawn with another seed ({facts['held_out_seed']}).",
            "",
            "| figure | value | n | asked |",
            "|---|---|---|---|",
            *rows,
            *(["", course.notes().strip()] if course.notes() else []),
            "",
            "## Make it again",
            "",
            f"`python scripts/train.py {short}`: {facts['steps']} steps with seed {facts['seed']}, "
            f"{facts['seconds']} s on {'one core' if facts['threads'] == 1 else 'two cores'}. Nothing is downloaded.",
            "",
        ]
    )


def print_figures(name: str, course: Course, found: Figures) -> None:
    """Every held-out figure beside what is asked."""
    for figure, (value, n) in found.items():
        print(f"{name:18} {figure:32}{n:6}{value:9.3f}  {_asked(course, figure)}")
    for missed in course.missed(found):
        print(f"{name:18} MISSED {missed}")


def _asked(course: Course, figure: str) -> str:
    least, most = course.asked_of(figure), course.at_most(figure)
    return f"≥ {least:g}" if least is not None else f"≤ {most:g}" if most is not None else ""


if __name__ == "__main__":
    sys.exit(main())
