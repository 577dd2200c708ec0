"""A large model on our page: 12 layers × 12 heads of a text of 64 tokens, with weights made up here.

Tokens and one head are those of a real run of the built-in model; its manifest is answered with 12 blocks of 12 heads.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from itertools import cycle, islice

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, Route
from safetensors.numpy import save

from benchmarks.explorer import IS_DRAWN, READY, RUN, opened
from benchmarks.measure import FIRST, Figure
from tests.browser.server import BASE, AppServer

LAYERS, HEADS, TOKENS = 12, 12, 64
WORDS = ("The", "animal", "didn't", "cross", "the", "street", "because", "it", "was", "too", "tired", ".")
TEXT = " ".join(islice(cycle(WORDS), TOKENS - 1))
"""63 tokens; the end token is the 64th."""


def weights() -> dict[str, NDArray[np.float32]]:
    """Block → attention weights (head, query, key), of random scores."""
    random = np.random.default_rng(0)
    scores = random.normal(0, 3, (LAYERS, HEADS, TOKENS, TOKENS))
    exponentials = np.exp(scores - scores.max(-1, keepdims=True))
    shares = (exponentials / exponentials.sum(-1, keepdims=True)).astype(np.float32)
    return {f"encoder.{layer}.self": shares[layer] for layer in range(LAYERS)}


def answers(server: AppServer) -> tuple[dict, dict[str, bytes]]:
    """The manifest, and the bundles by the end of their address."""
    manifest = server.ask("run", {"text": TEXT, "language": "fr"})
    made = weights()
    small = {name: np.rint(255 * each).astype(np.uint8) for name, each in made.items()}
    block = manifest["blocks"][0] | {"heads": HEADS, "errors": [0.0] * HEADS, "guided": {}}
    real = f"{BASE}/trace/{manifest['key']}"
    bundles = {
        "thumbnails": save(small),
        "head": fetched(server, f"{real}/head/{block['name']}/0"),
        "stream": fetched(server, f"{real}/stream/encoder"),
    }
    return manifest | {"blocks": [block | {"name": name} for name in made]}, bundles


def fetched(server: AppServer, path: str) -> bytes:
    """What a route answers with."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", path)
    content = connection.getresponse().read()
    connection.close()
    return content


def crowd(browser: Browser, server: AppServer, repeats: int) -> tuple[Figure, int]:
    """From the click on Run to the painted frame of all heads, and the bytes that came for it."""
    manifest, bundles = answers(server)
    sent = len(json.dumps(manifest).encode()) + sum(map(len, bundles.values()))
    with opened(
        browser, server, IS_DRAWN + FIRST, prepare=lambda page: answer(page, manifest, bundles)
    ) as page:
        page.wait_for_selector(READY)
        times = [page.evaluate(RUN, TEXT) for _ in range(repeats + 1)]
        assert page.locator(".thumb").count() == LAYERS * HEADS
    return Figure.of(f"Run → drawn, {LAYERS * HEADS} heads × {TOKENS} tokens", times[1:]), sent


def answer(page: Page, manifest: dict, bundles: dict[str, bytes]) -> None:
    """Answer in place of the server."""
    page.route("**/microscope/run", numbered(manifest))
    page.route("**/trace/crowd-*/**", lambda route: route.fulfill(body=bundle(route, bundles)))


def numbered(manifest: dict) -> Callable[[Route], None]:
    """Answers each run under another key, so that the browser has nothing of it yet."""
    keys = (f"crowd-{number}" for number in range(1000))
    return lambda route: route.fulfill(json=manifest | {"key": next(keys)})


def bundle(route: Route, bundles: dict[str, bytes]) -> bytes:
    """The bundle that an address names."""
    return bundles[route.request.url.partition("/trace/")[2].split("/")[1]]
