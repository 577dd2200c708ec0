"""Images by name: uploads for a while, examples for ever, and runs that are named by them."""

import io
import json
import subprocess
import sys
import threading
import zlib
from base64 import urlsafe_b64decode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import Request, errors, record
from models.pictures import FOLDER, PICTURES, Pictures, examples
from tests.huggingface.zoo import built

ROOT = Path(__file__).parents[2]


def picture(color, side=16):
    stream = io.BytesIO()
    noise = np.random.default_rng(color).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vit")
    built("vit").save_pretrained(folder)
    return str(folder)


def test_an_upload_is_kept_under_the_digest_of_its_content():
    pictures = Pictures()
    name = pictures.add(picture(1))
    assert pictures.get(name) == picture(1)
    assert Pictures().add(picture(1)) == name != pictures.add(picture(2))
    assert len(name) >= 16
    assert int(name, 16) > 0


def test_the_least_recently_used_goes_first():
    size = len(picture(1))
    pictures = Pictures(limit=2 * size + size // 2)
    first, second = pictures.add(picture(1)), pictures.add(picture(2))
    pictures.get(first)
    third = pictures.add(picture(3))
    assert pictures.get(first) == picture(1)
    assert pictures.get(third) == picture(3)
    with pytest.raises(errors.ImageGone) as caught:
        pictures.get(second)
    assert caught.value.facts == {"got": second}
    assert pictures.add(picture(2)) == second
    assert pictures.get(second) == picture(2)


def test_one_that_is_larger_than_all_the_room_is_kept_until_the_next():
    pictures = Pictures(limit=10)
    name = pictures.add(picture(1))
    assert pictures.get(name) == picture(1)
    pictures.add(picture(2))
    with pytest.raises(errors.ImageGone):
        pictures.get(name)


@pytest.mark.parametrize("name", ["", "0" * 32, "example:nothing", "../secret", "example:../images.toml"])
def test_nothing_else_is_found(name):
    with pytest.raises(errors.ImageGone):
        Pictures().get(name)


def test_what_is_no_image_is_not_kept():
    with pytest.raises(errors.NotAnImage):
        Pictures().add(b"text")


def test_many_threads_add_and_get():
    pictures, faults = Pictures(limit=40 * len(picture(1))), []
    files = [picture(number) for number in range(8)]

    def work(content):
        got = {pictures.get(pictures.add(content)) for _ in range(20)}
        faults.extend(got - {content})

    threads = [threading.Thread(target=work, args=(content,)) for content in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


def test_examples_are_pictures_with_a_title_in_both_languages():
    assert len(examples()) >= 3
    for name, example in examples().items():
        assert name == example.id
        assert example.title.keys() == {"en", "zh"}
        assert all(example.title.values())
        content = PICTURES.get(name)
        assert len(content) <= 30_000
        image = Image.open(io.BytesIO(content))
        assert min(image.size) >= 256
        assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 10
    assert {path.name for path in FOLDER.glob("*.png")} == {
        example.path.name for example in examples().values()
    }


def test_examples_are_drawn_anew_as_they_are(tmp_path):
    subprocess.run(
        [sys.executable, "scripts/draw_examples.py", str(tmp_path)], cwd=ROOT, check=True, capture_output=True
    )
    for example in examples().values():
        drawn, kept = (
            Image.open(path).convert("RGB") for path in (tmp_path / example.path.name, example.path)
        )
        np.testing.assert_array_equal(np.asarray(drawn), np.asarray(kept))


def test_a_run_is_named_by_its_image(vit):
    name = PICTURES.add(picture(5))
    request = Request(vit, "", image=name)
    again = Request.from_key(request.key)
    assert again == request
    trace = again.run()
    wanted = record(vit, image=picture(5))
    np.testing.assert_array_equal(trace.picture, wanted.picture)
    np.testing.assert_array_equal(trace.logits, wanted.logits)
    assert Request(vit, "", image="example:cat").run().resized == (256, 256, 32, 32)
    assert len({request.key, Request(vit, "").key, Request(vit, "", image="example:cat").key}) == 3


def test_a_run_whose_image_is_gone_says_so(vit):
    with pytest.raises(errors.ImageGone):
        Request(vit, "", image="f" * 32).run()


def test_the_key_of_a_text_says_nothing_of_images():
    packed = Request("builtin/translator", "the cat").key.partition(".")[2]
    fields = json.loads(zlib.decompress(urlsafe_b64decode(packed + "=" * (-len(packed) % 4))))
    assert fields.keys() == {"model", "text", "target", "language"}
