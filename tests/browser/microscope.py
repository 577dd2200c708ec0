"""The page as a person uses it: types, points, clicks, presses keys, and reads what stands there."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import numpy as np
from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Locator, Page, Request, WebError

from tests.browser.reference import Address, Expected, same
from tests.browser.server import AppServer

SETTLED = """() => new Promise((resolve) => {
  let last = location.search, since = performance.now();
  const look = () => {
    if (location.search !== last) [last, since] = [location.search, performance.now()];
    if (performance.now() - since > 230) resolve(last); else setTimeout(look, 20);
  };
  look();
})"""
"""The address once it has stood still: the page writes it 200 ms after the last change."""

ACTIVE = """() => {
  const marked = (part) => document.querySelector(`.strips .token.is-${part}`)?.dataset.index;
  const tip = document.querySelector(".figure .tip");
  return {query: marked("query"), key: marked("key"), tip: tip.hidden ? "" : tip.textContent};
}"""

PIXELS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
  return [canvas.width, btoa(text)];
}"""

COUNT_ANSWERS = """
window.waiting = 0;
const counted = (owner, name) => {
  const original = owner[name];
  owner[name] = function (...given) {
    window.waiting++;
    const later = () => setTimeout(() => window.waiting--, 20);
    return original.apply(this, given).finally(later);
  };
};
counted(window, "fetch");
counted(Response.prototype, "arrayBuffer");
counted(Response.prototype, "json");
"""
"""Keeps in `window.waiting` how many answers of the server have not been read and shown yet."""

RECORD_TEXT = """
window.drawn = new Set();
const fillText = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
  window.drawn.add(text);
  return fillText.call(this, text, ...rest);
};
"""
"""Keeps every text that is drawn on a canvas in `window.drawn`."""


INVISIBLE = 3
"""Levels of a colour, of 255, by which drawing anew may differ."""


@dataclass
class Watch:
    """What no page may do: ask another machine, complain, or stop the person with a box of the browser.

    `expected` are parts of complaints that a test causes.
    """

    origin: str
    asked: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("dialog", self._dialog)

    def faults(self) -> list[str]:
        unexpected = [said for said in self.complaints if not any(part in said for part in self.expected)]
        return [f"asked {url}" for url in self.outside] + unexpected

    def _request(self, request: Request) -> None:
        self.asked.append(request.url)
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.outside.append(request.url)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def _error(self, error: WebError) -> None:
        self.complaints.append(f"uncaught: {error.error}")

    def _dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"a box of the browser: {dialog.message}")
        dialog.dismiss()


class Picture:
    """The pixels of a canvas; two are equal when no one could tell them apart."""

    def __init__(self, width: int, packed: str) -> None:
        self.pixels = np.frombuffer(base64.b64decode(packed), np.uint8).reshape(-1, width, 4)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Picture) or self.pixels.shape != other.pixels.shape:
            return False
        return int(np.abs(self.pixels.astype(int) - other.pixels).max()) <= INVISIBLE

    __hash__ = None  # type: ignore[assignment]

    @property
    def colours(self) -> int:
        """How many different colours there are."""
        return len(np.unique(self.pixels.reshape(-1, 4), axis=0))


@dataclass(frozen=True)
class Pointed:
    """A cell under the pointer: where it is on the page, its indices, and what stands beside the pointer."""

    x: float
    y: float
    query: int
    key: int
    tip: str


class Microscope:
    """One page with the app in it."""

    def __init__(self, page: Page, server: AppServer, texts: dict[str, Any], watch: Watch) -> None:
        self.page, self.server, self.texts, self.watch = page, server, texts, watch

    def __getitem__(self, selector: str) -> Locator:
        return self.page.locator(f".microscope {selector}")

    # Opening and running

    def open(self, query: str = "", **parameters: Any) -> "Microscope":
        """Open an address and wait until the figure and the digits stand there."""
        self.page.goto(f"{self.server.origin}/?{query or urlencode(parameters)}")
        return self.ready()

    def ready(self) -> "Microscope":
        self.answered()
        self.page.wait_for_function("window.waiting === 0")
        return self

    def answered(self) -> "Microscope":
        """Wait until the last run stands there, whatever else is still on its way."""
        self.page.wait_for_selector(".microscope[data-state=ready] .derivation .line b")
        self.page.wait_for_selector(".microscope .run[aria-busy=false]", state="attached")
        return self

    def open_head(self, block: str, head: int) -> "Microscope":
        """Click a thumbnail and wait for its arrays."""
        self[f'.thumb[data-block="{block}"][data-head="{head}"]'].click()
        return self.ready()

    def run(self, text: str, *, to: str | None = None, target: str | None = None) -> "Microscope":
        """Type a sentence, press Run, and wait for the answer."""
        self["[data-id=text]"].fill(text)
        if to is not None:
            self["[data-id=to]"].select_option(to)
        if target is not None:
            self["[data-id=target]"].fill(target)
        self[".run"].click()
        return self.ready()

    def ask_for_model(self, name: str, dtype: str = "float32") -> None:
        """Name a model in the dialog for any other one."""
        self.open_dialog("[data-id=model]")
        self["dialog[open] [data-id=another]"].click()
        self["dialog[open] [data-id=open-name]"].fill(name)
        self["[data-id=dtype]"].select_option(dtype)
        self["dialog[open] button[type=submit]"].click()

    def choose(self, name: str) -> "Microscope":
        """Choose a model in the dialog at the top and wait for its run."""
        self.open_dialog("[data-id=model]")
        self[f"dialog[open] [data-model='{name}']"].click()
        return self.opened(name)

    def model(self) -> str:
        """The name of the model in view, as the button at the top has it."""
        return self["[data-id=model]"].get_attribute("value") or ""

    def opened(self, name: str) -> "Microscope":
        """Wait until a model's own run stands there."""
        chosen = "(name) => document.querySelector('[data-id=model]').value === name"
        self.page.wait_for_function(chosen, arg=name)
        self.page.wait_for_selector(".opening", state="detached")
        return self.ready()

    def language(self, language: str) -> None:
        self[f".topbar [role=radio][data-id={language}]"].click()

    def stages(self) -> list[str]:
        """The stages that can be chosen, in order."""
        return self[".stage"].evaluate_all("(stages) => stages.map((stage) => stage.dataset.stage)")

    def stage(self, id: str) -> "Microscope":
        self[f".stage[data-stage={id}]"].click()
        self.page.wait_for_selector(f".microscope .stage[data-stage={id}][aria-selected=true]")
        self.page.wait_for_function("window.waiting === 0")
        return self

    def open_dialog(self, opener: str) -> None:
        """Click what opens a dialog and wait for it."""
        self[opener].click()
        self.page.wait_for_selector("dialog[open]")

    def depth(self, id: str) -> None:
        self[f".explain [data-id={id}]"].click()

    # Reading

    def address(self) -> Address:
        """The address's parameters, once it stands still."""
        return dict(parse_qsl(self.page.evaluate(SETTLED).removeprefix("?"), keep_blank_values=True))

    def expected(self) -> Expected:
        """What has to stand here, computed in Python."""
        return Expected.of(self.address(), self.texts)

    def text(self, selector: str) -> str:
        """The text of one element, with single spaces."""
        return " ".join((self[selector].text_content() or "").split())

    def lines(self) -> dict[str, str]:
        """The derivation on the page: id of each line → its text."""
        return self[".derivation"].evaluate(
            """(list) => Object.fromEntries([...list.querySelectorAll(".line")].map(
                 (line) => [line.dataset.line, line.querySelector(".line-text").textContent]))"""
        )

    def differences(self) -> Iterator[str]:
        """Each text about the selected cell that is not what Python computes."""
        expected = self.expected()
        shown, wanted = self.lines(), expected.lines()
        if self[".reading"].is_visible():
            shown |= {"reading": self.text(".reading"), "cell": self.text(".cell-line")}
            wanted |= {"reading": expected.reading(), "cell": expected.cell()}
        for id in wanted.keys() | shown.keys():
            if not same(shown.get(id, ""), wanted.get(id, "")):
                yield f"{id}: shown {shown.get(id)!r}, computed {wanted.get(id)!r}"

    def picture(self) -> Picture:
        """The figure."""
        return self.pixels(".plates canvas:not(.over)")

    def pixels(self, selector: str) -> Picture:
        """What is drawn on a canvas."""
        return Picture(*self[selector].evaluate(PIXELS))

    def in_view(self) -> dict[str, Any]:
        """Everything that a person sees of the run: nothing of it may change when something is refused."""
        parts = (".reading", ".cell-line", ".derivation", ".strips", ".heads", ".explain h2")
        return {part: self.text(part) for part in parts} | {"picture": self.picture()}

    def notices(self) -> dict[str, str]:
        """Messages: id → text, without the marks that keep a right-to-left word in its place."""
        said = self.page.evaluate(
            """() => Object.fromEntries([...document.querySelectorAll(".notice[data-notice]")].map(
                 (notice) => [notice.dataset.notice, notice.querySelector("p").textContent]))"""
        )
        return {id: re.sub("[\u2068\u2069]", "", text) for id, text in said.items()}

    def notice(self, id: str) -> str:
        """The text of a message, once it is there."""
        self.page.wait_for_selector(f".notice[data-notice={id}]")
        return self.notices()[id]

    # Pointing

    def active(self) -> tuple[int, int]:
        """Query and key that the token strips mark."""
        found = self.page.evaluate(ACTIVE)
        return int(found["query"]), int(found["key"])

    def point(self, array: str, *, apart_from: tuple[int, int] = (-1, -1)) -> Pointed:
        """Put the pointer on a cell of an array whose query and key are both other than the given ones."""
        name = self.texts["ui"][f"array_{array}"][self.address()["lang"]]
        for x, y in self._places():
            self.page.mouse.move(x, y)
            found = self.page.evaluate(ACTIVE)
            if name not in found["tip"] or None in (found["query"], found["key"]):
                continue
            query, key = int(found["query"]), int(found["key"])
            if query != apart_from[0] and key != apart_from[1]:
                return Pointed(x, y, query, key, found["tip"])
        raise AssertionError(f"no cell of {array} under the pointer anywhere in the figure")

    def _places(self) -> Iterator[tuple[float, float]]:
        """Places over the figure, those in its middle first."""
        self[".over"].scroll_into_view_if_needed()
        box = self[".over"].bounding_box()
        assert box
        for down in (0.55, 0.4, 0.7, 0.3, 0.8, 0.2, 0.9):
            for across in (0.62, 0.7, 0.78, 0.86, 0.54, 0.46, 0.38, 0.3, 0.22, 0.14, 0.06):
                yield box["x"] + across * box["width"], box["y"] + down * box["height"]


def parameters(url: str) -> Address:
    """The parameters of an address."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
