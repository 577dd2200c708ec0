"""Attention Microscope: the page, its events and its routes.

    python app.py [--host HOST] [--port PORT] [--folders]

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
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

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
from models import asking, catalog, machine, suggested
from models.ahead import Ahead
from models.builtin.translator import CHARACTER_LIMIT, TOKEN_LIMIT
from models.desk import Desk
from models.errors import BadRequest, MicroscopeError, ModelNotOpen, NotOffered
from models.huggingface.images import BYTES_LIMIT
from models.huggingface.load import HUB_ID, import_transformers
from models.opening import Opener
from models.pictures import PICTURES, examples
from models.prompt import Prompt, from_key
from models.record import Request
from models.store import TraceStore
from viz import payload, scales, stages, texts
from viz.explorer import BASE, Explorer, head
from viz.generated import generated
from viz.manifest import card, manifest

ASSETS = Path(__file__).parent / "assets"
BODY_LIMIT = 256 * 1024
"""The largest request body that is read, in bytes; of an image, `BYTES_LIMIT`."""

LOCAL = frozenset({None, "", "127.0.0.1", "localhost", "::1"})
"""Hosts on which only the person at this machine can reach the server."""

_FOREVER = {"cache-control": "public, max-age=31536000, immutable"}
_FRESH = {"cache-control": "no-cache"}

store = TraceStore()
desk = Desk()
opener = Opener()
ahead = Ahead(import_transformers)
log = logging.getLogger("attention_microscope")
Asked = TypeVar("Asked", bound=Request)


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


def asked(handler: Callable[[HTTPRequest], Any]) -> Callable[[HTTPRequest], Any]:
    """A route for what a person asks for: a refusal is an answer too, not a failed connection, so it is a 200."""

    @answer
    @functools.wraps(handler)
    async def answered(request: HTTPRequest) -> Response:
        try:
            return JSONResponse(await handler(request), headers=_FRESH)
        except MicroscopeError as error:
            return _refusal(error.id, str(error), error.facts, 200)

    return answered


def _refusal(id: str, message: str, facts: dict, status: int) -> Response:
    return JSONResponse({"error": id, "message": message, "facts": facts}, status, headers=_FRESH)


async def _body(request: HTTPRequest, limit: int = BODY_LIMIT) -> bytes:
    """The body of a request, read no further than its limit."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > limit:
            raise BadRequest(f"more than {limit} bytes")
    return bytes(content)


@asked
async def run(request: HTTPRequest) -> dict:
    """A text, an image or both → the manifest of the run."""
    wanted = _opened(asking.run(await _body(request)))
    trace = await run_in_threadpool(store.get, wanted)
    ahead.answered()
    return dict(manifest(trace, wanted.key, wanted.target, wanted.image))


@asked
async def generate(request: HTTPRequest) -> dict:
    """A prompt → what the model writes, step by step; it is stopped and asked after under the id that comes with it."""
    id, prompt = asking.prompt(body := await _body(request))
    done, written = await run_in_threadpool(desk.write, _opened(prompt), id)
    said = dict(generated(written, done.key))
    return said | await run_in_threadpool(done.compared, written) if asking.compares(body) else said


@asked
async def writing(request: HTTPRequest) -> dict:
    """How far a generation is; a POST ends it after its present step."""
    return desk.progress(request.path_params["id"], stop=request.method == "POST")


def _opened(wanted: Asked) -> Asked:
    if not catalog.is_open(wanted.model, wanted.dtype):
        raise ModelNotOpen(wanted.model)
    return wanted


def _bundle(make: Callable[..., bytes], request: HTTPRequest) -> bytes:
    """A bundle of the run that a key names, made again if it is no longer kept; no model is loaded for it."""
    path = dict(request.path_params)
    wanted = from_key(path.pop("key"))
    trace = desk.get(wanted).trace if isinstance(wanted, Prompt) else store.get(wanted)
    return make(trace, *path.values())


def bundle(make: Callable[..., bytes]) -> Callable[[HTTPRequest], Any]:
    """A route that answers with an immutable binary bundle."""

    @answer
    @functools.wraps(make)
    async def answered(request: HTTPRequest) -> Response:
        content = await run_in_threadpool(_bundle, make, request)
        return Response(content, media_type="application/octet-stream", headers=_FOREVER)

    return answered


def folders_allowed() -> bool:
    """Whether whoever asks may name a folder of this machine: on one's own, or where the command line says so."""
    return bool(os.environ.get("ATTENTION_MICROSCOPE_FOLDERS"))


@asked
async def open_model(request: HTTPRequest) -> dict:
    """Begin to open a model; answers at once with how far it is. Folders only where the server allows them."""
    name, dtype, asker = asking.fields(await _body(request), ("model", "dtype", "asker"))
    if not name:
        raise BadRequest("no model")
    if not folders_allowed() and name not in models.BUILTIN and not HUB_ID.fullmatch(name):
        raise NotOffered(name)
    return _opening(await run_in_threadpool(opener.open, name, dtype, asker or ""))


@asked
async def opening(request: HTTPRequest) -> dict:
    """How far an opening is."""
    return _opening(opener.get(request.path_params["id"]))


@asked
async def cancel(request: HTTPRequest) -> dict:
    """Give an opening up, for the one who asks."""
    found = opener.get(request.path_params["id"])
    (asker,) = asking.fields(await _body(request), ("asker",))
    if found is not None:
        found.cancel(asker or "")
    return _opening(found)


def _opening(found: Any) -> dict:
    if found is None:
        raise BadRequest("an opening that is not known")
    return found.as_json() | {"card": card(found.card) if found.card else None}


@asked
async def offered(request: HTTPRequest) -> dict:  # noqa: ARG001
    """What can be opened from here, and what is open."""
    return await run_in_threadpool(_offered)


def _offered() -> dict:
    return {
        "opened": [card(each) for each in catalog.opened()],
        "suggested": [asdict(each) | {"local": suggested.is_local(each.id)} for each in suggested.SUGGESTED],
        "network": suggested.network(),
        "endpoint": suggested.endpoint(),
        "folders": folders_allowed(),
        "limit": machine.gigabytes(machine.model_limit()),
    }


@asked
async def image(request: HTTPRequest) -> dict:
    """Keep an image; answers with the name under which a run may use it."""
    return {"image": await run_in_threadpool(PICTURES.add, await _body(request, BYTES_LIMIT + 1))}


def _config() -> dict[str, Any]:
    """What the browser needs once. Of the models in the box it loads only that of the first view."""
    said = {
        "texts": texts.load_texts().as_json(stages.STAGE_IDS),
        "stages": stages.as_json(),
        "standsFor": stages.STANDS_FOR,
        "colours": scales.as_json(),
        "builtin": models.BUILTIN,
        "models": [card(models.load(models.BUILTIN[0]).card)],
        "images": [each.as_json(f"{BASE}/assets/images") for each in examples().values()],
        "lengths": catalog.lengths(),
        "limits": {"tokens": TOKEN_LIMIT, "characters": CHARACTER_LIMIT},
        "space": os.environ.get("SPACE_ID", ""),
    }
    return said


@functools.cache
def _packed(part: str) -> bytes:
    said = {"config": _config, "variants": lambda: texts.load_texts().stages_without(stages.STAGE_IDS)}[
        part
    ]()
    return gzip.compress(json.dumps(said, ensure_ascii=False).encode(), 6)


@answer
async def config(request: HTTPRequest) -> Response:
    """The page's configuration, or the texts of the stages that it leaves out."""
    content = _packed(request.url.path.rpartition("/")[2])
    return Response(content, media_type="application/json", headers=_FRESH | {"content-encoding": "gzip"})


@asked
async def vocabulary(request: HTTPRequest) -> dict:
    """The words that a built-in model knows, by language."""
    return dict(
        await run_in_threadpool(catalog.vocabulary, request.query_params.get("model", models.BUILTIN[0]))
    )


@asked
async def figures(request: HTTPRequest) -> dict:
    """The held-out figures of a built-in model; it is not loaded for them."""
    return {"figures": [asdict(each) for each in catalog.figures(request.query_params.get("model", ""))]}


ROUTES = [
    Mount(f"/{BASE}/assets", app=StaticFiles(directory=ASSETS)),
    Route(f"/{BASE}/config", config),
    Route(f"/{BASE}/variants", config),
    Route(f"/{BASE}/vocabulary", vocabulary),
    Route(f"/{BASE}/figures", figures),
    Route(f"/{BASE}/run", run, methods=["POST"]),
    Route(f"/{BASE}/generate", generate, methods=["POST"]),
    Route(f"/{BASE}/generate/{{id}}", writing, methods=["GET", "POST"]),
    Route(f"/{BASE}/image", image, methods=["POST"]),
    Route(f"/{BASE}/models", offered),
    Route(f"/{BASE}/open", open_model, methods=["POST"]),
    Route(f"/{BASE}/opening/{{id}}", opening),
    Route(f"/{BASE}/opening/{{id}}/cancel", cancel, methods=["POST"]),
    *(Route(f"/{BASE}/trace/{{key}}/{path}", bundle(make)) for path, make in payload.BUNDLES.items()),
]


def translate(text: str, language: str = "", model: str = models.BUILTIN[0]) -> dict:
    """Record one run and return its manifest: tokens, translation, blocks and their stages."""
    request = _opened(Request(model, text, None, language or None))
    return dict(manifest(store.get(request), request.key))


def build() -> gr.Blocks:
    """The page."""
    with gr.Blocks(
        title="Attention Microscope · 注意力显微镜", fill_width=True, analytics_enabled=False
    ) as page:
        Explorer()
        gr.api(translate, api_name="record")
    return page.queue(default_concurrency_limit=16, max_size=256, status_update_rate=10)


def _forget(model: tuple[str, str]) -> None:
    store.forget(model)
    desk.forget(model)


def launch(host: str | None = None, port: int | None = None, *, block: bool = True) -> None:
    """Warm up, then serve the page at an address that is printed."""
    catalog.when_closed(_forget)
    torch.set_num_threads(1)  # runs are small, and several go at once
    if host in LOCAL and "SPACE_ID" not in os.environ:
        os.environ.setdefault("ATTENTION_MICROSCOPE_FOLDERS", "1")
    _packed("config")
    ahead.begin()
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
    parser.add_argument("--folders", action="store_true", help="let visitors open folders of this machine")
    arguments = parser.parse_args()
    if arguments.folders:
        os.environ["ATTENTION_MICROSCOPE_FOLDERS"] = "1"
    launch(arguments.host, arguments.port)


if __name__ == "__main__":
    main()
