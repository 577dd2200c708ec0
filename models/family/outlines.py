"""The outlines of the shapes and the pen strokes of the digits, in a box of height 1 around (0, 0), y pointing down."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from itertools import pairwise

Point = tuple[float, float]
Path = list[Point]

UNSTEADY = 0.03
"""So far a digit's stroke may begin, end or bend beside its place."""
STEPS = 24
"""So many points make a bend smooth."""


def arc(middle: Point, across: float, down: float, first: float, last: float) -> Path:
    """Part of an ellipse with these half axes, from one angle to another, in degrees clockwise from the right."""
    angles = (math.radians(first + (last - first) * step / STEPS) for step in range(STEPS + 1))
    return [(middle[0] + across * math.cos(angle), middle[1] + down * math.sin(angle)) for angle in angles]


def curve(*points: Point) -> Path:
    """A Bézier curve from the first point to the last, pulled by those between."""
    return [_bezier(list(points), step / STEPS) for step in range(STEPS + 1)]


def _bezier(points: Path, at: float) -> Point:
    while len(points) > 1:
        points = [(a + (c - a) * at, b + (d - b) * at) for (a, b), (c, d) in pairwise(points)]
    return points[0]


def polygon(corners: int, radius: float, inner: float | None = None) -> Path:
    """A regular polygon that stands with a corner up; with `inner` a star."""
    radii = (radius,) if inner is None else (radius, inner)
    count = corners * len(radii)
    return [
        (radii[i % len(radii)] * math.sin(angle), -radii[i % len(radii)] * math.cos(angle))
        for i in range(count)
        for angle in (2 * math.pi * i / count,)
    ]


def circle(chance: random.Random) -> Path:
    """Nearly round."""
    return arc((0, 0), 0.46 * chance.uniform(0.92, 1), 0.46 * chance.uniform(0.92, 1), 0, 360)


def square(chance: random.Random) -> Path:
    """Nearly as wide as high."""
    wide, high = 0.42 * chance.uniform(0.88, 1), 0.42 * chance.uniform(0.88, 1)
    return [(-wide, -high), (wide, -high), (wide, high), (-wide, high)]


def triangle(chance: random.Random) -> Path:
    """On its base, the top a little to one side."""
    return [(chance.uniform(-0.08, 0.08), -0.48), (0.48, 0.4), (-0.48, 0.4)]


def star(chance: random.Random) -> Path:
    """With five points."""
    return polygon(5, 0.55, 0.55 * chance.uniform(0.38, 0.46))


def cross(chance: random.Random) -> Path:
    """Two bars of the same length."""
    thin, far = chance.uniform(0.12, 0.17), 0.5
    quarter = [(thin, thin), (thin, far), (-thin, far)]
    turned = [quarter, *([] for _ in range(3))]
    for turn in range(1, 4):
        turned[turn] = [(-y, x) for x, y in turned[turn - 1]]
    return [point for part in turned for point in part]


def heart(chance: random.Random) -> Path:
    """The curve x = 16 sin³ t, y = 13 cos t − 5 cos 2t − 2 cos 3t − cos 4t."""
    wide = chance.uniform(0.92, 1.05) / 33
    return [
        (
            wide * 16 * math.sin(t) ** 3,
            -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 32 - 0.06,
        )
        for t in (2 * math.pi * step / 48 for step in range(48))
    ]


SHAPES: Mapping[str, Callable[[random.Random], Path]] = {
    "circle": circle,
    "square": square,
    "triangle": triangle,
    "star": star,
    "cross": cross,
    "heart": heart,
}
"""Shapes, filled: name → the corners of one."""

STROKES: tuple[tuple[Path, ...], ...] = (
    (arc((0, 0), 0.29, 0.44, -90, 270),),
    ([(-0.16, -0.28), (0.06, -0.45), (0.06, 0.45)],),
    (
        curve((-0.28, -0.24), (-0.28, -0.56), (0.34, -0.56), (0.28, -0.16))
        + curve((0.28, -0.16), (0.22, 0.06), (-0.1, 0.2), (-0.3, 0.43))
        + [(0.31, 0.43)],
    ),
    (arc((-0.02, -0.22), 0.25, 0.22, -150, 88) + arc((-0.02, 0.22), 0.3, 0.24, -88, 150),),
    ([(0.12, 0.45), (0.12, -0.45), (-0.32, 0.16), (0.32, 0.16)],),
    ([(0.26, -0.44), (-0.21, -0.44), (-0.24, -0.06), *arc((-0.02, 0.15), 0.3, 0.29, -140, 145)],),
    (curve((0.22, -0.43), (-0.1, -0.4), (-0.31, -0.1), (-0.29, 0.19)), arc((0, 0.18), 0.29, 0.26, -180, 180)),
    ([(-0.3, -0.44), (0.3, -0.44), (-0.08, 0.45)],),
    (arc((0, -0.23), 0.22, 0.21, 90, 450), arc((0, 0.22), 0.28, 0.24, -90, 270)),
    (curve((-0.22, 0.43), (0.1, 0.4), (0.31, 0.1), (0.29, -0.19)), arc((0, -0.18), 0.29, 0.26, 0, 360)),
)
"""The strokes of 0, 1, … 9."""


def _written(strokes: tuple[Path, ...]) -> Callable[[random.Random], list[Path]]:
    """A hand that writes these strokes, each time wider or narrower, leaning and bent a little otherwise."""

    def write(chance: random.Random) -> list[Path]:
        wide, lean = chance.uniform(0.85, 1.1), chance.uniform(-0.12, 0.12)
        ways = [chance.uniform(0, 2 * math.pi) for _ in range(2)]

        def moved(x: float, y: float) -> Point:
            return (
                wide * x - lean * y + UNSTEADY * math.sin(5 * y + ways[0]),
                y + UNSTEADY * math.sin(5 * x + ways[1]),
            )

        return [[moved(x, y) for x, y in stroke] for stroke in strokes]

    return write


DIGITS: Mapping[str, Callable[[random.Random], list[Path]]] = {
    str(digit): _written(strokes) for digit, strokes in enumerate(STROKES)
}
"""Digits, written with a pen: name → the strokes of one."""
