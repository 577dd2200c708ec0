"""Colours, defined once and sent to the browser as data.

Hues are Okabe and Ito's, which colour-blind readers can tell apart. A role keeps its hue in figures, formulas and
prose. A signed array runs from sand (negative) through the paper to its role's hue (positive); weights run from paper
to purple on [0, 1]. Masked cells are hatched, never coloured.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Palette:
    """The colours of one theme. `ink` and its kin are for text on `paper` and `panel`; `*_text` are roles as text."""

    paper: str
    panel: str
    sunken: str
    line: str
    ink: str
    muted: str
    query: str
    key: str
    value: str
    weight: str
    score: str
    stream: str
    context: str
    negative: str
    query_text: str
    key_text: str
    value_text: str
    weight_text: str
    good: str
    bad: str
    warn: str
    focus: str
    on_role: str


LIGHT = Palette(
    paper="#FBFAF7",
    panel="#FFFFFF",
    sunken="#F1EFE9",
    line="#DAD6CC",
    ink="#1D2126",
    muted="#5A6068",
    query="#0072B2",
    key="#D55E00",
    value="#009E73",
    weight="#7B4FB0",
    score="#7B4FB0",
    stream="#37474F",
    context="#009E73",
    negative="#8C6D46",
    query_text="#00639C",
    key_text="#AD4B00",
    value_text="#007353",
    weight_text="#6B3FA0",
    good="#00704F",
    bad="#B3261E",
    warn="#8A5300",
    focus="#0072B2",
    on_role="#FFFFFF",
)

DARK = Palette(
    paper="#14171B",
    panel="#1B1F24",
    sunken="#23282F",
    line="#3A414A",
    ink="#ECEEF0",
    muted="#A6AEB8",
    query="#56B4E9",
    key="#F08A3C",
    value="#34C79A",
    weight="#B893E6",
    score="#B893E6",
    stream="#C3CDD6",
    context="#34C79A",
    negative="#C79A62",
    query_text="#6DC0F0",
    key_text="#F59A54",
    value_text="#4FD0A7",
    weight_text="#C4A5EC",
    good="#4FD0A7",
    bad="#FF8A80",
    warn="#F2B45A",
    focus="#6DC0F0",
    on_role="#14171B",
)

PALETTES = {"light": LIGHT, "dark": DARK}


def as_json() -> dict[str, dict[str, str]]:
    """Both palettes as the browser reads them."""
    return {theme: asdict(palette) for theme, palette in PALETTES.items()}


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours `#RRGGBB`, 1 to 21 (WCAG 2.2, relative luminance)."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
