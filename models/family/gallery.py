"""Images in any number for training, put together from a store of drawn backgrounds and objects.

To draw takes longer than to put together: each image is a background, mirrored, turned and with its colours exchanged,
under an object somewhere in some colour. Held-out images are drawn stroke by stroke instead.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from models.family.drawing import (
    CLASSES,
    SIDE,
    TRIES,
    Drawing,
    background,
    centred,
    covered,
    draw,
    light,
    painted,
)

BACKGROUNDS = 1536
OBJECTS = 192
"""So many objects of each class are drawn, each in the middle; an image moves its object."""
COLORS = 4096
CHUNK = 128
SWAPS = np.array(list(itertools.permutations(range(3))))


class Images(NamedTuple):
    """Images as a model reads them, in [−1, 1], and the ids of their classes."""

    pixels: Float[Tensor, "image 3 row column"]
    labels: Int[Tensor, " image"]


class Gallery:
    """The store; the same seed gives the same images at each step."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        chance = random.Random(f"gallery {seed}")
        self._backgrounds = np.stack([background(chance) for _ in range(BACKGROUNDS)])
        count = len(CLASSES) * OBJECTS
        covers = [covered(centred(chance, place // OBJECTS), chance) for place in range(count)]
        self._covers = np.stack([(255 * cover + 0.5).astype(np.uint8) for cover in covers])
        self._room = np.array([_room(cover) for cover in self._covers])  # (object, 2, 2)
        self._colors = np.array([light(chance) for _ in range(COLORS)], dtype=np.uint8)

    def images(self, step: int, count: int) -> Images:
        """The images of one step of training."""
        chance = np.random.default_rng((self._seed, step))
        labels = chance.integers(len(CLASSES), size=count)
        covers = self._objects(chance, labels)
        colors = self._colors[chance.integers(COLORS, size=(count, TRIES))]
        return Images(tensor(painted(self._behind(chance, count), covers, colors)), torch.from_numpy(labels))

    def _behind(self, chance: np.random.Generator, count: int) -> NDArray[np.uint8]:
        behind = self._backgrounds[chance.integers(BACKGROUNDS, size=count)]
        for place, (turns, mirrored, swap) in enumerate(chance.integers((4, 2, 6), size=(count, 3))):
            picture = np.rot90(behind[place], turns)
            behind[place] = (picture[:, ::-1] if mirrored else picture)[..., SWAPS[swap]]
        return behind

    def _objects(self, chance: np.random.Generator, labels: NDArray[np.int64]) -> NDArray[np.float32]:
        """Objects of these classes, each moved within its room: (image, row, column)."""
        chosen = labels * OBJECTS + chance.integers(OBJECTS, size=len(labels))
        room = self._room[chosen]
        moves = chance.integers(room[..., 0], room[..., 1], endpoint=True)  # (image, 2): rows, columns
        places = (np.arange(SIDE) - moves[..., None]) % SIDE  # (image, 2, side)
        covers = self._covers[chosen[:, None, None], places[:, 0, :, None], places[:, 1, None, :]]
        return np.divide(covers, 255, dtype=np.float32)


def _room(cover: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """How far an object can be moved, up and down and to the sides, with one pixel left to each edge."""
    found = [np.flatnonzero(cover.any(axis=axis)) for axis in (1, 0)]
    return [(int(1 - there[0]), int(SIDE - 2 - there[-1])) for there in found]


def held_out(seed: int, count: int) -> list[Drawing]:
    """Images that no training has seen, with as many of each class as can be."""
    return [draw(random.Random(f"held out {seed} {place}"), place % len(CLASSES)) for place in range(count)]


def read(drawings: Sequence[Drawing]) -> Images:
    """Drawings as a model reads them."""
    pixels = np.stack([drawing.pixels for drawing in drawings])
    return Images(tensor(pixels), torch.tensor([drawing.label for drawing in drawings]))


def chunks(drawings: Sequence[Drawing]) -> Iterator[Images]:
    """The same, not too many at a time."""
    for start in range(0, len(drawings), CHUNK):
        yield read(drawings[start : start + CHUNK])


def tensor(pixels: NDArray[np.uint8]) -> Float[Tensor, "image 3 row column"]:
    """Pixels (image, row, column, 3) with mean and standard deviation 0.5, as the image processor makes them."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
