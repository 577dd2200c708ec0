"""`scripts/train.py`: what it prints and writes, how it is stopped, and that it goes on where it stopped."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors.torch import load_file, save_file

from models.family.course import HELD_OUT_SEED, Figure, Recipe
from scripts import _training
from tests.family.test_trainer import Line


class Shipped(Line):
    """The line, with a folder and a figure: how far it is from the truth, as it lies on disk."""

    name = "builtin/line"
    usual = Recipe(steps=40, rate=0.05, warmup=5, seed=3)
    asked = {"near": 0.5}  # noqa: RUF012
    highest = {}  # noqa: RUF012
    seeds: list[int] = []  # noqa: RUF012

    def save(self, model, folder):
        save_file({"weight": model[0].weight.detach().half()}, folder / "model.safetensors")

    def figures(self, folder, seed):
        self.seeds.append(seed)
        return {"near": Figure(float(load_file(folder / "model.safetensors")["weight"].isfinite().all()), 8)}

    def heads(self, folder):
        return {"previous": ("decoder.0.self", 1)}

    def notes(self):
        return "`near`: whether it is."


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """One small model to train, with states in a folder of its own."""
    monkeypatch.setattr(_training, "COURSES", {"line": Shipped})
    monkeypatch.setattr(_training, "STATES", tmp_path / "states")
    monkeypatch.setattr(_training.torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(_training.signal, "signal", lambda *_: None)
    return tmp_path


def train(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["train.py", *map(str, options)])
    return _training.main()


def test_it_tells_how_far_it_is_and_writes_figures_and_a_card(small, monkeypatch, capsys):
    assert train(monkeypatch, "line", "--into", small) == 0
    out = capsys.readouterr().out
    assert "step    20/40  loss" in out
    assert "error" in out
    assert "0:00 left" in out
    assert Shipped.seeds[-1] == 3 + HELD_OUT_SEED
    folder = small / "builtin" / "line"
    said = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    assert said["figures"] == {"near": {"value": 1.0, "n": 8, "asked": "≥ 0.5"}}
    assert said["heads"] == {"previous": ["decoder.0.self", 1]}
    assert (said["training"]["steps"], said["training"]["seed"]) == (40, 3)
    card = (folder / "README.md").read_text(encoding="utf-8")
    for part in (
        "# builtin/line",
        "A line.",
        "| near | 1.000 | 8 | ≥ 0.5 |",
        "`near`: whether it is.",
        "train.py line",
    ):
        assert part in card
    assert not (small / "states" / "line.pt").exists()


def test_stopped_it_says_so_and_the_same_command_goes_on(small, monkeypatch, capsys):
    whole = small / "whole"
    train(monkeypatch, "line", "--into", whole)
    steps = iter(range(1000))

    def stopping(self, model, batch):
        if next(steps) == 25:
            raise KeyboardInterrupt
        return Line.loss(self, model, batch)

    with monkeypatch.context() as while_stopping:
        while_stopping.setattr(Shipped, "loss", stopping)
        assert train(monkeypatch, "line", "--into", small) == _training.STOPPED
    assert "goes on from here" in capsys.readouterr().out
    assert not (small / "builtin").exists()
    assert train(monkeypatch, "line", "--into", small) == 0
    assert "goes on from step" in capsys.readouterr().out
    first, second = (load_file(folder / "builtin/line/model.safetensors") for folder in (whole, small))
    assert first["weight"].equal(second["weight"])


def test_fresh_begins_anew(small, monkeypatch, capsys):
    monkeypatch.setattr(Shipped, "figures", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert train(monkeypatch, "line", "--into", small) == _training.STOPPED
    monkeypatch.setattr(Shipped, "figures", lambda *_: {"near": Figure(1.0, 1)})
    capsys.readouterr()
    assert train(monkeypatch, "line", "--into", small, "--fresh") == 0
    assert "step     2/40" in capsys.readouterr().out


def test_a_figure_that_is_missed_is_said_and_fails(small, monkeypatch, capsys):
    monkeypatch.setattr(Shipped, "figures", lambda *_: {"near": Figure(0.25, 8)})
    assert train(monkeypatch, "line", "--into", small) == 1
    assert "MISSED near: 0.2500 (n=8), asked at least 0.5" in capsys.readouterr().out


@pytest.mark.parametrize(("codes", "code"), [((0, 0, 0), 0), ((0, 7, 0), 7)])
def test_all_trains_two_at_a_time_and_stops_at_a_failure(monkeypatch, codes, code):
    running, most, told = [], [], iter(codes)

    class Process(SimpleNamespace):
        def poll(self):
            self.looks -= 1
            return None if self.looks > 0 else self.returncode

        def terminate(self):
            self.ended = True

        def wait(self):
            return self.returncode

    def start(command, cwd):
        assert Path(cwd) == _training.ROOT
        assert command[-1] == "--fresh"
        process = Process(looks=3, returncode=next(told), ended=False)
        running.append(process)
        most.append(sum(p.looks > 0 for p in running))
        return process

    monkeypatch.setattr(_training, "COURSES", dict.fromkeys(("one", "two", "three"), Shipped))
    monkeypatch.setattr(_training.subprocess, "Popen", start)
    monkeypatch.setattr(_training.time, "sleep", lambda _: None)
    assert train(monkeypatch, "all", "--fresh") == code
    assert max(most) == 2
    assert len(running) == (3 if code == 0 else len(running))


class Wide(Shipped):
    """A course that takes both cores."""

    usual = Recipe(steps=40, threads=2)


def test_what_takes_two_cores_trains_alone_and_keeps_its_place(monkeypatch):
    courses = {"wide": Wide, "one": Shipped, "two": Shipped}
    monkeypatch.setattr(_training, "COURSES", courses)
    assert _training._next(["wide", "one", "two"], []) == "wide"
    assert _training._next(["one", "two"], ["wide"]) is None
    assert _training._next(["two"], ["one"]) == "two"
    assert _training._next(["wide"], ["one"]) is None
