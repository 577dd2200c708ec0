"""Whether the class token of a vision Transformer looks at the object.

    weight on the object  =  Σ_p  w(class token → p) · cover(p)       cover(p): share of patch p's area that it covers
    share of area         =  mean of cover(p) over all patches
    ratio                 =  weight on the object / share of area

Weights of a patch count as spread evenly over its area, so that weight on a patch that the object only touches hardly
counts; what the class token spends on itself counts for nothing. Weights that are the same for all patches have a
ratio of 1 at most; the most that can be had is 1 / share of area, with all weight on patches wholly covered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.family.drawing import Drawing
from models.family.gallery import chunks

Array = NDArray[np.float64]


def patch_cover(drawing: Drawing, patch: int) -> Array:
    """(row, column): the share of each patch's area that the object covers."""
    side = len(drawing.cover) // patch
    return drawing.cover.reshape(side, patch, side, patch).mean(axis=(1, 3), dtype=np.float64)


def area(drawings: Sequence[Drawing]) -> Array:
    """(image,): the share of an image's area that its object covers."""
    return np.array([drawing.cover.mean(dtype=np.float64) for drawing in drawings])


@torch.no_grad()
def weight_on_object(model: Any, drawings: Sequence[Drawing]) -> Array:
    """(image, layer, head): the weight of the class token on the object; the model's attention must be eager."""
    patch = model.config.patch_size
    covers = np.stack([patch_cover(drawing, patch).ravel() for drawing in drawings])  # (image, patch)
    found: list[Array] = []
    for images in chunks(drawings):
        layers = model(pixel_values=images.pixels, output_attentions=True).attentions
        rows = torch.stack([weights[:, :, 0, 1:] for weights in layers], dim=1)  # (image, layer, head, patch)
        found.append(rows.double().numpy())
    return np.einsum("ilhp,ip->ilh", np.concatenate(found), covers)


def ratios(model: Any, drawings: Sequence[Drawing]) -> Array:
    """(image, layer): weight on the object, mean over heads, in shares of its area."""
    return weight_on_object(model, drawings).mean(axis=2) / area(drawings)[:, None]
