"""The words of a text in another order: a permutation as text, and what it does to what was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from models.errors import BadRequest

T = TypeVar("T")


def parsed(order: str | None) -> tuple[int, ...] | None:
    """`"2,0,1"` → (2, 0, 1): which token then stands at each place; None for the order as it was typed.

    Raises:
        BadRequest: not a list of places.
    """
    if order is None:
        return None
    try:
        return tuple(int(place) for place in order.split(","))
    except ValueError as error:
        raise BadRequest(f"order {order[:40]!r}; wanted places such as 2,0,1") from error


def reordered(tokens: Sequence[T], order: Sequence[int] | None) -> tuple[T, ...]:
    """The tokens in that order.

    Raises:
        BadRequest: the order does not name each of their places once.
    """
    if order is None:
        return tuple(tokens)
    if sorted(order) != list(range(len(tokens))):
        raise BadRequest(
            f"an order of {len(order)} places for {len(tokens)} tokens, each of which it must name once"
        )
    return tuple(tokens[place] for place in order)
