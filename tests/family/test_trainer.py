"""Training can be stopped at any step and goes on as if it had not been; the same recipe gives the same model."""

import random
from itertools import count
from typing import ClassVar

import pytest
import torch
from torch import nn

from models.family.course import Course, Figure, Recipe
from models.family.trainer import Training, learning_rate


class Line(Course):
    """Learns y = 2x + 1 from noisy points, with dropout, so that chance counts."""

    name = "test/line"
    about = "A line."
    asked: ClassVar = {"share": 0.5, "share.hard": 0.9}
    highest: ClassVar = {"error": 0.1}
    usual = Recipe(steps=40, rate=0.05, warmup=5)

    def fresh(self):
        return nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.1), nn.Linear(8, 1))

    def batches(self, start):
        for step in count(start):
            chance = random.Random(f"{self.recipe.seed} {step}")
            yield torch.tensor([[chance.random()] for _ in range(16)])

    def loss(self, model, batch):
        return (model(batch) - 2 * batch - 1).square().mean()

    def glance(self, model):
        torch.rand(3)  # whoever looks may draw: it must not change what is learned
        return {"error": self.loss(model, torch.ones(1, 1)).item()}

    def save(self, model, folder):
        raise NotImplementedError

    def figures(self, folder, seed):
        raise NotImplementedError

    def sizes(self):
        return {"width": "8"}


def weights(training):
    return torch.cat([parameter.flatten() for parameter in training.model.parameters()])


def trained(course, state=None):
    training = Training(course, state)
    progress = list(training.run())
    return training, progress


def test_it_learns():
    training, progress = trained(Line())
    assert progress[0].step == 2
    assert (progress[-1].step, progress[-1].steps) == (40, 40)
    assert progress[-1].seconds_left == 0
    assert progress[-1].loss < progress[0].loss / 5
    assert progress[-1].glance["error"] < 0.5
    assert not training.model.training


def test_the_same_seed_gives_the_same_model_and_another_seed_another():
    first, again, other = (weights(trained(Line(Recipe(40, seed=seed)))[0]) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("stop", [1, 7, 20, 39])
def test_stopped_and_resumed_is_as_if_it_had_not_stopped(tmp_path, stop):
    state = tmp_path / "states" / "line.pt"

    class Interrupted(Line):
        def loss(self, model, batch):
            if training.step == stop:
                raise KeyboardInterrupt
            return super().loss(model, batch)

    training = Training(Interrupted(), state)
    with pytest.raises(KeyboardInterrupt):
        list(training.run())
    resumed = Training(Line(), state)
    assert resumed.step == stop
    list(resumed.run())
    assert torch.equal(weights(resumed), weights(trained(Line())[0]))


def test_a_caller_who_walks_away_loses_nothing(tmp_path):
    training = Training(Line(), tmp_path / "line.pt")
    running = training.run()
    next(running)
    running.close()
    assert Training(Line(), tmp_path / "line.pt").step == 2


def test_a_finished_state_is_not_trained_again(tmp_path):
    first, _ = trained(Line(), tmp_path / "line.pt")
    again, progress = trained(Line(), tmp_path / "line.pt")
    assert progress == []
    assert torch.equal(weights(first), weights(again))


def test_the_state_of_another_recipe_is_left_alone(tmp_path):
    trained(Line(), tmp_path / "line.pt")
    assert Training(Line(Recipe(80)), tmp_path / "line.pt").step == 0


def test_the_state_file_is_whole_at_every_moment(tmp_path, monkeypatch):
    trained(Line(), tmp_path / "line.pt")

    def full_disk(_, file):
        file.write_bytes(b"cut short")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="no space left"):
        Training(Line(), tmp_path / "line.pt").save()
    assert Training(Line(), tmp_path / "line.pt").step == 40


def test_the_rate_rises_and_falls():
    recipe = Recipe(steps=100, rate=1.0, warmup=10)
    rates = [learning_rate(step, recipe) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(0.98, abs=0.01)
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] < 0.001


def test_missed_figures_are_named():
    course = Line()
    found = {"share.easy": Figure(0.6, 9), "share.hard": Figure(0.8, 9), "error": Figure(0.2, 9)}
    assert course.missed(found) == [
        "share.hard: 0.8000 (n=9), asked at least 0.9",
        "error: 0.2000 (n=9), asked at most 0.1",
    ]
    assert course.missed({"share.hard": Figure(float("nan"), 9), "error": Figure(0.0, 9)}) == [
        "share.hard: nan (n=9), asked at least 0.9"
    ]
    assert "share.hard: not measured" in course.missed({"share.easy": Figure(1.0, 9)})
