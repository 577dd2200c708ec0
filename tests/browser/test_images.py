"""Models that see: the picture, its patches and windows, and what a chosen patch looks at."""

import base64
import io
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Position

from models.errors import NotAnImage
from models.pictures import PICTURES
from tests.browser.conftest import Open
from tests.browser.folders import Folders
from tests.browser.microscope import Microscope, Picture
from tests.browser.walk import faults
from viz.texts import render

pytestmark = pytest.mark.browser

VEIL = 0.78
"""How much of the picture the largest weight of a row hides."""

PLAIN = """([bytes, rows, columns, height, width]) => {
  const data = Uint8ClampedArray.from(atob(bytes), (letter) => letter.charCodeAt(0));
  const image = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) image.data.set([...data.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  const [small, large] = [new OffscreenCanvas(columns, rows), new OffscreenCanvas(width, height)];
  small.getContext("2d").putImageData(image, 0, 0);
  large.getContext("2d").drawImage(small, 0, 0, width, height);
  const shown = large.getContext("2d").getImageData(0, 0, width, height).data;
  return [width, btoa(Array.from(shown, (byte) => String.fromCharCode(byte)).join(""))];
}"""
"""A picture as this browser enlarges it, without anything on it."""

AT = {"block": "encoder.1.self", "head": 2, "query": 20, "key": 11, "stage": "softmax"}


@pytest.fixture
def seeing(open_page: Open, folders: Folders) -> Microscope:
    """A ViT that looks at the first example."""
    return open_page(urlencode({"model": folders["vit"], "image": "example:cat"} | AT))


def picture(microscope: Microscope) -> Picture:
    """The picture in the left column."""
    return microscope.pixels(".pictures canvas.picture")


def colour(microscope: Microscope, name: str) -> np.ndarray:
    """A colour of the light page."""
    text = microscope.server.ask("config")["colours"]["light"][name]
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)], float)


def veiled(microscope: Microscope) -> np.ndarray:
    """(row, column): how much of each patch the overlay hides, read from the pixels inside it."""
    trace, shown = microscope.expected().trace, picture(microscope).pixels[..., :3].astype(float)
    assert trace.picture is not None
    given = [base64.b64encode(trace.picture.tobytes()).decode(), *trace.picture.shape[:2], *shown.shape[:2]]
    plain = Picture(*microscope.page.evaluate(PLAIN, given)).pixels[..., :3].astype(float)
    towards = colour(microscope, "weight") - plain
    moved, whole = ((change * towards).sum(axis=2) for change in (shown - plain, towards))
    rows, columns = trace.patches["encoder"]
    inside = [
        (slice(*_inside(row, len(shown) / rows)), slice(*_inside(column, shown.shape[1] / columns)))
        for row in range(rows)
        for column in range(columns)
    ]
    return np.array([moved[place].sum() / whole[place].sum() for place in inside]).reshape(rows, columns)


def _inside(index: int, size: float) -> tuple[int, int]:
    """From where to where a patch is free of lines."""
    return round(index * size) + 5, round((index + 1) * size) - 4


def weights(microscope: Microscope) -> tuple[np.ndarray, np.ndarray]:
    """The chosen row's weights as shares of the largest, and as (row, column) of the patches."""
    expected = microscope.expected()
    row = expected.head.weights[expected.at.query]
    shares = row / row.max()
    return shares, shares[-64:].reshape(8, 8)


def patch(microscope: Microscope, row: int, column: int) -> Position:
    """Where a patch is on the picture."""
    box = microscope[".pictures canvas.picture"].bounding_box()
    assert box
    return {"x": (column + 0.5) * box["width"] / 8, "y": (row + 0.5) * box["height"] / 8}


def test_a_shipped_example_is_drawn_with_what_its_patch_looks_at(seeing: Microscope):
    assert not seeing.notices(), "of an example nobody need be told that it was resized"
    before = picture(seeing)
    for example in ("shapes", "cat"):
        seeing[f".images [data-image='example:{example}']"].click()
        seeing.page.wait_for_selector(f".images [data-image='example:{example}'][aria-pressed=true]")
        seeing.ready()
        assert seeing.address()["image"] == f"example:{example}"
        assert not list(seeing.differences())
        assert (picture(seeing) == before) == (example == "cat")
        hidden, (_, wanted) = veiled(seeing), weights(seeing)
        assert np.abs(hidden - VEIL * wanted).max() < 0.03
        assert hidden.argmax() == wanted.argmax()


def test_a_click_on_a_patch_chooses_the_query_everywhere(seeing: Microscope):
    canvas = seeing[".pictures canvas.picture"]
    canvas.click(position=patch(seeing, 5, 3))
    address = seeing.address()
    assert (address["query"], address["key"]) == (str(1 + 5 * 8 + 3), "11")
    token = seeing.expected().trace.tokens["encoder"][1 + 5 * 8 + 3]
    assert (token.row, token.column) == (5, 3)
    assert token.text in seeing.text(".bars h2")
    assert token.text in seeing.text(".reading")
    assert not list(seeing.differences())
    assert veiled(seeing).argmax() == weights(seeing)[1].argmax()
    canvas.click(position=patch(seeing, 1, 6), modifiers=["Shift"])
    address = seeing.address()
    assert (address["query"], address["key"]) == (str(1 + 5 * 8 + 3), str(1 + 8 + 6))
    assert not list(seeing.differences())


def test_pointing_at_a_patch_shows_what_it_looks_at_and_leaving_brings_the_chosen_one_back(
    seeing: Microscope,
):
    before, lines = picture(seeing), seeing.lines()
    box = seeing[".pictures canvas.picture"].bounding_box()
    assert box
    place = patch(seeing, 0, 7)
    seeing.page.mouse.move(box["x"] + place["x"], box["y"] + place["y"])
    expected = seeing.expected().moved("en", query=8)
    assert seeing.text(".reading") == " ".join(expected.reading().split())
    row = expected.head.weights[8]
    assert np.abs(veiled(seeing).ravel() - VEIL * row[1:] / row.max()).max() < 0.03
    seeing["h1"].hover()
    assert (picture(seeing), seeing.lines()) == (before, lines)


def test_arrows_go_from_patch_to_patch_and_the_class_token_is_a_button(seeing: Microscope):
    seeing[".pictures canvas.picture"].focus()
    for key in ("ArrowRight", "ArrowDown"):
        seeing.page.keyboard.press(key)
    assert seeing.address()["query"] == str(20 + 1 + 8)
    seeing[".picture-strip .token"].click()
    assert seeing.address()["query"] == "0"
    assert not list(seeing.differences())


def test_a_link_brings_the_picture_back(open_page: Open, seeing: Microscope):
    other = open_page(urlencode(seeing.address()))
    assert (other.in_view(), picture(other)) == (seeing.in_view(), picture(seeing))


def test_one_s_own_picture_is_seen(open_page: Open, folders: Folders):
    microscope = open_page(urlencode({"model": folders["vit"], "image": "example:cat"} | AT))
    pixels = np.random.default_rng(3).integers(0, 255, (96, 96, 3)).astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "png")
    name = PICTURES.add(written.getvalue())
    microscope["[data-id=image]"].set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": written.getvalue()}
    )
    microscope.page.wait_for_selector(".images [data-id=upload][aria-pressed=true]")
    assert microscope.ready().address()["image"] == name
    assert "96 × 96" in microscope.notices()["resized"]
    assert not list(microscope.differences())
    assert np.abs(veiled(microscope) - VEIL * weights(microscope)[1]).max() < 0.03


def test_a_file_that_is_no_image_is_refused_and_the_page_stays(seeing: Microscope):
    before, address, drawn = seeing.in_view(), seeing.address(), picture(seeing)
    seeing["[data-id=image]"].set_input_files(
        {"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture at all"}
    )
    seeing.page.wait_for_selector(f".notice[data-notice={NotAnImage.id}]")
    assert (seeing.in_view(), seeing.address(), picture(seeing)) == (before, address, drawn)
    told = seeing.texts["errors"][NotAnImage.id]
    for language in ("zh", "en"):
        seeing.language(language)
        assert seeing.notice(NotAnImage.id) == render("{title} {body}".format(**told[language]), {})


def test_from_a_text_to_an_image_and_back(open_page: Open, folders: Folders):
    microscope = open_page(urlencode({"model": folders["gpt2"], "text": "the cat sat"}))
    microscope.ask_for_model(folders["vit"])
    assert microscope.opened(folders["vit"]).address()["image"] == "example:cat"
    assert not microscope["[data-id=text]"].is_visible()
    assert not list(microscope.differences())
    assert microscope.choose(folders["gpt2"]).address()["text"] == "the cat sat"
    assert not microscope[".images"].is_visible()
    assert not list(microscope.differences())


@pytest.mark.parametrize(
    ("model", "block"), [("vit", "encoder.0.self"), ("swin", "encoder.1.self"), ("swin", "encoder.2.self")]
)
def test_every_stage_of_a_model_that_sees(open_page: Open, folders: Folders, model: str, block: str):
    at = {"block": block, "head": 1, "query": 20, "key": 11, "channel": 3, "dimension": 9}
    microscope = open_page(urlencode({"model": folders[model], "image": "example:harbour"} | at))
    assert not faults(microscope)


@pytest.mark.parametrize("block", ["encoder.0.self", "encoder.1.self"])
def test_lines_stand_between_the_windows_of_swin_and_nowhere_else(
    open_page: Open, folders: Folders, block: str
):
    at = {"block": block, "head": 0, "query": 0, "key": 0, "stage": "softmax"}
    microscope = open_page(urlencode({"model": folders["swin"], "image": "example:digit"} | at))
    trace = microscope.expected().trace
    rows, columns = trace.patches["encoder"]
    windows = np.asarray(trace.windows[block]).reshape(rows, columns)
    pixels, line = picture(microscope).pixels[..., :3].astype(float), colour(microscope, "negative")
    side = pixels.shape[0] / rows
    for row in range(2, rows):
        for column in range(2, columns - 1):
            middle, edge = int((row + 0.5) * side), int((column + 1) * side)
            upright, level = (np.abs(pixels[at] - line).max() < 9 for at in ((middle, edge), (edge, middle)))
            assert upright == (windows[row, column] != windows[row, column + 1]), (row, column)
            assert level == (windows[column, row] != windows[column + 1, row]), (column, row)
