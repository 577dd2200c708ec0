"""What a file may hold: images of every kind, and files that are not what they seem."""

import numpy as np
import pytest
import transformers
from PIL import Image

from models import errors
from models.huggingface.images import BYTES_LIMIT, PIXELS_LIMIT, Images, opened
from models.huggingface.wrap import wrap
from tests.huggingface.photo import PHOTO, encoded
from tests.huggingface.zoo import built


@pytest.fixture(scope="module")
def vit():
    return wrap(built("vit"))


def test_transparency_lies_on_white():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    clear.putpixel((1, 2), (0, 0, 255, 255))
    clear.putpixel((3, 3), (0, 0, 0, 128))
    pixels = np.asarray(opened(encoded(clear)))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[2, 1].tolist() == [0, 0, 255]
    assert pixels[3, 3].tolist() == [127, 127, 127]
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    pixels = np.asarray(opened(encoded(palette, transparency=0)))
    assert pixels.tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_it_stands_as_the_camera_was_held():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    wide = Image.new("RGB", (6, 2), "black")
    wide.putpixel((0, 0), (255, 255, 255))
    found = opened(encoded(wide, exif=exif))
    assert found.size == (2, 6)
    assert found.getpixel((1, 0)) == (255, 255, 255)


def test_the_first_frame_counts():
    frames = [Image.new("RGB", (3, 3), color) for color in ("red", "blue")]
    moving = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert opened(moving).getpixel((0, 0)) == (255, 0, 0)


def test_gray_and_print_colours_become_rgb():
    assert opened(encoded(Image.new("L", (2, 2), 77))).getpixel((0, 0)) == (77, 77, 77)
    assert opened(encoded(Image.new("1", (2, 2), 1))).getpixel((0, 0)) == (255, 255, 255)
    cyan = opened(encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG", quality=95))
    np.testing.assert_allclose(np.asarray(cyan)[4, 4], (0, 255, 255), atol=6)


def test_sixteen_bits_become_eight():
    deep = Image.fromarray(np.array([[0, 65535], [257 * 100, 257]], dtype=np.uint16))
    assert np.asarray(opened(encoded(deep)))[..., 0].tolist() == [[0, 255], [100, 1]]


@pytest.mark.parametrize("size", [(1, 1), (5000, 3), (3, 5000)])
def test_odd_sizes_are_seen(vit, size):
    trace = vit.record(image=encoded(Image.new("RGB", size, "teal")))
    assert trace.picture.shape == (32, 32, 3)
    assert (trace.picture == (0, 128, 128)).all()
    assert trace.resized == (*size, 32, 32)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello, this is text",
        b"GIF89a",
        encoded(PHOTO)[:-200],
        encoded(PHOTO, "JPEG")[:300],
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        np.zeros((3, 3, 3)),
        np.zeros((0, 3, 3), dtype=np.uint8),
        "no/such/file.png",
    ],
    ids=lambda content: repr(content)[:24],
)
def test_what_is_no_image_is_refused(vit, content):
    with pytest.raises(errors.NotAnImage):
        vit.record(image=content)


def test_too_many_bytes_are_refused_unread(vit, tmp_path):
    with pytest.raises(errors.ImageTooLarge) as caught:
        vit.record(image=b"x" * (BYTES_LIMIT + 1))
    assert caught.value.facts == {"got": "20.0 MiB", "limit": "20 MiB"}
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(BYTES_LIMIT * 3)
    with pytest.raises(errors.ImageTooLarge):
        vit.record(image=tmp_path / "huge.png")


@pytest.mark.parametrize("side", [6_400, 10_000, 14_000])
def test_a_bomb_is_refused_unopened(vit, side):
    bomb = encoded(Image.new("1", (side, side)))
    assert len(bomb) < 100_000
    assert side * side > PIXELS_LIMIT
    with pytest.raises(errors.ImageTooLarge):
        vit.record(image=bomb)


def test_a_line_that_would_grow_into_a_bomb_is_refused():
    model = Images(built("vit"), transformers.CLIPImageProcessorPil())
    with pytest.raises(errors.ImageTooLarge, match="373333 × 224"):
        model.read(Image.new("RGB", (5000, 3)))
    picture = model.read(Image.new("RGB", (50, 3))).picture
    assert picture is not None
    assert picture.shape == (224, 224, 3)
