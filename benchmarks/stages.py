"""From a click on another stage of the walk to the painted frame that shows it, beside a frame that shows nothing new.

Through all stages of one block in turn: the first time arrays may have to be fetched, later everything is here. The
plain frame is the same measure of a click that changes only an attribute: what the browser itself takes.
"""

from __future__ import annotations

from urllib.parse import urlencode

from playwright.sync_api import Browser, Page

from benchmarks.explorer import READY, SCREEN
from benchmarks.measure import PAINTED, Figure
from tests.browser.server import AppServer

WALKS = {
    "translator": {
        "model": "builtin/translator",
        "text": "The animal didn't cross the street because it was too tired.",
        "to": "fr",
        "block": "decoder.1.cross",
        "stage": "softmax",
    },
    "gpt": {"model": "builtin/gpt", "text": "The cat is", "block": "decoder.1.self", "stage": "softmax"},
}
ROUNDS = 5

ANSWERS = (
    PAINTED
    + """
window.waiting = 0;
const counted = (owner, name) => {
  const original = owner[name];
  owner[name] = function (...given) {
    window.waiting++;
    return original.apply(this, given).finally(() => window.waiting--);
  };
};
counted(window, "fetch");
counted(Response.prototype, "arrayBuffer");
"""
)
"""Keeps in `window.waiting` how many answers of the server are on their way."""

STAGE = """(id) => new Promise((resolve) => {
  const part = (selector) => document.querySelector(`.microscope ${selector}`);
  const start = performance.now();
  part(`.stage[data-stage=${id}]`).click();
  const look = () => window.painted((now) => {
    const here = part(`.stage[data-stage=${id}][aria-selected=true]`) && part(".derivation .line");
    if (here && !window.waiting) resolve(now - start); else look();
  });
  look();
})"""
"""Milliseconds from the click on a stage to the first painted frame in which nothing is on its way any more."""

FRAME = """() => new Promise((resolve) => {
  const start = performance.now();
  document.documentElement.toggleAttribute("data-plain");
  window.painted((now) => resolve(now - start));
})"""


def changes(browser: Browser, server: AppServer, scale: int) -> list[Figure]:
    """First visits, later ones and the plain frame, of each walk."""
    found = []
    for name, address in WALKS.items():
        first, later, plain = _walk(browser, server, address, ROUNDS * scale)
        found += [
            Figure.of(f"{name}: stage, first visit → drawn", first),
            Figure.of(f"{name}: stage, later visit → drawn", later),
            Figure.of(f"{name}: plain frame", plain),
        ]
    return found


def _walk(
    browser: Browser, server: AppServer, address: dict[str, str], rounds: int
) -> tuple[list[float], list[float], list[float]]:
    first, later, plain = list[float](), list[float](), list[float]()
    for number in range(max(2, rounds // 2)):
        context = browser.new_context(viewport=SCREEN, locale="en-US")
        context.add_init_script(ANSWERS)
        page = context.new_page()
        page.goto(f"{server.origin}/?{urlencode(address)}")
        page.wait_for_selector(READY, timeout=60_000)
        page.wait_for_function("window.waiting === 0")
        visits = [_round(page, plain) for _ in range(3)]
        first += (
            visits[0] if number else []
        )  # the server makes each bundle once, too: the first page warms it
        later += visits[1] + visits[2]
        context.close()
    return first, later, plain


def _round(page: Page, plain: list[float]) -> list[float]:
    """Every stage once, each after a plain frame."""
    ids = page.locator(".microscope .stage").evaluate_all("(all) => all.map((one) => one.dataset.stage)")
    times = []
    for id in ids:
        plain.append(page.evaluate(FRAME))
        times.append(page.evaluate(STAGE, id))
    return times
