"""Draws images to learn from: one object, a shape or a digit, on a background full of strokes that are no object.

Everything is drawn in units of the image's side, from a random state, so that the same state gives the same picture at
any size. Edges are smooth: each picture is drawn `FINER` times larger and then made smaller.
"""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.family.outlines import DIGITS, SHAPES, Path, Point

SIDE = 64
"""Rows and columns of the images that the models read."""
FINER = 4
CLASSES = (*SHAPES, *DIGITS)
"""The classes, in the order of their ids."""
LIMITS = {**dict.fromkeys(SHAPES, (0.28, 0.38)), **dict.fromkeys(DIGITS, (0.38, 0.5))}
"""The least and the greatest height of an object."""
TURN = 15.0
"""An object is turned by so many degrees at most, one way or the other."""
MARGIN = 0.03
CONTRAST = 0.33
"""An object is lighter than what is behind it by so much, in mean over red, green and blue of [0, 1]."""
TRIES = 8

Pixels = NDArray[np.uint8]  # (row, column, 3)
Cover = NDArray[np.float32]  # (row, column): the share of each pixel that the object covers, in [0, 1]
Color = tuple[int, int, int]


@dataclass(frozen=True)
class Drawing:
    """An image, the id of its class, and where its object is."""

    pixels: Pixels
    label: int
    cover: Cover

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(row, column): the pixels that belong to the object, be it in part."""
        return self.cover > 0


@dataclass(frozen=True)
class Figure:
    """An object: its class, its middle, its height and how far it is turned, in degrees."""

    label: int
    middle: Point
    height: float
    turn: float


def draw(chance: random.Random, label: int | None = None, side: int = SIDE) -> Drawing:
    """An image of one object, of the class `label` or of any."""
    label = chance.randrange(len(CLASSES)) if label is None else label
    behind = background(chance, side)
    cover = covered(figure(chance, label), chance, side)
    colors = np.array([[light(chance) for _ in range(TRIES)]], dtype=np.uint8)
    return Drawing(painted(behind[None], cover[None], colors)[0], label, cover)


def painted(
    behind: NDArray[np.uint8], cover: NDArray[np.float32], colors: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Objects laid over backgrounds, each in the first of its colours that stands out, or in the one that does most.

    Axes: behind (image, row, column, 3), cover (image, row, column), colors (image, try, 3).
    """
    weight = cover / np.maximum(cover.sum(axis=(1, 2), keepdims=True), 1e-6)
    mean = np.einsum("nrc,nrck->nk", weight, behind, dtype=np.float32)
    lighter = (colors - mean[:, None]).mean(axis=-1) / 255
    chosen = colors[np.arange(len(colors)), np.minimum(lighter, CONTRAST).argmax(axis=1)]  # (image, 3)
    share = cover[..., None]
    return (behind * (1 - share) + chosen[:, None, None] * share + 0.5).astype(np.uint8)


def figure(chance: random.Random, label: int) -> Figure:
    """An object of this class somewhere in the image, all of it inside."""
    height = chance.uniform(*LIMITS[CLASSES[label]])
    reach = height / 2 + MARGIN
    middle = (chance.uniform(reach, 1 - reach), chance.uniform(reach, 1 - reach))
    return Figure(label, middle, height, chance.uniform(-TURN, TURN))


def centred(chance: random.Random, label: int) -> Figure:
    """The same near the middle of the image, at any place of a pixel."""
    near = (0.5 + chance.uniform(0, 1) / SIDE, 0.5 + chance.uniform(0, 1) / SIDE)
    return replace(figure(chance, label), middle=near)


def covered(figure: Figure, chance: random.Random, side: int = SIDE) -> Cover:
    """Where an object lies, drawn by a hand that is never quite exact."""
    name, fine = CLASSES[figure.label], side * FINER
    canvas = Image.new("L", (fine, fine))
    pen = ImageDraw.Draw(canvas)
    if name in SHAPES:
        pen.polygon(_placed(SHAPES[name](chance), figure, fine), fill=255)
    else:
        width = chance.uniform(0.12, 0.19) * figure.height * fine
        for path in DIGITS[name](chance):
            stroke(pen, _placed(path, figure, fine), 255, width)
    return np.divide(np.asarray(canvas.reduce(FINER)), 255, dtype=np.float32)


def _placed(path: Path, figure: Figure, fine: int) -> list[Point]:
    """Points of a unit box around (0, 0), in pixels of the canvas."""
    sine, cosine = math.sin(math.radians(figure.turn)), math.cos(math.radians(figure.turn))
    x0, y0, height = *figure.middle, figure.height
    return [
        (fine * (x0 + height * (cosine * x - sine * y)), fine * (y0 + height * (sine * x + cosine * y)))
        for x, y in path
    ]


def stroke(
    pen: ImageDraw.ImageDraw, points: Sequence[Point], color: int | tuple[int, ...], width: float
) -> None:
    """A line with round ends and round corners."""
    pen.line(list(points), color, round(width), "curve")
    for x, y in (points[0], points[-1]):
        pen.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=color)


def background(chance: random.Random, side: int = SIDE) -> Pixels:
    """Clouds of colour, spots, long lines, and short strokes as heavy as those of a digit."""
    fine = side * FINER
    palette = _palette(chance)
    canvas = _clouds(chance, palette, fine)
    pen = ImageDraw.Draw(canvas, "RGBA")
    kinds: list[Callable[[], None]] = [
        *[lambda: _spot(pen, chance, palette, fine)] * chance.randint(2, 6),
        *[lambda: _line(pen, chance, palette, fine)] * chance.randint(1, 4),
        *[lambda: _scrap(pen, chance, palette, fine)] * chance.randint(3, 8),
    ]
    chance.shuffle(kinds)
    for add in kinds:
        add()
    return np.asarray(canvas.reduce(FINER))


def light(chance: random.Random) -> Color:
    """A light colour of any hue."""
    return _rgb(chance.random(), chance.uniform(0.05, 0.65), chance.uniform(0.8, 1.0))


def _rgb(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def _palette(chance: random.Random) -> list[Color]:
    """Colours that go together, near in hue and in lightness; the last may be as light as an object."""
    hue, value = chance.random(), chance.uniform(0.2, 0.6)
    near = [
        _rgb(
            hue + chance.uniform(-0.08, 0.08),
            chance.uniform(0.2, 0.8),
            max(0.08, value + chance.uniform(-0.2, 0.15)),
        )
        for _ in range(5)
    ]
    return [*near, light(chance)]


def _clouds(chance: random.Random, palette: Sequence[Color], fine: int) -> Image.Image:
    """A few large squares of colour, made smooth."""
    cells = chance.choice((2, 3, 4, 6))
    coarse = Image.new("RGB", (cells, cells))
    coarse.putdata([chance.choice(palette[:4]) for _ in range(cells * cells)])
    return coarse.resize((fine, fine), Image.Resampling.BICUBIC)


def _spot(pen: ImageDraw.ImageDraw, chance: random.Random, palette: Sequence[Color], fine: int) -> None:
    """An oval that shines through, too large or too long for a disc."""
    x, y, wide = chance.random(), chance.random(), chance.uniform(0.03, 0.3)
    high = wide * chance.choice((0.25, 0.4, 2.5, 4.0)) if wide < 0.12 else chance.uniform(0.25, 0.4)
    box = [fine * n for n in (x - wide, y - high, x + wide, y + high)]
    pen.ellipse(box, fill=(*chance.choice(palette), chance.randint(60, 170)))


def _line(pen: ImageDraw.ImageDraw, chance: random.Random, palette: Sequence[Color], fine: int) -> None:
    """A line from edge to edge."""
    ends = [(fine * chance.uniform(-0.1, 1.1), fine * place) for place in (-0.05, 1.05)]
    if chance.random() < 0.5:
        ends = [(y, x) for x, y in ends]
    stroke(pen, ends, (*chance.choice(palette), chance.randint(90, 255)), fine * chance.uniform(0.01, 0.05))


def _scrap(pen: ImageDraw.ImageDraw, chance: random.Random, palette: Sequence[Color], fine: int) -> None:
    """A short stroke that is no class: a dash, a hook or a wave."""
    x, y, angle = chance.random(), chance.random(), chance.uniform(0, 2 * math.pi)
    bend, length = chance.choice((0.0, 0.0, 1.2, -1.2, 2.0)), chance.uniform(0.04, 0.09)
    points = [(fine * x, fine * y)]
    for _ in range(chance.randint(1, 2)):
        x, y = x + length * math.cos(angle), y + length * math.sin(angle)
        points.append((fine * x, fine * y))
        angle += bend
    stroke(pen, points, (*chance.choice(palette), 255), fine * chance.uniform(0.025, 0.06))
