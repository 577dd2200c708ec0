"""What a person asks the server for, read from the body of a request."""

from __future__ import annotations

import json
from typing import Any

from models.catalog import BUILTIN
from models.errors import BadRequest
from models.prompt import Prompt
from models.record import Request

_RUN = ("model", "text", "target", "language", "image", "dtype", "reading", "order", "positions")
_PROMPT = ("model", "text", "language", "dtype", "strategy", "id")
_NUMBERS = ("steps", "temperature", "top_k", "top_p", "seed", "beams", "forced")
_LANGUAGES = (None, "fr", "zh", "en")


def fields(body: bytes, names: tuple[str, ...]) -> list[str | None]:
    """The values of these names, each a text or nothing.

    Raises:
        BadRequest: not JSON, or not texts.
    """
    said = _said(body)
    values = [None if said.get(name) == "" else said.get(name) for name in names]
    if not all(isinstance(value, str) or value is None for value in values):
        raise BadRequest(f"{', '.join(names)} are texts")
    return values


def run(body: bytes) -> Request:
    """The run that is asked for.

    Raises:
        BadRequest: it says nothing sensible.
    """
    model, text, target, language, *rest = fields(body, _RUN)
    return Request(model or BUILTIN[0], text or "", target, _language(language), *rest)


def prompt(body: bytes) -> tuple[str, Prompt]:
    """The generation that is asked for, and what the one who asks calls it.

    Raises:
        BadRequest: it says nothing sensible.
    """
    model, text, language, dtype, strategy, id = fields(body, _PROMPT)
    numbers = {name: value for name, value in _said(body).items() if name in _NUMBERS}
    if not isinstance(numbers.get("forced", []), list):
        raise BadRequest("forced is a list of ids")
    chosen: dict[str, Any] = {"language": _language(language), "dtype": dtype, **numbers}
    return id or "", Prompt(model or BUILTIN[0], text or "", strategy=strategy or "greedy", **chosen)


def compares(body: bytes) -> bool:
    """Whether what is written is also to be compared with one pass over the same text."""
    return bool(_said(body).get("compare"))


def _language(language: str | None) -> str | None:
    if language not in _LANGUAGES:
        raise BadRequest(f"language {language!r}; use fr, zh or en")
    return language


def _said(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(str(error)) from error
    if not isinstance(said, dict):
        raise BadRequest("a request that is not a JSON object")
    return said
