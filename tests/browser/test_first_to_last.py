"""One sentence, with Play's key, from the first stage of a model to the last: titles and digits in both languages."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

from models import Trace
from tests.browser.conftest import Open
from tests.browser.microscope import Microscope
from tests.browser.reference import NUMBER, Expected, same
from tests.browser.test_play import phase
from viz.stages import STAGES, part_of
from viz.steps import Selection
from viz.walk import stages_of

pytestmark = pytest.mark.browser

FAMILIES = {
    "builtin/translator": {"text": "I am", "to": "fr", "dimension": 5},
    "builtin/gpt": {"text": "The cat is", "dimension": 5},
    "builtin/bert": {"text": "The cat is [MASK].", "dimension": 5},
}

LEAST = {
    "builtin/translator": {"tokens", "embedding", "position", "add_norm", "scale", "mask"},
    "builtin/gpt": {"tokens", "embedding", "position", "norm", "scale", "mask"},
    "builtin/bert": {"tokens", "embedding", "position", "scale", "mask"},
}
ALWAYS = {"qkv", "scores", "softmax", "context", "written", "residual", "mlp", "residual_mlp", "output"}
"""Stages that must be there, besides those of the family; which others there are, the page says."""

READ = """() => Object.fromEntries(["en", "zh"].map((language) => {
  const part = (selector) => document.querySelector(`.microscope ${selector}`);
  const all = (selector, read) => [...document.querySelectorAll(`.microscope ${selector}`)].map(read);
  const button = part(`.topbar [role=radio][data-id=${language}]`);
  if (button.getAttribute("aria-checked") !== "true") button.click();
  const strip = (kind) => Number(part(`.strips .token.is-${kind}`)?.dataset.index);
  return [language, {
    block: part("[data-id=block]").value, stage: part(".stage[aria-selected=true]").dataset.stage,
    query: strip("query"), key: strip("key"), title: part(".explain h2").textContent,
    text: part(".explain .passage").textContent,
    lines: Object.fromEntries(all(".derivation .line", (line) =>
      [line.dataset.line, line.querySelector(".line-text").textContent])),
  }];
}))"""
"""What stands in the explanation, in both languages."""

RESULTS = {
    "embedding",
    "qkv",
    "scores",
    "scale",
    "mask",
    "softmax",
    "context",
    "residual",
    "mlp",
    "residual_mlp",
}
"""Stages whose result must have been compared with the arrays that the server gives out."""

ENTRANCE = ("tokens", "embedding", "position")

MOST = 150
"""Stages that a walk may have."""

AXES = {"query": "query", "key": "key", "d_model": "dimension", "d_head": "channel", "d_value": "channel"}
"""Axis of an array → where the selection stands on it."""


@dataclass
class Bundles:
    """The arrays that the server gives out of the run in view."""

    microscope: Microscope
    manifest: dict[str, Any]
    known: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    compared: set[str] = field(default_factory=set)
    """The stages whose result was looked up."""

    @staticmethod
    def of(microscope: Microscope, expected: Expected) -> "Bundles":
        asked = expected.request
        body = {"model": asked.model, "text": asked.text, "target": asked.target, "language": asked.language}
        return Bundles(microscope, microscope.server.ask("run", body))

    def result(self, stage: dict[str, Any], at: Selection) -> float | None:
        """The number that a stage ends in: of its last matrix, where the selection stands; None where it has none."""
        plate = stage["plates"][-1] if stage["plates"] else {"bundle": "", "axes": []}
        block = next(block for block in self.manifest["blocks"] if block["name"] == at.block)
        path = {
            "head": f"head/{at.block}/{at.head}",
            "projection": f"projection/{at.block}/{at.head}",
            "stream": f"stream/{block['queryStream']}",
            **{name: f"{name}/{at.block}" for name in ("norm", "mlp", "residual_attention", "residual_mlp")},
        }.get(plate["bundle"])
        if path is None or not set(plate["axes"]) <= AXES.keys():
            return None
        if path not in self.known:
            self.known[path] = self.microscope.server.bundle(self.manifest["key"], path)
        array = self.known[path][plate["array"]]
        self.compared.add(stage["id"])
        places = [getattr(at, AXES[axis]) for axis in plate["axes"]]
        return float(array[tuple(map(min, places, (size - 1 for size in array.shape)))])


def expected_course(trace: Trace) -> list[tuple[str, str]]:
    """Every stage of every block in the order of execution; what enters a stack once, the outputs at the end."""
    order = [stage.id for stage in STAGES]
    steps, last, entered = [], [], set()
    for block in trace.blocks:
        stages = sorted(stages_of(trace, block), key=order.index)
        fresh = block.query_stream not in entered
        entered.add(block.query_stream)
        steps += [
            (block.name, stage)
            for stage in stages
            if part_of(stage) != "output" and (fresh or part_of(stage) not in ENTRANCE)
        ]
        last = [(block.name, stage) for stage in stages if part_of(stage) == "output"] or last
    return steps + last


def walked(microscope: Microscope) -> Iterator[dict[str, dict[str, Any]]]:
    """What every step of Play shows, from its first to its last."""
    microscope.page.keyboard.press("p")
    microscope["[data-id=play-first]"].click()
    end = microscope.texts["ui"]["play_end"]["zh"].rpartition("]]")[2]
    for _ in range(MOST):
        assert phase(microscope) == "text"
        microscope.page.keyboard.press("p")
        assert phase(microscope) == "figure"
        microscope.page.wait_for_function("window.waiting === 0")
        yield microscope.page.evaluate(READ)
        if microscope.text(".play-count").endswith(end):
            return
        microscope.page.keyboard.press("p")
    raise AssertionError(f"the walk has not ended after {MOST} stages")


def says(lines: dict[str, str], value: float) -> bool:
    """Whether a number of these lines is this one, to as many digits as it has there, two at least."""
    if np.isneginf(value):
        return any("−∞" in line for line in lines.values())
    for text in NUMBER.findall(" ".join(lines.values())):
        digits = len(text.partition(".")[2])
        if (
            "e" not in text
            and digits >= 2
            and abs(float(text.replace("−", "-")) - value) <= 0.51 * 10.0**-digits
        ):
            return True
    return False


def faults(
    shown: dict[str, dict[str, Any]], start: Expected, bundles: Bundles, stages: dict[str, dict[str, Any]]
) -> Iterator[str]:
    """What one stage shows, in either language, that it should not."""
    for language, seen in shown.items():
        where = {name: seen[name] for name in ("block", "stage", "query", "key")}
        expected = start.moved(language, **where)
        title, lines = seen["title"], expected.lines()
        if title != expected.told[language]["title"] or bool(
            re.search(r"[\u4e00-\u9fff]", title + seen["text"])
        ) != (language == "zh"):
            yield f"{language} {where}: the title is {title!r}"
        if not seen["lines"] or not any(NUMBER.search(line) for line in seen["lines"].values()):
            yield f"{language} {where}: no digits"
        for id in lines.keys() | seen["lines"].keys():
            if not same(seen["lines"].get(id, ""), lines.get(id, "")):
                yield f"{language} {where} {id}: shown {seen['lines'].get(id)!r}, computed {lines.get(id)!r}"
        value = bundles.result(stages[seen["stage"]], expected.at)
        if value is not None and not says(seen["lines"], value):
            yield f"{language} {where}: {value} is not in {seen['lines']}"


@pytest.mark.parametrize("model", FAMILIES)
def test_every_stage_from_the_first_to_the_last_has_its_digits_in_both_languages(open_page: Open, model: str):
    microscope = open_page(
        urlencode({"model": model, "stage": "scores", **FAMILIES[model]}), reduced_motion="reduce"
    )
    start = microscope.expected()
    stages = {stage["id"]: stage for stage in microscope.server.ask("config")["stages"]}
    bundles, steps, found = Bundles.of(microscope, start), [], []
    for shown in walked(microscope):
        steps.append((shown["en"]["block"], shown["en"]["stage"]))
        found += faults(shown, start, bundles, stages)
    assert not found, "\n".join(found)
    assert {stage for _, stage in steps} >= ALWAYS | LEAST[model]
    assert bundles.compared >= RESULTS
    blocks = [block["name"] for block in bundles.manifest["blocks"]]
    assert list(dict.fromkeys(block for block, _ in steps)) == blocks
    assert steps == expected_course(start.trace)
    assert not list(microscope.ready().differences())
