"""Drawn images: the same from the same state, an object that is where its mask says, at any size; the gallery."""

import random
from functools import cache

import numpy as np
import pytest
from PIL import Image

from models.family.drawing import CLASSES, CONTRAST, LIMITS, SIDE, background, draw, painted
from models.family.gallery import Gallery, held_out, read, tensor
from models.family.vision import processor

SEEDS = range(64)
gallery = cache(Gallery)


def test_the_same_state_draws_the_same_image_and_another_state_another():
    one, again, other = (draw(random.Random(seed)) for seed in (5, 5, 6))
    assert one.label == again.label
    np.testing.assert_array_equal(one.pixels, again.pixels)
    np.testing.assert_array_equal(one.cover, again.cover)
    assert (one.pixels != other.pixels).mean() > 0.5


def test_the_mask_is_where_the_pixels_changed():
    for seed in SEEDS:
        drawing, plain = draw(random.Random(seed), seed % len(CLASSES)), background(random.Random(seed))
        changed = (drawing.pixels != plain).any(axis=-1)
        assert not (changed & ~drawing.mask).any()
        assert changed[drawing.cover > 0.1].mean() > 0.99
        whole = drawing.pixels[drawing.cover == 1]
        assert len(whole)
        assert (whole == whole[0]).all()  # one colour


def test_an_object_lies_inside_and_covers_a_small_part():
    for seed in SEEDS:
        drawing = draw(random.Random(seed), seed % len(CLASSES))
        rows, columns = (np.flatnonzero(drawing.mask.any(axis=axis)) for axis in (1, 0))
        assert min(rows[0], columns[0]) > 0
        assert max(rows[-1], columns[-1]) < SIDE - 1
        least, most = (share * SIDE for share in LIMITS[CLASSES[drawing.label]])
        assert 0.6 * least < len(rows) < 1.35 * most
        assert 0.01 < drawing.cover.mean() < 0.12


def test_an_object_stands_out_from_what_is_behind_it():
    clear = []
    for seed in SEEDS:
        drawing, plain = draw(random.Random(seed), seed % len(CLASSES)), background(random.Random(seed))
        inside = drawing.cover == 1
        lighter = drawing.pixels[inside].astype(float) - plain[inside]
        clear.append(lighter.mean() / 255 > CONTRAST - 0.05)
    assert np.mean(clear) > 0.9  # where the background is light, none of its colours may be so much lighter


def test_an_object_takes_the_first_of_its_colours_that_stands_out():
    behind = np.full((2, 4, 4, 3), 100, dtype=np.uint8)
    cover = np.zeros((2, 4, 4), dtype=np.float32)
    cover[:, 1, 1], cover[:, 1, 2] = 1, 0.5
    darker, clear, most, near = (0, 0, 0), (200, 200, 200), (255, 255, 255), (160, 160, 120)
    shown = painted(behind, cover, np.array([[darker, clear, most], [darker, near, darker]], dtype=np.uint8))
    assert shown[:, 1, 1].tolist() == [[200, 200, 200], [160, 160, 120]]
    assert shown[:, 1, 2].tolist() == [[150, 150, 150], [130, 130, 110]]
    assert (np.delete(shown.reshape(2, 16, 3), [5, 6], axis=1) == 100).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_same_state_draws_the_same_scene_at_any_size(seed):
    small, large = draw(random.Random(seed)), draw(random.Random(seed), side=4 * SIDE)
    assert small.label == large.label
    reduced = np.asarray(Image.fromarray(large.pixels).reduce(4)).astype(float)
    assert np.abs(reduced - small.pixels).mean() < 4
    assert abs(large.cover.mean() - small.cover.mean()) < 0.004


def test_held_out_images_have_every_class_equally_often_and_depend_on_the_seed():
    drawings = held_out(3, 2 * len(CLASSES))
    assert sorted(drawing.label for drawing in drawings) == sorted([*range(len(CLASSES))] * 2)
    assert (held_out(4, 1)[0].pixels != drawings[0].pixels).any()


def test_the_gallery_shows_every_class_about_equally_often():
    labels = np.concatenate([gallery(0).images(step, 64).labels for step in range(25)])
    counts = np.bincount(labels, minlength=len(CLASSES))
    assert ((counts - 100) ** 2 / 100).sum() < 38  # chi squared, 15 degrees of freedom, p = 0.001


def test_a_step_of_the_gallery_does_not_depend_on_the_steps_before():
    first, other = gallery(0).images(7, 8), gallery(0).images(8, 8)
    again = Gallery(0).images(7, 8)
    assert (first.pixels == again.pixels).all()
    assert (first.labels == again.labels).all()
    assert (first.pixels != other.pixels).any()


def test_the_gallery_shows_what_the_pen_draws():
    drawn, put = read(held_out(0, 320)).pixels, gallery(0).images(0, 320).pixels
    assert abs(drawn.mean() - put.mean()) < 0.05
    assert abs(drawn.std() - put.std()) < 0.05
    assert put.min() >= -1
    assert put.max() <= 1


def test_training_reads_pixels_as_the_image_processor_of_the_checkpoint_does():
    pixels = draw(random.Random(0)).pixels
    given = processor()(images=Image.fromarray(pixels), return_tensors="pt")["pixel_values"]
    np.testing.assert_allclose(tensor(pixels[None]), given, atol=1e-6)
