"""The two models that see: a vision Transformer and one with shifted windows, both trained on drawn images."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    PretrainedConfig,
    SwinConfig,
    SwinForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from models.family.course import Course, Figure, Figures, Recipe
from models.family.drawing import CLASSES, SIDE, Drawing
from models.family.focus import area, ratios, weight_on_object
from models.family.gallery import Gallery, Images, chunks, held_out

BATCH = 32
HELD_OUT = 960
"""So many images are measured, 60 of each class."""
GLANCED = 96
CHOSEN_ON = 160
DEV_SEED = 500_009
"""Added to the seed of training: images on which something is chosen, and never measured."""
PATCH = 8
SPREAD = 0.1
"""The standard deviation of the weights at first: with the usual 0.02 such narrow models learn nothing for long."""

LABELS: dict[str, Any] = {
    "id2label": dict(enumerate(CLASSES)),
    "label2id": {name: place for place, name in enumerate(CLASSES)},
}


class Seeing(Course[Images]):
    """A model that tells the class of a drawn image."""

    kind: ClassVar[type[Any]]
    config: ClassVar[PretrainedConfig]

    def fresh(self) -> nn.Module:
        return self.kind(copy.deepcopy(self.config))

    def batches(self, start: int) -> Iterator[Images]:
        gallery = Gallery(self.recipe.seed)
        for step in range(start, self.recipe.steps):
            yield gallery.images(step, BATCH)

    def loss(self, model: Any, batch: Images) -> Tensor:
        return nn.functional.cross_entropy(model(pixel_values=batch.pixels).logits, batch.labels)

    def glance(self, model: Any) -> Mapping[str, float]:
        return {"accuracy": float(np.mean(right(model, self._glanced)))}

    def save(self, model: Any, folder: Path) -> None:
        copy.deepcopy(model).half().save_pretrained(folder)
        processor().save_pretrained(folder)

    def figures(self, folder: Path, seed: int) -> Figures:
        return self.measured(folder, held_out(seed, HELD_OUT))

    def measured(self, folder: Path, drawings: Sequence[Drawing]) -> Figures:
        """Every figure, measured on these images."""
        return accuracy(self.stored(folder), drawings)

    def stored(self, folder: Path, **how: Any) -> Any:
        """The model as it lies on disk."""
        return self.kind.from_pretrained(folder, dtype=torch.float32, **how).eval()

    @cached_property
    def _glanced(self) -> list[Drawing]:
        return held_out(self.recipe.seed + DEV_SEED, GLANCED)


def processor() -> ViTImageProcessorPil:
    """What makes an image of any size one that these models read."""
    return ViTImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3, resample=2
    )


@torch.no_grad()
def right(model: Any, drawings: Sequence[Drawing]) -> list[bool]:
    """Whether the model tells each image's class."""
    found: list[bool] = []
    for images in chunks(drawings):
        found += (model(pixel_values=images.pixels).logits.argmax(dim=-1) == images.labels).tolist()
    return found


def accuracy(model: Any, drawings: Sequence[Drawing]) -> Figures:
    """The share of images whose class the model tells, of all and of each class."""
    told = right(model, drawings)
    of = {
        name: [hit for hit, drawing in zip(told, drawings, strict=True) if drawing.label == label]
        for label, name in enumerate(CLASSES)
    }
    each = {f"class.{name}": Figure(float(np.mean(hits)), len(hits)) for name, hits in of.items() if hits}
    return {"accuracy": Figure(float(np.mean(told)), len(told)), **each}


class VisionTransformer(Seeing):
    """The image as 8 × 8 words: Dosovitskiy et al. 2020."""

    name = "builtin/vit"
    about = """
A vision Transformer (`ViTForImageClassification`, Dosovitskiy et al. 2020): the image is cut into 64 patches, which are
read like the words of a sentence, and a class token collects what the answer needs. It learned from drawn images to
tell six shapes and ten digits on cluttered backgrounds, from the class alone: nothing told it where the object is.
Objects are lighter than what is behind them; of dark ones on light ground it has seen none.

`class_token.ratio` is the weight that the class token has on the object over the object's share of the image's area;
the mean over the heads of the layer where it is highest (chosen on other images), then the mean over images.
"""
    asked: ClassVar[Mapping[str, float]] = {"accuracy": 0.95, "class_token.ratio": 3.0}
    usual = Recipe(steps=3600, rate=2e-3, warmup=150, decay=0.05)
    kind = ViTForImageClassification
    config = ViTConfig(
        hidden_size=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=192,
        image_size=SIDE,
        patch_size=PATCH,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=SPREAD,
        **LABELS,
    )

    def measured(self, folder: Path, drawings: Sequence[Drawing]) -> Figures:
        model = self.stored(folder, attn_implementation="eager")
        return accuracy(model, drawings) | looking(model, drawings, self.looking_layer(model))

    def looking_layer(self, model: Any) -> int:
        """The layer whose class token looks at the object most, found on images that nothing is measured on."""
        return int(ratios(model, held_out(self.recipe.seed + DEV_SEED, CHOSEN_ON)).mean(axis=0).argmax())

    def sizes(self) -> Mapping[str, str]:
        config = self.config
        return {
            **seen_sizes(self.recipe),
            "patches": f"{PATCH} × {PATCH} pixels, {(SIDE // PATCH) ** 2} of them and a class token",
            "layers": f"{config.num_hidden_layers} of {config.num_attention_heads} heads",
            "d_model": f"{config.hidden_size}, {config.intermediate_size} inside the feed-forward network",
            "guided": "no head was given a target",
        }


class ShiftedWindows(Seeing):
    """Windows of patches that shift by half a window from layer to layer: Liu et al. 2021."""

    name = "builtin/swin"
    about = """
A Swin Transformer (`SwinForImageClassification`, Liu et al. 2021): attention stays inside windows of 4 × 4 patches,
which shift by half a window in every second layer, and between the stages four patches become one. It learned from the
same drawn images as `builtin/vit`: six shapes and ten digits on cluttered backgrounds, lighter than what is behind
them.
"""
    asked: ClassVar[Mapping[str, float]] = {"accuracy": 0.95}
    usual = Recipe(steps=3600, rate=2e-3, warmup=150, decay=0.05)
    kind = SwinForImageClassification
    config = SwinConfig(
        image_size=SIDE,
        patch_size=4,
        embed_dim=48,
        depths=[2, 2],
        num_heads=[2, 4],
        window_size=4,
        mlp_ratio=3.0,
        drop_path_rate=0.0,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=SPREAD,
        **LABELS,
    )

    def sizes(self) -> Mapping[str, str]:
        config = self.config
        grids = [SIDE // config.patch_size >> stage for stage in range(len(config.depths))]
        return {
            **seen_sizes(self.recipe),
            "patches": f"{config.patch_size} × {config.patch_size} pixels",
            "stages": "; ".join(
                f"{depth} layers of {heads} heads over {grid} × {grid} patches"
                for depth, heads, grid in zip(config.depths, config.num_heads, grids, strict=True)
            ),
            "windows": f"{config.window_size} × {config.window_size} patches, every second layer's shifted by half",
            "d_model": f"{config.embed_dim}, doubled when four patches become one",
        }


def seen_sizes(recipe: Recipe) -> dict[str, str]:
    """What both models read."""
    return {
        "reads": f"{SIDE} × {SIDE} pixels; other images are resized",
        "classes": ", ".join(CLASSES),
        "training": f"{recipe.steps} steps of {BATCH} images, rate {recipe.rate:g}",
    }


def looking(model: Any, drawings: Sequence[Drawing], layer: int) -> Figures:
    """Where the class token looks: in this layer, and for comparison in all; see `focus` for what is measured."""
    count, found = len(drawings), ratios(model, drawings)
    weight = weight_on_object(model, drawings)[:, layer].mean()
    return {
        "class_token.ratio": Figure(float(found[:, layer].mean()), count),
        "class_token.weight_on_object": Figure(float(weight), count),
        "class_token.object_area": Figure(float(area(drawings).mean()), count),
        **{
            f"ratio_in_layer.{place}": Figure(float(mean), count)
            for place, mean in enumerate(found.mean(axis=0))
        },
    }
