"""Draw the example images anew: `python scripts/draw_examples.py`. The same bytes every time, from shapes alone."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # what follows is the project's own, wherever this is started

from models.family.drawing import CLASSES, draw  # noqa: E402

FOLDER = ROOT / "assets" / "images"
SIDE = 256
FINER = 4
"""Everything is drawn so many times larger and then made smaller, so that edges are smooth."""

COLORS = 96
Draw = ImageDraw.ImageDraw
Point = tuple[float, float]


class Canvas:
    """A picture of the given size, in points from its top left corner."""

    def __init__(self, width: int, height: int, color: str) -> None:
        self._size = (width, height)
        self._image = Image.new("RGB", (width * FINER, height * FINER), color)
        self._draw = ImageDraw.Draw(self._image)

    def ellipse(self, x: float, y: float, wide: float, high: float, color: str) -> None:
        """Around its middle, by its half axes."""
        self._draw.ellipse([FINER * n for n in (x - wide, y - high, x + wide, y + high)], fill=color)

    def box(self, left: float, top: float, right: float, bottom: float, *, color: str) -> None:
        edges = [FINER * n for n in (left, top, right, bottom)]
        self._draw.rectangle(edges, fill=color)

    def polygon(self, points: list[Point], color: str) -> None:
        self._draw.polygon([(FINER * x, FINER * y) for x, y in points], fill=color)

    def line(self, points: list[Point], color: str, width: float) -> None:
        """A stroke with round ends."""
        self._draw.line([(FINER * x, FINER * y) for x, y in points], color, round(FINER * width), "curve")
        for x, y in (points[0], points[-1]):
            self.ellipse(x, y, width / 2, width / 2, color)

    def curve(self, points: list[Point], color: str, width: float) -> None:
        """A stroke along a Bézier curve through its first and last point, pulled by those between."""
        self.line([_bezier(points, step / 48) for step in range(49)], color, width)

    def fade(self, top: int, bottom: int, first: str, last: str) -> None:
        """Rows from one colour to another, in a few even bands."""
        one, other = Image.new("RGB", (1, 1), first), Image.new("RGB", (1, 1), last)
        bands = 16
        for band in range(bands):
            color: Any = Image.blend(one, other, band / (bands - 1)).getpixel((0, 0))
            high = top + (bottom - top) * band / bands
            rest = [0, FINER * high, FINER * self._size[0], FINER * bottom]
            self._draw.rectangle(rest, fill=color)

    def image(self) -> Image.Image:
        """The picture in its own size."""
        return self._image.resize(self._size, Image.Resampling.LANCZOS)


def _bezier(points: list[Point], at: float) -> Point:
    if len(points) == 1:
        return points[0]
    return _bezier([(a + (c - a) * at, b + (d - b) * at) for (a, b), (c, d) in pairwise(points)], at)


def shapes() -> Canvas:
    """A red disc, a blue square and a yellow triangle on quiet clutter: three things to look for."""
    chance = random.Random(3)
    canvas = Canvas(256, 256, "#efe9dd")
    for _ in range(90):
        x, y, turn, length = (
            chance.uniform(0, 256),
            chance.uniform(0, 256),
            chance.uniform(-18, 18),
            chance.uniform(6, 22),
        )
        color = chance.choice(["#d9d2c3", "#cfc9bd", "#dcd5c9", "#c9c6c0"])
        canvas.line([(x, y), (x + length, y + turn)], color, chance.choice([3, 5, 8]))
    canvas.ellipse(76, 84, 44, 44, "#d6453d")
    canvas.box(148, 132, 226, 210, color="#2f6db5")
    canvas.polygon([(66, 232), (20, 232), (43, 188)], "#efb82c")
    canvas.polygon([(196, 96), (150, 96), (173, 50)], "#efb82c")
    return canvas


def digit() -> Canvas:
    """A three, written with chalk on a blackboard that was wiped before."""
    chance = random.Random(7)
    canvas = Canvas(256, 256, "#26352f")
    for _ in range(26):
        x, y, length = chance.uniform(-30, 230), chance.uniform(0, 256), chance.uniform(50, 130)
        wiped = [(x, y), (x + length / 2, y - chance.uniform(8, 26)), (x + length, y)]
        canvas.curve(wiped, chance.choice(["#2a3a34", "#2d3e38", "#304139"]), chance.uniform(6, 16))
    for row in (64, 216):
        canvas.line([(0, row), (256, row)], "#3c4f47", 1.5)
    canvas.curve([(104, 104), (110, 72), (188, 72), (178, 118), (164, 136), (130, 136)], "#f3f1e6", 14)
    canvas.curve([(130, 136), (186, 134), (200, 176), (172, 220), (110, 210), (98, 186)], "#f3f1e6", 14)
    return canvas


def cat() -> Canvas:
    """A ginger cat on a window sill, under the moon."""
    canvas = Canvas(256, 256, "#25335c")
    canvas.fade(0, 200, "#1d2850", "#56669c")
    for x, y in [(30, 30), (50, 66), (112, 22), (150, 54), (24, 104), (226, 118), (200, 20), (92, 100)]:
        canvas.ellipse(x, y, 1.8, 1.8, "#f6efcf")
    canvas.ellipse(204, 62, 27, 27, "#f6e9b2")
    canvas.box(0, 204, 256, 256, color="#8a5a3c")
    canvas.box(0, 204, 256, 212, color="#a7724f")
    canvas.curve([(160, 206), (236, 212), (236, 140), (196, 152)], "#c96f25", 17)
    canvas.curve([(204, 150), (200, 150), (196, 152)], "#f7e6d0", 15)
    canvas.ellipse(122, 172, 50, 46, "#e08a3a")
    canvas.polygon([(72, 172), (172, 172), (180, 213), (64, 213)], "#e08a3a")
    canvas.ellipse(122, 190, 24, 25, "#f7e6d0")
    for left in (58, 132):
        canvas.polygon(
            [(left + 6, 62), (left + 46, 92), (left + 4, 118)]
            if left < 100
            else [(left + 48, 62), (left + 8, 92), (left + 50, 118)],
            "#e08a3a",
        )
    canvas.polygon([(70, 76), (94, 94), (70, 106)], "#f2b9a4")
    canvas.polygon([(174, 76), (150, 94), (174, 106)], "#f2b9a4")
    canvas.ellipse(122, 122, 58, 48, "#e08a3a")
    for x, tip in ((104, 88), (122, 94), (140, 88)):
        canvas.line([(x, 76), (122 + (x - 122) * 0.8, tip)], "#b9601c", 6)
    canvas.ellipse(122, 142, 31, 23, "#f7e6d0")
    for x in (98, 146):
        canvas.ellipse(x, 116, 12, 13, "#f3f6d8")
        canvas.ellipse(x, 116, 5, 11, "#26331f")
        canvas.ellipse(x + 2.5, 111, 2.5, 2.5, "#ffffff")
    canvas.polygon([(115, 132), (129, 132), (122, 140)], "#d9626b")
    canvas.curve([(122, 140), (121, 152), (108, 150)], "#7a3f1c", 3)
    canvas.curve([(122, 140), (123, 152), (136, 150)], "#7a3f1c", 3)
    for side in (-1, 1):
        for rise in (-6, 2, 10):
            canvas.line(
                [(122 + side * 32, 142 + rise / 2), (122 + side * 74, 138 + rise * 1.6)], "#fbf1e2", 1.6
            )
    for x in (100, 144):
        canvas.ellipse(x, 210, 17, 10, "#f7e6d0")
        for toe in (-5, 5):
            canvas.line([(x + toe, 208), (x + toe, 215)], "#c9a583", 2)
    return canvas


def harbour() -> Canvas:
    """A house and a tree by a lake with a sailing boat: wider than high, so that it must be cropped or squeezed."""
    canvas = Canvas(384, 256, "#bfe0f2")
    canvas.fade(0, 150, "#8cc4ea", "#e3f2f4")
    canvas.ellipse(62, 52, 26, 26, "#f8d04b")
    for x, y in ((190, 44), (292, 62)):
        for over, wide, high in ((-22, 18, 11), (0, 26, 17), (24, 18, 11)):
            canvas.ellipse(x + over, y - high / 3, wide, high, "#ffffff")
    canvas.polygon([(0, 150), (70, 84), (128, 132), (196, 70), (286, 140), (340, 104), (384, 150)], "#8fa9c4")
    canvas.polygon([(196, 70), (176, 88), (190, 94), (200, 88), (212, 96), (219, 88)], "#f3f7fa")
    canvas.box(0, 146, 384, 256, color="#3f8fc0")
    for x, y in ((226, 170), (330, 176), (262, 206), (352, 214), (212, 232), (300, 238)):
        canvas.line([(x, y), (x + 26, y)], "#8cc3e2", 2.5)
    canvas.ellipse(60, 254, 168, 82, "#79b04a")
    canvas.box(34, 130, 112, 204, color="#f3e3c3")
    canvas.polygon([(22, 134), (73, 88), (124, 134)], "#b8432f")
    canvas.box(92, 92, 104, 118, color="#8d3a2a")
    canvas.box(64, 164, 84, 204, color="#6e4a2f")
    canvas.ellipse(80, 186, 1.8, 1.8, "#f3d27a")
    for left in (42, 90):
        canvas.box(left, 144, left + 16, 160, color="#5fa3cf")
        canvas.line([(left + 8, 144), (left + 8, 160)], "#ffffff", 2)
        canvas.line([(left, 152), (left + 16, 152)], "#ffffff", 2)
    canvas.box(148, 150, 158, 206, color="#74502f")
    for x, y, size in ((138, 132, 24), (168, 132, 24), (153, 108, 27), (153, 138, 26)):
        canvas.ellipse(x, y, size, size, "#3f8a3b")
    for x, y in ((136, 124), (164, 138), (152, 102), (174, 124), (146, 144)):
        canvas.ellipse(x, y, 4, 4, "#d8352d")
    canvas.polygon([(254, 190), (342, 190), (326, 210), (270, 210)], "#c8502f")
    canvas.line([(297, 190), (297, 104)], "#5b4030", 4)
    canvas.polygon([(302, 106), (302, 184), (344, 184)], "#fdfbf3")
    canvas.polygon([(292, 116), (292, 184), (262, 184)], "#f2c14a")
    canvas.polygon([(297, 102), (297, 114), (278, 108)], "#d8352d")
    return canvas


def learned(name: str, number: int) -> Image.Image:
    """A picture such as the built-in models learned from, larger than they read it."""
    chance = random.Random(f"example {name} {number}")
    return Image.fromarray(draw(chance, CLASSES.index(name), SIDE).pixels)


PICTURES: dict[str, Callable[[], Image.Image]] = {
    "star": lambda: learned("star", 3),
    "heart": lambda: learned("heart", 5),
    "cross": lambda: learned("cross", 5),
    "square": lambda: learned("square", 5),
    "two": lambda: learned("2", 8),
    "four": lambda: learned("4", 9),
    "seven": lambda: learned("7", 3),
    "eight": lambda: learned("8", 1),
    "shapes": lambda: shapes().image(),
    "digit": lambda: digit().image(),
    "cat": lambda: cat().image(),
    "harbour": lambda: harbour().image(),
}


def main(folder: Path = FOLDER) -> None:
    """Draw all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, paint in PICTURES.items():
        path = folder / f"{name}.png"
        few = paint().quantize(COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(*(Path(folder) for folder in sys.argv[1:2]))
