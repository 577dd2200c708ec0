"""Attention Microscope: the page, its events and its routes.

    python app.py [--host HOST] [--port PORT]

Gradio serves the page and one component, the explorer. The component asks the routes below for a run (a small JSON
manifest with a key) and then for the arrays of that run by key. A key holds the whole request, so every route works on
a server that has just been started.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import importlib
import importlib.util
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
if importlib.util.find_spec("spaces"):  # a ZeroGPU Space wants this before Gradio, and one GPU function
    importlib.import_module("spaces").GPU(lambda: None)

import gradio as gr
import torch
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import models
from models.builtin.translator import CHARACTER_LIMIT, TOKEN_LIMIT
from models.errors import BadRequest, MicroscopeError, UnknownModel
from models.record import Request
from models.store import TraceStore
from viz import payload, scales, stages, texts
from viz.manifest import card, manifest
from viz.explorer import BASE, Explorer, head

ASSETS = Path(__file__).parent / "assets"
BODY_LIMIT = 256 * 1024
"""The largest request body that is read, in bytes."""

_FOREVER = {"cache-control": "public, max-age=31536000, immutable"}
_FRESH = {"cache-control": "no-cache"}

store = TraceStore()
log = logging.getLogger("attention_microscope")


def answer(handler: Callable[[HTTPRequest], Any]) -> Callable[[HTTPRequest], Any]:
    """A route that turns our own errors into messages with an id, and anything else into `internal`."""

    @functools.wraps(handler)
    async def answered(request: HTTPRequest) -> Response:
        try:
            return await handler(request)
        except MicroscopeError as error:
            return _refusal(error.id, str(error), error.facts, 422)
        except (KeyError, IndexError) as error:
            return _refusal("bad_request", str(error), {"got": str(error)}, 404)
        except Exception:
            log.exception("a request failed: %s", request.url.path)
            return _refusal("internal", "the server failed; its log says why", {}, 500)

    return answered


def _refusal(id: str, message: str, facts: dict, status: int) -> Response:
    return JSONResponse({"error": id, "message": message, "facts": facts}, status, headers=_FRESH)


@answer
async def run(request: HTTPRequest) -> Response:
    """A text → its manifest, or a refusal; a refused text is an answer too, not a failed connection: both are 200."""
    try:
        wanted = _request(await request.body())
        trace = await run_in_threadpool(store.get, wanted)
    except MicroscopeError as error:
        return _refusal(error.id, str(error), error.facts, 200)
    return JSONResponse(manifest(trace, wanted.key, wanted.target), headers=_FRESH)


def _request(body: bytes) -> Request:
    """The run that a request body asks for.

    Raises:
        BadRequest: not JSON, or not the fields of a run.
    """
    if len(body) > BODY_LIMIT:
        raise BadRequest(f"{len(body)} bytes; at most {BODY_LIMIT} are read")
    try:
        fields = json.loads(body)
        texts_given = [fields.get(name) for name in ("model", "text", "target", "language")]
        if not all(isinstance(value, str) or value is None for value in texts_given):
            raise ValueError("model, text, target and language are texts")
    except (ValueError, AttributeError, RecursionError) as error:
        raise BadRequest(str(error)) from error
    model, text, target, language = texts_given
    if language not in (None, "fr", "zh", "en"):
        raise BadRequest(f"language {language!r}; use fr, zh or en")
    return Request(offered(model or models.BUILTIN[0]), text or "", target or None, language)


def offered(name: str) -> str:
    """The name of a model that the page offers; it never loads a path or an id that somebody typed.

    Raises:
        UnknownModel: any other name.
    """
    if name not in models.BUILTIN:
        raise UnknownModel(name, models.BUILTIN)
    return name


def _bundle(make: Callable[..., bytes], request: HTTPRequest) -> bytes:
    """A bundle of the run that a key names, made again if it is no longer kept."""
    path = dict(request.path_params)
    return make(store.get(Request.from_key(path.pop("key"))), *path.values())


def bundle(make: Callable[..., bytes]) -> Callable[[HTTPRequest], Any]:
    """A route that answers with an immutable binary bundle."""

    @answer
    @functools.wraps(make)
    async def answered(request: HTTPRequest) -> Response:
        content = await run_in_threadpool(_bundle, make, request)
        return Response(content, media_type="application/octet-stream", headers=_FOREVER)

    return answered


@functools.cache
def _config() -> bytes:
    """What the browser needs once: words, stages, colours, models, limits. Compressed."""
    cards = [models.load(name).card for name in models.BUILTIN]
    said = {
        "texts": texts.load_texts().as_json(),
        "stages": stages.as_json(),
        "colours": scales.as_json(),
        "models": [card(each) for each in cards],
        "standsFor": stages.STANDS_FOR,
        "limits": {"tokens": TOKEN_LIMIT, "characters": CHARACTER_LIMIT},
        "space": os.environ.get("SPACE_ID", ""),
    }
    return gzip.compress(json.dumps(said, ensure_ascii=False).encode(), 6)


@answer
async def config(request: HTTPRequest) -> Response:  # noqa: ARG001
    """The page's configuration."""
    headers = _FRESH | {"content-encoding": "gzip"}
    return Response(_config(), media_type="application/json", headers=headers)


@answer
async def vocabulary(request: HTTPRequest) -> Response:
    """The words that a model knows, by language."""
    tokenizer = models.load(offered(request.query_params.get("model", models.BUILTIN[0]))).tokenizer
    words = {language: tokenizer.words(language) for language in ("en", "fr", "zh")}
    return JSONResponse(words, headers=_FRESH)


ROUTES = [
    Mount(f"/{BASE}/assets", app=StaticFiles(directory=ASSETS)),
    Route(f"/{BASE}/config", config),
    Route(f"/{BASE}/vocabulary", vocabulary),
    Route(f"/{BASE}/run", run, methods=["POST"]),
    Route(f"/{BASE}/trace/{{key}}/thumbnails", bundle(payload.thumbnails)),
    Route(f"/{BASE}/trace/{{key}}/proofs", bundle(payload.proofs)),
    Route(f"/{BASE}/trace/{{key}}/picture", bundle(payload.picture)),
    Route(f"/{BASE}/trace/{{key}}/stream/{{name}}", bundle(payload.stream)),
    Route(f"/{BASE}/trace/{{key}}/router/{{block}}", bundle(payload.router)),
    Route(f"/{BASE}/trace/{{key}}/mask/{{block}}/{{head:int}}", bundle(payload.mask)),
    Route(f"/{BASE}/trace/{{key}}/head/{{block}}/{{head:int}}", bundle(payload.head)),
    Route(f"/{BASE}/trace/{{key}}/projection/{{block}}/{{head:int}}", bundle(payload.projection)),
]


def translate(text: str, language: str = "", model: str = models.BUILTIN[0]) -> dict:
    """Record one run and return its manifest: tokens, translation, blocks, the proof of every head."""
    request = Request(offered(model), text, None, language or None)
    return dict(manifest(store.get(request), request.key))


def build() -> gr.Blocks:
    """The page."""
    with gr.Blocks(
        title="Attention Microscope · 注意力显微镜", fill_width=True, analytics_enabled=False
    ) as page:
        Explorer()
        gr.api(translate, api_name="record")
    return page.queue(default_concurrency_limit=16, max_size=256, status_update_rate=10)


def launch(host: str | None = None, port: int | None = None, *, block: bool = True) -> None:
    """Warm up, then serve the page at an address that is printed."""
    torch.set_num_threads(1)  # runs are small, and several go at once
    _config()
    build().launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=not block,
        run_history=False,
        ssr_mode=False,
        state_session_capacity=300,
        footer_links=[],
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        head=head(),
        app_kwargs={"routes": ROUTES},
    )


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="Attention Microscope")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME"), help="address to listen on")
    parser.add_argument("--port", type=int, default=None, help="port to listen on")
    arguments = parser.parse_args()
    launch(arguments.host, arguments.port)


if __name__ == "__main__":
    main()
