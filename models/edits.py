"""Edits: small frozen values that change one thing inside one run, never the model.

edit         acts on      effect
BlockCell    mask         a query may no longer attend to a key
OpenMask     mask         every query may attend to every key
ForceRow     weights      a query attends to one key only, with weight 1
ScaleHead    context      a head's context vectors times a factor; 0 knocks it out
PositionsOff positions    nothing says where a token stands, in any stream
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from models.trace import Site


def _within(index: int | None, size: int) -> bool:
    return index is None or 0 <= index < size


@dataclass(frozen=True)
class BlockCell:
    """The query at `query` may not attend to the key at `key`, in one head or (head None) in all heads of the block."""

    block: str
    query: int
    key: int
    head: int | None = None
    site: ClassVar[Site] = Site.MASK

    def fits(self, heads: int, queries: int, keys: int) -> bool:
        """Whether a block of these sizes has that cell."""
        return _within(self.head, heads) and _within(self.query, queries) and _within(self.key, keys)

    def apply(self, tensor: Tensor) -> Tensor:
        """The mask with that cell False."""
        if not self.fits(*tensor.shape[1:]):
            return tensor  # a decoder still writing: the row does not exist yet
        mask = tensor.clone()
        mask[:, slice(None) if self.head is None else self.head, self.query, self.key] = False
        return mask


@dataclass(frozen=True)
class OpenMask:
    """Every query of the block may attend to every key, what comes after it included."""

    block: str
    site: ClassVar[Site] = Site.MASK

    def fits(self, heads: int, queries: int, keys: int) -> bool:  # noqa: ARG002
        """Any block has a mask."""
        return True

    def apply(self, tensor: Tensor) -> Tensor:
        """A mask that is True everywhere."""
        return torch.ones_like(tensor)


@dataclass(frozen=True)
class ForceRow:
    """The query at `query` attends to the key at `key` and to nothing else, in one head or in all of the block."""

    block: str
    query: int
    key: int
    head: int | None = None
    site: ClassVar[Site] = Site.WEIGHTS

    def fits(self, heads: int, queries: int, keys: int) -> bool:
        """Whether a block of these sizes has that row and key."""
        return _within(self.head, heads) and _within(self.query, queries) and _within(self.key, keys)

    def apply(self, tensor: Tensor) -> Tensor:
        """The weights with that row one-hot."""
        if not self.fits(*tensor.shape[1:]):
            return tensor  # a decoder still writing: the row does not exist yet
        weights, heads = tensor.clone(), slice(None) if self.head is None else self.head
        row = torch.zeros_like(weights[:, heads, self.query])
        row[..., self.key] = 1.0
        weights[:, heads, self.query] = row
        return weights


@dataclass(frozen=True)
class ScaleHead:
    """The context vectors of one head, times `factor`."""

    block: str
    head: int
    factor: float = 0.0
    site: ClassVar[Site] = Site.CONTEXT

    def fits(self, heads: int, queries: int, keys: int) -> bool:  # noqa: ARG002
        """Whether a block of these sizes has that head."""
        return _within(self.head, heads)

    def apply(self, tensor: Tensor) -> Tensor:
        """The context with that head scaled."""
        context = tensor.clone()
        context[:, self.head] *= self.factor
        return context


@dataclass(frozen=True)
class PositionsOff:
    """Nothing says where a token stands: what is added for it is zero, by which it is turned is nothing."""

    block: str = ""
    site: ClassVar[Site] = Site.POSITION_ENCODING

    def fits(self, heads: int, queries: int, keys: int) -> bool:  # noqa: ARG002
        """It concerns every stream, whatever its length."""
        return True

    def apply(self, tensor: Tensor) -> Tensor:
        """Zeros in the place of what is added."""
        return torch.zeros_like(tensor)


BUILT = (BlockCell, OpenMask, ForceRow, ScaleHead, PositionsOff)
"""The edits that exist so far."""
