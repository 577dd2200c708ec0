"""The explorer: one Gradio component whose inside is our own browser code (`assets/explorer`)."""

from __future__ import annotations

from typing import Any

import gradio as gr

BASE = "gradio_api/microscope"
"""Where the routes live, relative to the page. Only addresses under `gradio_api/` reach Python behind every proxy."""

_MODULES = (
    "main", "store", "data", "words", "facts", "colors", "plate", "scenes", "figure", "explain", "derivation", "tabs",
    "heads", "strips", "lines", "controls", "dialogs", "dom", "address", "models", "sentence", "picture", "rotation",
    "shared", "readings", "marks", "family", "chooser", "likely", "output", "recurrent", "inner",
    "aside", "dials", "places", "shuffle", "written",
    "map", "floors", "drawing", "shares", "course", "play",
    "generate", "settings", "choices", "growing", "beams",
)  # fmt: skip

_MOUNT = f"""
import(new URL('{BASE}/assets/explorer/main.js', document.baseURI)).then(
  (module) => module.mount(element, new URL('{BASE}/', document.baseURI)));
"""


class Explorer(gr.HTML):
    """The whole page below the browser's own chrome. Static template; every number arrives through the routes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            value="",
            html_template='<div class="microscope" data-state="loading"></div>',
            css_template="",
            apply_default_css=False,
            js_on_load=_MOUNT,
            **options,
        )

    def api_info(self) -> dict[str, str]:
        """What Gradio's API page says of the component."""
        return {"type": "string"}


def head() -> str:
    """Tags for the page's head: styles, and modules fetched while Gradio itself is still starting."""
    explorer = f"{BASE}/assets/explorer"
    preload = "".join(f'<link rel="modulepreload" href="{explorer}/{name}.js">' for name in _MODULES)
    return (
        f'<link rel="stylesheet" href="{explorer}/katex/katex.min.css">'
        f'<link rel="stylesheet" href="{explorer}/style.css">'
        f'<link rel="preload" as="fetch" crossorigin="anonymous" href="{BASE}/config">'
        f'<link rel="modulepreload" href="{explorer}/katex/katex.min.js">{preload}'
    )
