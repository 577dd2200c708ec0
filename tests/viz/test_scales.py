"""Colours: every text can be read on everything it stands on, in both themes."""

import json
import re

import pytest

from viz.scales import PALETTES, as_json, contrast

READABLE = 4.5
"""WCAG 2.2, 1.4.3, for text of normal size."""

SURFACES = ("paper", "panel", "sunken")
TEXT = ("ink", "muted", "query_text", "key_text", "value_text", "weight_text", "good", "bad", "warn")
ROLES = ("query_text", "key_text", "value_text", "weight_text")

themes = pytest.mark.parametrize("theme", PALETTES)


def colour(theme, name):
    return getattr(PALETTES[theme], name)


@themes
@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("text", TEXT)
def test_text_can_be_read_on_every_surface(theme, surface, text):
    assert contrast(colour(theme, text), colour(theme, surface)) >= READABLE


@themes
@pytest.mark.parametrize("role", ROLES)
def test_text_can_be_read_on_the_colour_of_a_role(theme, role):
    assert contrast(colour(theme, "on_role"), colour(theme, role)) >= READABLE


@themes
def test_the_focus_ring_is_seen_on_every_surface(theme):
    for surface in SURFACES:
        assert contrast(colour(theme, "focus"), colour(theme, surface)) >= 3  # WCAG 2.2, 1.4.11


@themes
def test_query_key_and_value_keep_the_hues_of_okabe_and_ito(theme):
    if theme == "light":
        assert [colour(theme, name) for name in ("query", "key", "value")] == [
            "#0072B2",
            "#D55E00",
            "#009E73",
        ]
    assert len({colour(theme, name) for name in ("query", "key", "value", "weight", "negative")}) == 5


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [
        ("#000000", "#FFFFFF", 21),
        ("#FFFFFF", "#FFFFFF", 1),
        ("#777777", "#FFFFFF", 4.48),
        ("#0000FF", "#FFFFFF", 8.59),
    ],
)
def test_contrast_equals_the_known_ratios(first, second, ratio):
    assert contrast(first, second) == pytest.approx(ratio, abs=0.005)
    assert contrast(second, first) == contrast(first, second)


def test_the_browser_gets_both_palettes_whole():
    said = json.loads(json.dumps(as_json()))
    assert said.keys() == {"light", "dark"}
    assert said["light"].keys() == said["dark"].keys() >= {*SURFACES, *TEXT}
    assert all(re.fullmatch("#[0-9A-F]{6}", value) for palette in said.values() for value in palette.values())
