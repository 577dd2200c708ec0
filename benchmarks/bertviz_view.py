"""BertViz's head view of the same weights, in the same browser, with its scripts from this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bertviz import head_view
from numpy.typing import NDArray
from playwright.sync_api import Browser

from benchmarks.explorer import SCREEN, moved
from benchmarks.measure import FIRST, PAINTED, Figure
from models import Trace

PACKAGES = {"d3@5.7.0": "package/dist/d3.min.js", "jquery@2.2.4": "package/dist/jquery.min.js"}
SHIM = """<script src="jquery.min.js"></script><script src="d3.min.js"></script><script>
window.require = window.requirejs = Object.assign((names, then) => then(window.jQuery, window.d3), {config() {}});
</script>"""
"""Stands for require.js and the addresses that the view would fetch its two libraries from."""

IS_DRAWN = "window.isDrawn = () => document.querySelectorAll('svg line').length > 0;"
HOVER = (
    PAINTED
    + """
window.moves = [];
window.addEventListener("mouseover", (event) => {
  if (event.target.closest("#left, #right")) window.painted((now) => window.moves.push(now - event.timeStamp));
}, { capture: true });
"""
)
"""`moves`: milliseconds from each arrival of the pointer at a token to the frame that shows its lines alone."""


def fetch_libraries(folder: Path) -> bool:
    """d3 and jQuery through npm; False where there is no npm or no network."""
    npm = shutil.which("npm")
    for package, member in PACKAGES.items():
        done = npm and subprocess.run([npm, "pack", package], cwd=folder, capture_output=True, text=True)
        if not done or done.returncode:
            return False
        with tarfile.open(folder / done.stdout.split()[-1]) as archive:
            script = archive.extractfile(member)
            assert script
            (folder / Path(member).name).write_bytes(script.read())
    return True


def of_trace(trace: Trace) -> str:
    """The head view of every block of a run: encoder, decoder and cross-attention."""
    kinds = {"encoder": "encoder.self", "decoder": "decoder.self", "cross": "decoder.cross"}
    layers: dict[str, Any] = {
        f"{kind}_attention": [
            tensor(trace.weights(block.name)) for block in trace.blocks if alike(block.name, name)
        ]
        for kind, name in kinds.items()
    }
    tokens: dict[str, Any] = {
        f"{stream}_tokens": [token.text for token in trace.tokens[stream]] for stream in trace.tokens
    }
    return document(head_view(**layers, **tokens, html_action="return"))


def of_weights(weights: Mapping[str, NDArray[np.float32]], tokens: Sequence[str]) -> str:
    """The head view of layers of self-attention."""
    attention = [tensor(each) for each in weights.values()]
    return document(head_view(attention=attention, tokens=list(tokens), html_action="return"))


def alike(block: str, kind: str) -> bool:
    """Whether a block such as `decoder.1.cross` is of a kind such as `decoder.cross`."""
    return re.sub(r"\.\d+\.", ".", block) == kind


def tensor(weights: NDArray[np.float32]) -> torch.Tensor:
    """Weights as BertViz wants them: a batch of one."""
    return torch.from_numpy(np.ascontiguousarray(weights))[None]


def document(view: Any) -> str:
    """A page of its own: libraries from beside it, and no token can close a script."""
    local = re.sub(r'<script src="https://cdnjs[^"]+"></script>', "", view.data)
    escaped = local.replace('"</', '"<\\/')
    return f"<!doctype html><meta charset=utf-8>{SHIM}{escaped}"


def drawn(browser: Browser, page_file: Path, name: str, repeats: int) -> Figure:
    """From the start of the navigation to the painted frame with its lines."""
    times = []
    for _ in range(repeats + 1):
        context = browser.new_context(viewport=SCREEN)
        context.add_init_script(IS_DRAWN + FIRST)
        page = context.new_page()
        page.goto(page_file.as_uri(), wait_until="commit")
        times.append(page.evaluate("window.firstDrawn"))
        context.close()
    return Figure.of(name, times[1:])


def hover(browser: Browser, page_file: Path, name: str, moves: int) -> Figure:
    """From a movement of the pointer to the painted frame that shows another token's attention."""
    context = browser.new_context(viewport=SCREEN)
    context.add_init_script(HOVER)
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.wait_for_selector("svg line", state="attached")
    times = moved(page, "svg", moves)
    context.close()
    return Figure.of(name, times)
