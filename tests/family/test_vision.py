"""The two models that see, as they lie in the box: what they tell, where the class token looks, windows that hold."""

import random
import time
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from models.catalog import BUILTIN, CHECKPOINTS
from models.family.course import Recipe
from models.family.drawing import CLASSES, SIDE, draw
from models.family.focus import area, patch_cover, ratios, weight_on_object
from models.family.gallery import held_out
from models.family.trainer import Training
from models.family.vision import PATCH, Seeing, ShiftedWindows, VisionTransformer, right
from models.huggingface.load import load_pretrained
from models.huggingface.wrap import Wrapped
from models.pictures import PICTURES
from models.trace import Trace

COURSES = (VisionTransformer, ShiftedWindows)
SEED = 77_003
"""Held-out images that were measured nowhere else."""
MEASURED = 320
LARGEST = 2_200_000
EXAMPLES = {
    **{name: name for name in ("star", "heart", "cross", "square")},
    "two": "2",
    "four": "4",
    "seven": "7",
    "eight": "8",
}
"""Example images of the kind that the models learned from, and their classes."""

images = cache(held_out)


@cache
def shipped(course: type[Seeing]) -> Wrapped:
    return load_pretrained(course.name, BUILTIN, place=CHECKPOINTS / course.name)


def looked(course: type[Seeing], seed: int) -> Trace:
    return shipped(course).record(image=draw(random.Random(seed)).pixels)


@pytest.mark.parametrize("course", COURSES)
def test_what_lies_in_the_box_does_what_is_asked_on_images_of_another_seed(course: type[Seeing]):
    made = course()
    found = made.measured(CHECKPOINTS / made.name, images(SEED, MEASURED))
    assert not made.missed(found)
    assert found["accuracy"].n == MEASURED


@pytest.mark.parametrize("course", COURSES)
def test_a_checkpoint_is_small_and_opens_at_once(course: type[Seeing]):
    folder = CHECKPOINTS / course.name
    assert sum(path.stat().st_size for path in folder.iterdir()) < LARGEST
    shipped(course)  # what Python imports does not count
    began = time.process_time()
    load_pretrained(course.name, BUILTIN, place=folder)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(("course", "name"), [*product(COURSES, EXAMPLES)])
def test_the_examples_that_are_drawn_alike_are_told(course: type[Seeing], name: str):
    trace = shipped(course).record(image=PICTURES.get(f"example:{name}"))
    assert trace.predictions[0].text == EXAMPLES[name]
    assert trace.resized == (256, 256, SIDE, SIDE)


def test_the_weight_on_the_object_is_that_of_the_recorded_rows():
    drawing = draw(random.Random(SEED))
    model = VisionTransformer().stored(CHECKPOINTS / VisionTransformer.name, attn_implementation="eager")
    measured = weight_on_object(model, [drawing])[0]  # (layer, head)
    trace = looked(VisionTransformer, SEED)
    covered = np.zeros_like(measured)
    for layer, head in np.ndindex(*measured.shape):
        row = trace.weights(f"encoder.{layer}.self")[head, 0]
        for token, weight in zip(trace.tokens["encoder"], row, strict=True):
            if token.row >= 0:
                inside = drawing.cover[token.row * PATCH :, token.column * PATCH :][:PATCH, :PATCH]
                covered[layer, head] += weight * inside.mean()
    np.testing.assert_allclose(measured, covered, atol=1e-5)


def test_even_weights_give_the_object_its_share_of_the_area():
    drawings = held_out(SEED, 16)
    covers = np.stack([patch_cover(drawing, PATCH) for drawing in drawings])
    np.testing.assert_allclose(covers.mean(axis=(1, 2)), area(drawings), rtol=1e-6)
    torch.manual_seed(0)
    model: Any = VisionTransformer().fresh().eval()
    model.set_attn_implementation("eager")
    for name, parameter in model.named_parameters():
        if ".q_proj." in name:
            torch.nn.init.zeros_(parameter)
    patches = (SIDE // PATCH) ** 2
    np.testing.assert_allclose(ratios(model, drawings), patches / (patches + 1), rtol=1e-4)


def test_no_weight_crosses_a_window():
    trace, crossed = looked(ShiftedWindows, 3), 0
    assert len(trace.blocks) == 4
    for place, block in enumerate(trace.blocks):
        tokens = trace.tokens[block.query_stream]
        side, shift = (16, 8)[place // 2], (0, 2)[place % 2]
        assert len(tokens) == side**2
        # rows 0 and 1 are rolled behind the last ones, into whose window they come without being seen there
        bands = [[-1 if at < shift else (at - shift) // 4 for at in (t.row, t.column)] for t in tokens]
        together = np.array([[one == other for other in bands] for one in bands])
        weights = trace.weights(block.name)
        assert (weights[:, ~together] == 0).all()
        assert (weights[:, together] > 0).all()
        np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
        crossed += int((~together).sum())
    assert crossed


def test_a_head_of_each_model_proves_itself():
    for course in COURSES:
        trace = looked(course, 1)
        assert all(
            trace.head(block.name, head).error < 1e-4 for block in trace.blocks for head in range(block.heads)
        )


@pytest.mark.usefixtures("small_gallery")
@pytest.mark.parametrize("course", COURSES)
def test_the_same_seed_trains_the_same_weights(course: type[Seeing]):
    recipe = Recipe(steps=2, warmup=1)
    states = [trained(course(replace(recipe, seed=seed))) for seed in (1, 1, 2)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])


def trained(course: Seeing) -> dict[str, torch.Tensor]:
    training = Training(course)
    for _ in training.run():
        pass
    return training.model.state_dict()


@pytest.fixture
def small_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.family.gallery.BACKGROUNDS", 16)
    monkeypatch.setattr("models.family.gallery.OBJECTS", 2)
    monkeypatch.setattr("models.family.vision.BATCH", 8)
    monkeypatch.setattr("models.family.vision.GLANCED", 16)


def test_a_model_that_knows_nothing_does_not_pass():
    torch.manual_seed(0)
    told = right(VisionTransformer().fresh().eval(), images(SEED, MEASURED))
    assert np.mean(told) < 0.2
    assert len(CLASSES) == 16
