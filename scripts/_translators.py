"""Trains, measures and saves the two translators; started by `train.py` in the project's own environment."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from models.builtin.checkpoint import load_translator, parameters, save_translator
from models.builtin.corpus.generator import Corpus, build
from models.builtin.evaluation import Examiner, figures
from models.builtin.training import GUIDED, PLAIN, Guidance, Recipe, drawn, tokenizer_of, train
from models.builtin.transformer import Config, Transformer

ROOT = Path(__file__).resolve().parent.parent
CARD = Path(__file__).with_name("translator_card.md")
FOLDERS = {"guided": "builtin/translator", "plain": "builtin/translator-plain"}
RECIPES = {"guided": GUIDED, "plain": PLAIN}
LINES = 20
"""So many lines of progress are printed per model."""

WANTED = {
    "exact.unknown": 0.95, "exact.": 0.97,
    "alignment.tokens": 0.95, "alignment.sentences": 0.90, "antecedent.": 0.95, "flip.": 0.95,
}  # fmt: skip
"""What is asked of the guided model, by the beginning of a figure's name."""


def main() -> int:
    """Train one model here, or both in processes of their own."""
    chosen = arguments()
    if chosen.only:
        make(chosen.only, replace(RECIPES[chosen.only], **sizes(chosen)))
        return 0
    started = time.monotonic()
    command = [sys.executable, "-m", "scripts._translators", *sys.argv[1:], "--only"]
    processes = [subprocess.Popen([*command, name]) for name in FOLDERS]
    codes = [process.wait() for process in processes]
    if any(codes):
        return 1
    print_table(time.monotonic() - started)
    return 0


def arguments() -> argparse.Namespace:
    """What the person asks for."""
    parser = argparse.ArgumentParser(prog="python scripts/train.py")
    parser.add_argument("model", choices=["translator"])
    parser.add_argument("--only", choices=FOLDERS, help="train one of the two")
    parser.add_argument("--steps", type=int, help="fewer steps train faster and worse")
    parser.add_argument("--seed", type=int, help="of the corpus and of the training")
    return parser.parse_args()


def sizes(chosen: argparse.Namespace) -> dict[str, int]:
    """The numbers of the recipe that the person changed."""
    return {name: value for name in ("steps", "seed") if (value := getattr(chosen, name)) is not None}


def make(name: str, recipe: Recipe) -> None:
    """Train a model, save it, and measure what was saved."""
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    corpus = build(recipe.seed)
    tokenizer = tokenizer_of(corpus)
    model = Transformer(Config(len(tokenizer.vocabulary), dropout=recipe.dropout))
    print(f"{name:6}  {parameters(model):,} parameters, {len(tokenizer.vocabulary)} tokens", flush=True)
    seconds = follow(name, train(model, tokenizer, drawn(corpus.train, recipe), recipe), recipe.steps)
    folder = ROOT / "assets" / "checkpoints" / FOLDERS[name]
    heads = Guidance(model.config).heads() if recipe.guidance else []
    save_translator(folder, model, tokenizer, heads, name=FOLDERS[name])
    measure(folder, corpus, recipe, seconds)


def follow(name: str, losses: Iterator[float], steps: int) -> float:
    """Print how training goes; returns how many seconds it took."""
    started, recent = time.monotonic(), []
    for step, loss in enumerate(losses, start=1):
        recent.append(loss)
        if step % max(1, steps // LINES) == 0:
            left = (time.monotonic() - started) / step * (steps - step)
            mean = sum(recent) / len(recent)
            print(f"{name:6}  step {step:5}/{steps}  loss {mean:6.3f}  {left:4.0f} s left", flush=True)
            recent = []
    return time.monotonic() - started


def measure(folder: Path, corpus: Corpus, recipe: Recipe, seconds: float) -> None:
    """Write figures.json and the model card: held-out figures of the model as it lies on disk."""
    model, tokenizer, config = load_translator(folder)
    found, heads = figures(Examiner(model, tokenizer), corpus)
    content = {
        "figures": {name: {"value": round(value, 4), "n": n} for name, (value, n) in found.items()},
        "heads": {target: list(head) for target, head in heads.items()},
        "training": {
            "steps": recipe.steps,
            "tokens": recipe.tokens,
            "seed": recipe.seed,
            "seconds": round(seconds),
        },
    }
    (folder / "figures.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(config, content, corpus, parameters(model)), encoding="utf-8")


def card(config: Mapping[str, Any], content: Mapping[str, Any], corpus: Corpus, count: int) -> str:
    """The model card."""
    guided = "; ".join(f"`{g['block']}` head {g['head']} → {g['target']}" for g in config["guided"])
    rows = (
        f"| {name} | {figure['value']:.3f} | {figure['n']} |" for name, figure in content["figures"].items()
    )
    return CARD.read_text(encoding="utf-8").format(
        **config["sizes"],
        **content["training"],
        name=config["name"],
        revision=config["revision"],
        parameters=f"{count:,}",
        pairs=f"{sum(map(len, corpus.train.values())):,}",
        guided=guided or "none: this model learned from translations alone",
        chosen="; ".join(
            f"{target}: `{block}` head {head}" for target, (block, head) in content["heads"].items()
        ),
        figures="\n".join(rows),
    )


def print_table(seconds: float) -> None:
    """The figures of both models beside what is asked of the guided one."""
    both = {name: json.loads(figures_file(name).read_text(encoding="utf-8"))["figures"] for name in FOLDERS}
    print(f"\n{'held-out figure':28}{'n':>6}{'guided':>9}{'plain':>9}{'asked':>8}")
    for name, row in both["guided"].items():
        judged = name != "exact.unseen_order"  # a probe of the reorder sentences, no phenomenon of its own
        asked = next((least for start, least in WANTED.items() if judged and name.startswith(start)), None)
        mark = "" if asked is None else f"{asked:8.2f}" + ("" if row["value"] >= asked else "  MISSED")
        print(f"{name:28}{row['n']:6}{row['value']:9.3f}{both['plain'][name]['value']:9.3f}{mark}")
    print(f"both models in {seconds:.0f} s")


def figures_file(name: str) -> Path:
    """Where a model's figures lie."""
    return ROOT / "assets" / "checkpoints" / FOLDERS[name] / "figures.json"


if __name__ == "__main__":
    sys.exit(main())
