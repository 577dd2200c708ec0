"""Through every stage of a block: all that is said of a cell, at every depth and in both languages, against Python."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.browser.microscope import Microscope
from tests.browser.reference import Expected, same, same_code, same_slots

READ = """(steps) => {
  const part = (selector) => document.querySelector(`.microscope ${selector}`);
  const choose = (stream, index, shiftKey) => part(`.strip[data-stream="${stream}"] [data-index="${index}"]`)
    .dispatchEvent(new MouseEvent("click", {bubbles: true, shiftKey}));
  const press = (button) => button.getAttribute("aria-checked") === "true" || button.click();
  const seen = (selector) => (!part(selector) || part(selector).hidden ? null : part(selector).textContent);
  const all = (selector, read) => [...document.querySelectorAll(`.microscope ${selector}`)].map(read);
  return steps.map(({language, depth, chosen}) => {
    for (const one of chosen) choose(...one);
    press(part(`.topbar [role=radio][data-id=${language}]`));
    press(part(`.explain [role=radio][data-id=${depth}]`));
    return {
      slots: all(".explain > div > :is(.passage, .formula) .slot", (slot) => slot.textContent),
      lines: Object.fromEntries(all(".derivation .line", (line) => [line.dataset.line, line.firstChild.textContent])),
      code: seen("pre"), result: seen(".result"), reading: seen(".reading"), cell: seen(".cell-line"),
    };
  });
}"""
"""Chooses cells by their tokens, a language and a depth, and reads what then stands in the explanation."""

DEPTHS = [("en", "words"), ("en", "code"), ("en", "maths"), ("zh", "maths"), ("zh", "words")]


SWEEP = """async (depths) => {
  const part = (selector) => document.querySelector(`.microscope ${selector}`);
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  const found = {};
  for (const stage of [...document.querySelectorAll(".microscope .stage")].map((one) => one.dataset.stage)) {
    window.drawn?.clear();
    part(`.stage[data-stage=${stage}]`).click();
    do await frame(); while (window.waiting || !part(`.stage[data-stage=${stage}][aria-selected=true]`));
    for (const depth of depths) {
      part(`.explain [role=radio][data-id=${depth}]`).click();
      await frame();
      found[`${stage} ${depth}`] = (READ)();
    }
  }
  return found;
}"""
"""Goes through every stage at every depth and reads something of the page."""


@dataclass(frozen=True)
class Step:
    """One look at the explanation."""

    language: str
    depth: str
    query: int
    key: int


def sweep(microscope: Microscope, depths: tuple[str, ...], read: str) -> dict[str, Any]:
    """Stage and depth → what a script reads there of the page, of every stage."""
    found = microscope.page.evaluate(SWEEP.replace("READ", read), depths)
    assert len(found) == len(microscope.stages()) * len(depths)
    return found


def faults(microscope: Microscope, *others: tuple[int, int]) -> str:
    """What any stage says of the chosen cell, or of other cells (query, key), that is not what Python computes."""
    start = microscope.expected()
    assert microscope.stages() == list(start.stages)
    at = start.at
    steps = [Step(*depth, at.query, at.key) for depth in DEPTHS]
    steps[3:3] = [Step("en", "maths", *cell) for cell in (*others, (at.query, at.key)) if others]
    found = [
        fault for stage in start.stages for fault in _in_stage(microscope.stage(stage), stage, start, steps)
    ]
    return "\n".join(found)


def _in_stage(microscope: Microscope, stage: str, start: Expected, steps: list[Step]) -> Iterator[str]:
    asked, before = [], (start.at.query, start.at.key)
    for step in steps:
        moved = (step.query, step.key) != before
        ends = [
            (start.block.query_stream, step.query, False),
            (start.block.key_stream, step.key, True),
        ]
        asked.append({"language": step.language, "depth": step.depth, "chosen": ends if moved else []})
        before = (step.query, step.key)
    for step, shown in zip(steps, microscope.page.evaluate(READ, asked), strict=True):
        expected = start.moved(step.language, stage=stage, query=step.query, key=step.key)
        yield from (f"{stage}, {step}: {fault}" for fault in differences(shown, expected, step.depth))


def differences(shown: dict[str, Any], expected: Expected, depth: str) -> Iterator[str]:
    """Each text that is not what Python computes."""
    wanted = expected.lines() | {"reading": expected.reading(), "cell": expected.cell()}
    seen = shown["lines"] | {name: shown[name] for name in ("reading", "cell")}
    if depth == "code":
        seen["result"], wanted["result"] = shown["result"], expected.result()
        if not same_code(shown["code"], expected.code()):
            yield f"code: shown {shown['code']!r}, computed {expected.code()!r}"
    elif not same_slots(shown["slots"], expected.slots(depth)):
        yield f"slots: shown {shown['slots']}, computed {expected.slots(depth)}"
    for id in wanted.keys() | seen.keys():
        is_hidden = id in {"reading", "cell"} and seen[id] is None
        if not is_hidden and not same(seen.get(id, ""), wanted.get(id, "")):
            yield f"{id}: shown {seen.get(id)!r}, computed {wanted.get(id)!r}"
