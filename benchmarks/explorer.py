"""Our page, measured: cold start, a new sentence, pointing, and the bytes it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product

import numpy as np
from playwright.sync_api import Browser, Page, ViewportSize

from benchmarks.measure import FIRST, HOVER, Figure
from tests.browser.server import AppServer

SCREEN: ViewportSize = {"width": 1366, "height": 768}
READY = ".microscope[data-state=ready] .derivation .line b"

IS_DRAWN = """
window.isDrawn = () => {
  const digits = document.querySelector(".derivation .line b")?.textContent;
  const canvas = document.querySelector(".plates canvas");
  if (!/[0-9]/.test(digits ?? "") || !canvas?.width) return false;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((level) => level);
};
"""
"""The digits of a derivation stand on the page and the figure has been painted."""

SHOWN = "window.shown = () => document.querySelector('.derivation')?.textContent;"

RUN = """(text) => new Promise((resolve) => {
  const button = document.querySelector(".microscope .run");
  document.querySelector(".microscope [data-id=text]").value = text;
  const start = performance.now();
  const watch = new MutationObserver(() => {
    if (button.getAttribute("aria-busy") !== "false") return;
    watch.disconnect();
    window.painted((now) => resolve(now - start));
  });
  button.click();
  watch.observe(button, { attributes: true, attributeFilter: ["aria-busy"] });
})"""

NOUNS = ("animal", "cat", "dog", "cow", "student", "teacher", "passenger", "tortoise")
PLACES = ("street", "road", "bridge", "river", "park", "field")


def sentences(count: int) -> list[str]:
    """Different sentences of about the same length."""
    pairs = list(product(NOUNS, PLACES))[:count]
    return [f"The {noun} didn't cross the {place} because it was too tired." for noun, place in pairs]


@contextmanager
def opened(
    browser: Browser, server: AppServer, *scripts: str, prepare: Callable[[Page], None] | None = None
) -> Iterator[Page]:
    """The page in a fresh profile with an empty cache; `prepare` is called before it opens."""
    context = browser.new_context(viewport=SCREEN, locale="en-US")
    for script in scripts:
        context.add_init_script(script)
    page = context.new_page()
    if prepare:
        prepare(page)
    page.goto(server.origin, wait_until="commit")
    yield page
    context.close()


def cold(browser: Browser, server: AppServer, repeats: int) -> Figure:
    """From the start of the navigation to the first explained matrix."""
    times = []
    for _ in range(repeats + 1):
        with opened(browser, server, IS_DRAWN + FIRST) as page:
            times.append(page.evaluate("window.firstDrawn"))
    return Figure.of("cold page → first explained matrix", times[1:], aim=2000)


def runs(browser: Browser, server: AppServer, repeats: int) -> Figure:
    """From the click on Run to the painted frame of the new run; every sentence is new to the server."""
    with opened(browser, server, IS_DRAWN + FIRST) as page:
        page.wait_for_selector(READY)
        times = [page.evaluate(RUN, text) for text in sentences(repeats + 2)]
    return Figure.of("Run → drawn", times[2:], aim=150)


def hover(browser: Browser, server: AppServer, moves: int) -> tuple[Figure, Figure]:
    """From a movement of the pointer to the painted frame that shows another cell; and what of it is our code."""
    with opened(browser, server, SHOWN + HOVER) as page:
        page.wait_for_selector(READY)
        page.locator(".microscope .over").scroll_into_view_if_needed()
        times = moved(page, ".microscope .over", moves)
        work = page.evaluate("window.work")
    return Figure.of("hover → painted", times, aim=24), Figure.of("hover, our code alone", work[1:])


def moved(page: Page, selector: str, moves: int) -> list[float]:
    """Times of that many changes while the pointer wanders over an element."""
    box = page.locator(selector).first.bounding_box()
    assert box
    random = np.random.default_rng(1)
    for _ in range(30):
        for across, down in random.uniform(0.03, 0.97, (moves, 2)):
            page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        if page.evaluate("window.moves.length") > moves:
            break
    return page.evaluate("window.moves")[1:]


def weight(browser: Browser, server: AppServer) -> dict[str, int]:
    """Bytes that the server sends for a cold page, headers included, by what they are for."""
    context = browser.new_context(viewport=SCREEN)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    kinds: dict[str, str] = {}
    sizes: Counter[str] = Counter()
    session.on(
        "Network.requestWillBeSent", lambda e: kinds.update({e["requestId"]: kind(e["request"]["url"])})
    )
    session.on(
        "Network.loadingFinished", lambda e: sizes.update({kinds[e["requestId"]]: e["encodedDataLength"]})
    )
    page.goto(server.origin)
    page.wait_for_selector(READY)
    page.wait_for_timeout(1000)
    context.close()
    return {name: int(size) for name, size in sorted(sizes.items())}


def kind(url: str) -> str:
    """What an address is for."""
    if "/microscope/trace/" in url or url.endswith("/microscope/run"):
        return "arrays"
    return "katex" if "/katex/" in url else "ours" if "/microscope/" in url else "gradio"
