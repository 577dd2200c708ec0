"""What the page has to say, computed in Python: the same run and selection, read with `record` and `viz.steps`."""

import functools
import re
from dataclasses import asdict
from typing import Any

import numpy as np

from models import Request, Site, Trace
from viz.steps import Selection, facts, reading
from viz.texts import render

Address = dict[str, str]
"""The parameters of the page's address."""

NUMBER = re.compile(r"[−-]?\d+(?:\.\d+)?(?:e[−+-]\d+)?")
LINES = {
    "tokens": ("line_token",),
    "embedding": ("line_table", "line_embedding"),
    "position": ("line_embedding_short", "line_angle", "line_position", "line_input"),
    "qkv": ("line_query", "line_key", "line_value"),
}
ATTENTION = tuple(
    f"line_{id}" for id in ("product", "scale", "bias", "mask", "max", "exp", "sum", "weight", "context")
)
NEGATIVE_INFINITY = float("-inf")


@functools.cache
def run(model: str, text: str, target: str | None, language: str | None) -> Trace:
    """The run of a request; made once."""
    return Request(model, text, target, language).run()


def trace_of(address: Address) -> Trace:
    """The run that an address names."""
    return run(address["model"], address["text"], address.get("target"), address.get("to"))


def selection_of(address: Address) -> Selection:
    """The selection that an address names."""
    numbers = {name: int(address[name]) for name in ("head", "query", "key", "channel", "dimension")}
    return Selection(address["block"], stage=address["stage"], **numbers)


class Expected:
    """What stands on the page at an address, with the texts that the server itself gave out."""

    def __init__(self, address: Address, texts: dict[str, Any]) -> None:
        self.trace, self.at = trace_of(address), selection_of(address)
        self.head = self.trace.head(self.at.block, self.at.head)
        self.facts: dict[str, Any] = facts(self.trace, self.at)
        self.language, self.texts = address["lang"], texts

    @property
    def may(self) -> bool:
        """Whether the query may attend to the key."""
        return bool(self.head.mask[self.at.query, self.at.key])

    def reading(self) -> str:
        """The sentence about this row, without Markdown."""
        return self._plain("readings", reading(self.trace, self.at))

    def cell(self) -> str:
        """The sentence about this cell."""
        return self._plain("readings", "cell" if self.may else "cell_masked")

    def spoken(self) -> str:
        """What a screen reader says of this cell."""
        return self.ui("spoken" if self.may else "spoken_masked", self.facts)

    def lines(self) -> dict[str, str]:
        """The derivation: id of each line → its text."""
        return {id: self._line(id) for id in LINES.get(self.at.stage, ATTENTION)}

    def ui(self, id: str, said: dict[str, Any] | None = None) -> str:
        """A label of the page."""
        return render(self.texts["ui"][id][self.language], said or {}).replace("«", "").replace("»", "")

    def _plain(self, group: str, id: str) -> str:
        return render(self.texts[group][id][self.language], self.facts).replace("**", "")

    def _line(self, id: str) -> str:
        odd = {"line_mask": not self.may, "line_angle": self.facts["channel"] % 2 == 1}.get(id, False)
        return self.ui(f"{id}_other" if odd else id, self.facts | self._terms(id))

    def _terms(self, id: str) -> dict[str, Any]:
        """What a line says beyond the facts of the selection."""
        if id in LINES["qkv"]:
            return self._projected(id.removeprefix("line_"))
        first = self.facts["largest_dimension"]
        pair, width = self.facts["pair"], self.trace.model.d_model
        return {
            "terms": self.trace.model.d_head if id == "line_product" else len(self.head.key),
            "first": first,
            "first_query": self.head.query[self.at.query, first],
            "first_key": self.head.key[self.at.key, first],
            "first_term": self.facts["largest_product"],
            "pair_exponent": 2 * pair,
            "angle": self.at.query / 10000 ** (2 * pair / width),
        }

    def _projected(self, part: str) -> dict[str, Any]:
        """x · W + b of one channel of a query, key or value."""
        row = self.at.query if part == "query" else self.at.key
        given = Site.QUERY_INPUT if part == "query" else Site.KEY_INPUT
        weight, bias = (self._of_head(f"{part}_{kind}") for kind in ("weight", "bias"))
        products = self.trace.array(given, self.at.block)[row].astype(float) * weight[:, self.at.channel]
        total, offset = float(products.sum()), float(bias[self.at.channel])
        return {"terms": len(products), "sum_terms": total, "bias": offset, "with_bias": total + offset}

    def _of_head(self, site: str) -> np.ndarray:
        return self.trace.array(Site(site), self.at.block)[self.at.head]


def same(shown: str, expected: str) -> bool:
    """Whether two texts say the same, numbers to within one unit of their last digit."""
    words = [" ".join(NUMBER.sub("#", text).split()) for text in (shown, expected)]
    numbers = [NUMBER.findall(text) for text in (shown, expected)]
    return words[0] == words[1] and all(map(_near, *numbers))


def _near(shown: str, expected: str) -> bool:
    if shown == expected:
        return True
    digits = [_digits(text) for text in (shown, expected)]
    values = [float(text.replace("−", "-")) for text in (shown, expected)]
    return digits[0] == digits[1] > 0 and abs(values[0] - values[1]) < 1.5 * 10.0 ** -digits[0]


def _digits(number: str) -> int:
    """Digits after the point; none for a whole number, which has to be exact."""
    return len(number.partition(".")[2].partition("e")[0])


def manifest_of(ask: Any, address: Address) -> dict:
    """What the server itself says of the run of an address."""
    request = Request(address["model"], address["text"], address.get("target"), address.get("to"))
    return ask("run", asdict(request))
