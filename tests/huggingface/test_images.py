"""From an image file to what a model reads: the checkpoint's own preparation, and models that read text beside it."""

import json
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from models import errors, record
from models.huggingface import images
from models.huggingface.images import Images, image_processor
from models.huggingface.load import load_pretrained
from models.huggingface.wrap import wrap
from tests.huggingface.photo import PHOTO, encoded, words
from tests.huggingface.zoo import IMAGE, SIZES, ZOO, Kind, both, built, image

OWN = {
    "vit": ("ViTImageProcessorPil", {"size": {"height": 32, "width": 32}}),
    "deit": (
        "DeiTImageProcessorPil",
        {"size": {"height": 40, "width": 40}, "crop_size": {"height": 32, "width": 32}},
    ),
    "beit": ("BeitImageProcessorPil", {"size": {"height": 32, "width": 32}}),
    "dinov2": (
        "BitImageProcessorPil",
        {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}},
    ),
    "clip": (
        "CLIPImageProcessorPil",
        {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
    ),
    "siglip": ("SiglipImageProcessorPil", {"size": {"height": 32, "width": 32}}),
}


@pytest.fixture(scope="module")
def vit():
    return wrap(built("vit"))


@pytest.mark.parametrize("name", OWN)
def test_a_checkpoint_s_own_processor_prepares_the_image(name, tmp_path):
    kind, settings = OWN[name]
    built(name).save_pretrained(tmp_path)
    own = getattr(transformers, kind)(**settings)
    own.save_pretrained(tmp_path)
    model = load_pretrained(str(tmp_path))
    wanted = own(PHOTO, return_tensors="pt")["pixel_values"]
    seen = model.reader.images.read(encoded(PHOTO))
    torch.testing.assert_close(seen.inputs["pixel_values"], wanted.float(), rtol=0, atol=0)
    plain = own(PHOTO, return_tensors="np", do_rescale=False, do_normalize=False)["pixel_values"][0]
    np.testing.assert_array_equal(seen.picture, np.moveaxis(plain, 0, -1))
    assert seen.resized == (90, 50, 32, 32)
    assert seen.cropped == ("crop_size" in settings)


def test_settings_alone_are_followed(tmp_path):
    """A processor that transformers has not, or not without torchvision: only its settings are read."""
    built("vit").save_pretrained(tmp_path)
    settings = {
        "image_processor_type": "NobodysImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": 40},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": 32, "width": 32},
        "image_mean": [0.1, 0.2, 0.3],
        "image_std": [0.5, 0.6, 0.7],
        "rescale_factor": 1 / 255,
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    seen = Images(built("vit"), image_processor(str(tmp_path))).read(PHOTO)
    resized = PHOTO.resize((72, 40), Image.Resampling.BICUBIC)
    wanted = np.asarray(resized.crop((20, 4, 52, 36)))
    np.testing.assert_array_equal(seen.picture, wanted)
    normal = (wanted / 255 - [0.1, 0.2, 0.3]) / [0.5, 0.6, 0.7]
    np.testing.assert_allclose(seen.inputs["pixel_values"][0], np.moveaxis(normal, -1, 0), atol=1e-6)
    assert (seen.resized, seen.cropped) == ((90, 50, 32, 32), True)


def test_without_settings_the_image_takes_the_size_of_the_configuration():
    model = Kind("ViTModel", "ViTConfig", {**IMAGE, "image_size": [24, 48]}, image).build()
    seen = Images(model).read(PHOTO)
    wanted = np.asarray(PHOTO.resize((48, 24), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(seen.picture, wanted)
    np.testing.assert_allclose(
        seen.inputs["pixel_values"][0], np.moveaxis(wanted / 127.5 - 1, -1, 0), atol=1e-6
    )
    assert wrap(model).record(image=PHOTO).patches == {"encoder": (3, 6)}


def test_a_broken_settings_file_is_as_good_as_none(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text("{")
    assert image_processor(str(tmp_path)) is None
    assert image_processor(str(tmp_path / "nowhere")) is None


def test_a_gray_model_sees_gray(tmp_path):
    model = Kind("ViTModel", "ViTConfig", {**IMAGE, "num_channels": 1}, image).build()
    processor = transformers.ViTImageProcessorPil(size={"height": 32, "width": 32})
    trace = wrap(model, processor).record(image=PHOTO)
    wanted = np.asarray(PHOTO.convert("L").resize((32, 32), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(trace.picture, np.stack([wanted] * 3, axis=-1))


def test_a_run_on_an_image_is_the_run_on_its_pixel_values(vit):
    values = vit.reader.images.read(PHOTO).inputs["pixel_values"]
    seen, ready = vit.record(image=encoded(PHOTO)), vit.record(inputs={"pixel_values": values})
    assert seen.arrays.keys() == ready.arrays.keys()
    for site, place in seen.arrays:
        np.testing.assert_array_equal(seen.array(site, place), ready.array(site, place))
    np.testing.assert_array_equal(seen.picture, ready.picture)
    assert seen.tokens == ready.tokens
    assert (seen.resized, ready.resized) == ((90, 50, 32, 32), None)
    assert [token.text for token in seen.predictions] in ([["LABEL_0"], ["LABEL_1"]])
    assert seen.predicting == ""


def test_an_image_and_inputs_together_are_refused(vit):
    with pytest.raises(errors.BadRequest, match="one of them"):
        vit.record(image=PHOTO, inputs=image())


def test_half_precision_is_seen_too(vit):
    half = wrap(ZOO["vit"].build().to(torch.bfloat16))
    seen = half.record(image=PHOTO)
    np.testing.assert_array_equal(seen.picture, vit.record(image=PHOTO).picture)


def test_pixel_values_that_are_no_picture_show_none(vit):
    assert vit.record(inputs=image()).picture is None


def test_an_image_of_the_right_size_is_not_resized(vit):
    small = PHOTO.resize((32, 32))
    trace = vit.record(image=small)
    assert (trace.resized, trace.cropped) == (None, False)
    np.testing.assert_array_equal(trace.picture, np.asarray(small))


def test_every_way_to_give_an_image_gives_the_same(vit, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(PHOTO))
    pictures: list[Any] = [
        record(vit, image=given).picture
        for given in (PHOTO, np.asarray(PHOTO), path, str(path), path.read_bytes())
    ]
    assert all(np.array_equal(picture, pictures[0]) for picture in pictures)


def test_an_image_of_another_size_than_the_model_s_stretches_its_positions():
    processor = transformers.ViTImageProcessorPil(size={"height": 48, "width": 64})
    trace = wrap(built("vit"), processor).record(image=PHOTO)
    assert trace.patches == {"encoder": (6, 8)}
    assert len(trace.tokens["encoder"]) == 49


@pytest.fixture(scope="module")
def clip():
    return wrap(built("clip"), words())


class TestTextAndImage:
    """Models that read both, and models that read one."""

    def test_a_model_of_two_towers_reads_both(self, clip):
        trace = clip.record("a photo of cat", image=PHOTO)
        assert [token.text for token in trace.tokens["text"]][1:-1] == ["a", "photo", "of", "cat"]
        assert len(trace.tokens["vision"]) == 17
        assert trace.patches == {"vision": (4, 4)}
        assert trace.picture.shape == (32, 32, 3)
        assert trace.text == "a photo of cat"

    def test_one_stream_of_text_and_image(self):
        processor: Any = transformers.ViltImageProcessorPil(size={"shortest_edge": 32})
        processor.size_divisor = 8
        model = Kind("ViltModel", "ViltConfig", {**SIZES, **IMAGE}, both).build()
        model = wrap(model, transformers.ViltProcessor(processor, words()))
        trace = model.record("a cat", image=PHOTO)
        assert [token.text for token in trace.tokens["encoder"]][1:5] == ["a", "cat", "</s>", "[CLS]"]
        assert trace.picture is not None
        assert trace.picture.shape == (24, 48, 3)
        with pytest.raises(errors.NeedsImage):
            model.record("a cat")

    def test_it_wants_both(self, clip):
        with pytest.raises(errors.NeedsImage):
            clip.record("a photo")
        for text in ("", "  "):
            with pytest.raises(errors.NeedsText):
                clip.record(text, image=PHOTO)

    def test_a_model_that_sees_wants_an_image_and_no_text(self, vit):
        with pytest.raises(errors.NeedsImage):
            vit.record("a cat")
        with pytest.raises(errors.NeedsImage):
            vit.record()
        with pytest.raises(errors.BadRequest):
            vit.record("a cat", image=PHOTO)

    def test_a_model_that_reads_text_wants_no_image(self):
        with pytest.raises(errors.BadRequest, match="image"):
            wrap(built("gpt2"), words()).record("a cat", image=PHOTO)
        with pytest.raises(errors.BadRequest, match="image"):
            record("builtin/translator", "the cat", image=PHOTO)

    def test_a_model_that_describes_an_image_is_read_with_its_own_words(self):
        text = {**SIZES, "encoder_hidden_size": 32, "sep_token_id": 2}
        kind = Kind(
            "BlipForConditionalGeneration", "BlipConfig", {"text_config": text, "vision_config": IMAGE}, both
        )
        model = wrap(kind.build(), words())
        trace = model.record(image=PHOTO)
        with torch.no_grad():
            values = model.reader.images.read(PHOTO).inputs["pixel_values"]
            caption = model.model.generate(pixel_values=values, do_sample=False, max_new_tokens=64)[
                0
            ].tolist()
        assert [token.id for token in trace.tokens["decoder"]] == caption[: len(trace.tokens["decoder"])]
        assert trace.patches == {"vision": (4, 4)}
        assert model.record("a cat", image=PHOTO).tokens["decoder"][1].text == "a"

    def test_a_processor_brings_a_tokenizer_and_an_image_processor(self):
        processor = transformers.CLIPProcessor(
            transformers.CLIPImageProcessorPil(
                size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
            ),
            words(),
        )
        assert images.parts(processor) == (processor.tokenizer, processor.image_processor)
        assert wrap(built("clip"), processor).record("a cat", image=PHOTO).cropped

    def test_a_card_says_what_is_read(self, clip, vit):
        assert clip.card.reads == ("text", "image")
        assert vit.card.reads == ("image",)
        assert wrap(built("gpt2")).card.reads == ("text",)
