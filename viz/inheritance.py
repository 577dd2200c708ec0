"""Tables of texts that say only in what they differ from another: `like = "<its id>"`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class TextsError(ValueError):
    """A text file that lacks something, has too much, or uses a fact that does not exist."""


def inherited(tables: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The tables, each with the fields that it takes from the one that it is like.

    Raises:
        TextsError: the other table is not there or is itself like another, or a field says what the other says already.
    """
    return {id: _completed(id, tables, place) for id in tables}


def _completed(id: str, tables: Mapping[str, Any], place: str) -> Any:
    other = tables[id].get("like") if isinstance(tables[id], dict) else None
    if other is None:
        return tables[id]
    if other not in tables:
        raise TextsError(f"{place}.{id}: like {other}, which is not there")
    if "like" in tables[other]:
        raise TextsError(f"{place}.{id}: like {other}, which is like another")
    own = {name: value for name, value in tables[id].items() if name != "like"}
    return _over(tables[other], own, f"{place}.{id}")


def _over(base: Mapping[str, Any], own: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The base with the fields of one's own; a nested table field by field."""
    merged = dict(base)
    for name, value in own.items():
        if base.get(name) == value:
            raise TextsError(f"{place}.{name}: says what the table that it is like says already")
        nested = isinstance(value, dict) and isinstance(base.get(name), dict)
        merged[name] = _over(base[name], value, f"{place}.{name}") if nested else value
    return merged
