"""From an image to what a vision Transformer reads, and back to what it saw.

An image is opened as a person sees it: turned as its EXIF says, transparency on white, the first frame of an animation,
RGB. The checkpoint's own processor then resizes, crops and normalizes it. Where transformers has none that runs on
Pillow alone, its plain Pillow processor follows preprocessor_config.json; without such a file the image is resized to
the `image_size` of the configuration and normalized with mean and standard deviation 0.5.

What the model saw is computed back from `pixel_values`, so it is what the model saw and not what was meant to be.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from models.errors import BadRequest, ImageTooLarge, NotAnImage
from models.huggingface.dummy import image_size, vision_config

BYTES_LIMIT = 20 << 20
"""The largest file that is opened."""

PIXELS_LIMIT = 40_000_000
"""The most pixels that an image may have, before and after it is resized."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""What is opened: formats that hold pixels and nothing that runs."""

Picture = bytes | str | Path | Image.Image | np.ndarray
"""An image: a file's content or its place, a Pillow image, or uint8 pixels (height, width, 3)."""


@dataclass(frozen=True)
class Seen:
    """An image as a model reads it.

    `inputs` has `pixel_values` (1, channels, height, width). `picture` (height, width, 3) is what the model saw, before
    normalization; None where that cannot be told. `resized` is (width, height) before and after, None if unchanged.
    """

    inputs: Mapping[str, Tensor]
    picture: NDArray[np.uint8] | None
    resized: tuple[int, int, int, int] | None = None
    cropped: bool = False


class Images:
    """Makes what one model reads of an image."""

    def __init__(self, model: Any, processor: Any = None) -> None:
        self._model = model
        self._channels = int(getattr(vision_config(model), "num_channels", 3) or 3)
        self._processor = processor or _plain_processor(model)

    def read(self, image: Picture) -> Seen:
        """An image as the model's inputs.

        Raises:
            ImageError: it is no image, or too large.
            BadRequest: the model reads other images than one of three channels or one.
        """
        if self._channels not in (1, 3):
            raise BadRequest(f"an image for a model that reads {self._channels} channels; give inputs=")
        shown = opened(image)
        width, height = self._fitting(shown)
        inputs = self._processed(shown.convert("L") if self._channels == 1 else shown)
        high, wide = inputs["pixel_values"].shape[-2:]
        same = shown.size == (wide, high)
        return Seen(
            inputs={name: self._cast(value) for name, value in inputs.items()},
            picture=self.picture(inputs["pixel_values"]),
            resized=None if same else (*shown.size, wide, high),
            cropped=wide < width or high < height,
        )

    def picture(self, pixel_values: Any) -> NDArray[np.uint8] | None:
        """What the model saw, (height, width, 3), by undoing the normalization; None where that gives no picture."""
        if not isinstance(pixel_values, Tensor) or pixel_values.ndim != 4:
            return None
        values = pixel_values[0].detach().float().cpu().numpy().astype(np.float64)  # (channel, height, width)
        settings = self._processor
        if getattr(settings, "do_normalize", None):
            values = values * self._column("image_std", values) + self._column("image_mean", values)
        if getattr(settings, "do_rescale", None):
            values = values / settings.rescale_factor
        if len(values) not in (1, 3) or values.min() < -1 or values.max() > 256:
            return None
        pixels = values.round().clip(0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0))

    def _column(self, setting: str, values: NDArray) -> NDArray[np.float64]:
        """A setting per channel, (channel, 1, 1)."""
        given = np.atleast_1d(np.asarray(getattr(self._processor, setting), dtype=np.float64))
        given = given if len(given) in (1, len(values)) else given.mean(keepdims=True)
        return np.broadcast_to(given, (len(values),))[:, None, None]

    def _fitting(self, image: Image.Image) -> tuple[int, int]:
        """(width, height) that the image is resized to before it is cropped.

        Raises:
            ImageTooLarge: that is more than is made of an image, as for one that is long and thin.
        """
        width, height = resized_size(image.size, self._processor)
        if width * height > PIXELS_LIMIT:
            raise ImageTooLarge(f"{width} × {height} px", f"{PIXELS_LIMIT} px")
        return width, height

    def _processed(self, image: Image.Image) -> dict[str, Tensor]:
        gray = {
            name: self._column(name, np.empty(1)).ravel().tolist() for name in ("image_mean", "image_std")
        }
        settings = gray | {"do_convert_rgb": False} if self._channels == 1 else {}
        try:
            made = dict(self._processor(images=image, return_tensors="pt", **settings))
        except Exception as error:  # whatever foreign code raises on an image that it did not expect
            raise BadRequest(f"an image that {type(self._processor).__name__} cannot prepare") from error
        values = made.get("pixel_values")
        if not isinstance(values, Tensor) or values.ndim != 4 or len(values) != 1:
            raise BadRequest("an image for a model that cuts it into several; give inputs=")
        return {name: value for name, value in made.items() if isinstance(value, Tensor)}

    def _cast(self, value: Tensor) -> Tensor:
        return value.to(self._model.dtype) if value.is_floating_point() else value


def opened(image: Picture) -> Image.Image:
    """An image as a person sees it, in RGB.

    Raises:
        NotAnImage: it cannot be opened.
        ImageTooLarge: more bytes or pixels than are looked at.
    """
    try:
        found = _found(image)
        _check_pixels(*found.size)
        found.load()
        return _rgb(ImageOps.exif_transpose(found))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(f"> {Image.MAX_IMAGE_PIXELS} px", f"{PIXELS_LIMIT} px") from error
    except (OSError, ValueError, TypeError, SyntaxError, EOFError, OverflowError) as error:
        raise NotAnImage from error  # what Pillow raises on files that are broken or something else


def _found(image: Picture) -> Image.Image:
    """The image, of which Pillow has read no more than the head."""
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, np.ndarray):
        _check_pixels(*image.shape[1::-1])
        return Image.fromarray(image)
    if not isinstance(image, bytes):
        _check_bytes(Path(image).stat().st_size)
        image = Path(image).read_bytes()
    _check_bytes(len(image))
    return Image.open(io.BytesIO(image), formats=FORMATS)


def _check_bytes(count: int) -> None:
    if count > BYTES_LIMIT:
        raise ImageTooLarge(f"{count / (1 << 20):.1f} MiB", f"{BYTES_LIMIT >> 20} MiB")


def _check_pixels(width: int, height: int) -> None:
    if not width * height:
        raise ValueError("no pixels")
    if width * height > PIXELS_LIMIT:
        raise ImageTooLarge(f"{width} × {height} px", f"{PIXELS_LIMIT} px")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits
        values = np.asarray(image)
        image = Image.fromarray((values / (257 if values.max() > 255 else 1)).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def resized_size(size: tuple[int, int], processor: Any) -> tuple[int, int]:
    """(width, height) that a processor resizes an image to, as far as its settings say."""
    wanted = getattr(processor, "size", None)
    if not getattr(processor, "do_resize", False) or not wanted:
        return size
    asked = dict(wanted)
    if asked.get("height") and asked.get("width"):
        return int(asked["width"]), int(asked["height"])
    if not asked.get("shortest_edge"):
        return size
    factor = asked["shortest_edge"] / min(size)
    longest = asked.get("longest_edge") or (
        getattr(processor, "size_divisor", 0) and 2 * asked["shortest_edge"]
    )
    if longest:
        factor = min(factor, longest / max(size))
    return max(1, int(size[0] * factor)), max(1, int(size[1] * factor))


def sees(model: Any) -> bool:
    """Whether a model reads images."""
    return "pixel_values" in inspect.signature(model.forward).parameters


def image_processor(place: str) -> Any:
    """The image processor of a checkpoint, or a plain one that follows its settings; None where it has no such file."""
    from transformers import AutoImageProcessor
    from transformers.models.auto.image_processing_auto import get_image_processor_config

    try:
        return AutoImageProcessor.from_pretrained(place, trust_remote_code=False, backend="pil")
    except Exception:  # noqa: BLE001 -- processors fail in many ways; the settings may still be read
        try:
            settings = get_image_processor_config(place)
            return _plain(settings) if settings else None
        except Exception:  # noqa: BLE001 -- no file, or one that cannot be read
            return None


def parts(processor: Any) -> tuple[Any, Any]:
    """(tokenizer, image processor) of what a model came with: a processor has both, each may come alone."""
    from transformers.image_processing_utils import BaseImageProcessor

    if isinstance(processor, BaseImageProcessor):
        return None, processor
    return getattr(processor, "tokenizer", processor), getattr(processor, "image_processor", None)


def _plain_processor(model: Any) -> Any:
    height, width = image_size(model)
    return _plain({"size": {"height": height, "width": width}})


def _plain(settings: Mapping[str, Any]) -> Any:
    """A processor that resizes, crops, rescales and normalizes as these settings say, on Pillow alone."""
    from transformers.image_processing_backends import PilBackend

    usual = {"do_resize": True, "do_rescale": True, "do_normalize": True, "image_mean": 0.5, "image_std": 0.5}
    known = {
        name: value for name, value in settings.items() if name in PilBackend.valid_kwargs.__annotations__
    }
    merged: dict[str, Any] = usual | {"resample": Image.Resampling.BILINEAR} | known
    return PilBackend(**merged)
