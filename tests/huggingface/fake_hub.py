"""A hub of our own on this machine: the two kinds of address that huggingface_hub asks, over folders on disk."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

SHA = "0123456789abcdef0123456789abcdef01234567"
PIECE = 4096
"""Bytes that are sent before the hub looks whether it is told to stop for a while."""


@dataclass
class Repository:
    """A folder under an id, and how the hub behaves about it."""

    folder: Path
    gated: bool = False
    claimed: dict[str, int] = field(default_factory=dict)
    """File → the size that the hub says it has."""
    digests: dict[str, str] = field(default_factory=dict)
    """File → the digest that the hub says it has, for the files that it keeps in large-file storage."""
    parameters: dict[str, int] | None = None


class FakeHub:
    """Serves `repositories`; notes what was asked of it, with which token; `pause_after` bytes of weights it waits."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.asked: list[tuple[str, str]] = []
        self.tokens: set[str | None] = set()
        self.pause_after: int | None = None
        self.paused = threading.Event()
        self.go_on = threading.Event()
        self.refuses_tokens = False
        self.hides_what_is_unknown = False
        self.ill = False
        self.server = Server(self)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def offer(self, name: str, folder: Path, **behaviour) -> Repository:
        self.repositories[name] = Repository(folder, **behaviour)
        return self.repositories[name]

    def fetched(self, method: str = "GET") -> list[str]:
        """The files that were asked for."""
        return [
            path.rsplit("/", 1)[-1] for verb, path in self.asked if verb == method and "/resolve/" in path
        ]

    @contextmanager
    def serving(self) -> Iterator["FakeHub"]:
        thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.go_on.set()
            self.server.shutdown()
            self.server.server_close()


class Server(ThreadingHTTPServer):
    """The server of one hub."""

    daemon_threads = True

    def __init__(self, hub: "FakeHub") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = hub


class Handler(BaseHTTPRequestHandler):
    """Answers one request as the hub would."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> "FakeHub":
        assert isinstance(self.server, Server)
        return self.server.hub

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def answer(self, body: bool) -> None:
        path = urlsplit(self.path).path
        self.hub.asked.append((self.command, path))
        self.hub.tokens.add(self.headers.get("authorization"))
        if self.hub.ill:
            self.refuse(503, "")
        elif self.hub.refuses_tokens and self.headers.get("authorization"):
            self.refuse(401, "", "Invalid credentials in Authorization header")
        elif path.startswith("/api/models/"):
            self.describe(path.removeprefix("/api/models/"))
        elif "/resolve/" in path:
            name, _, rest = path[1:].partition("/resolve/")
            self.send_file(name, rest.partition("/")[2], body)
        else:
            self.reply(200, b"hello")

    def describe(self, name: str) -> None:
        if name not in self.hub.repositories and self.hub.hides_what_is_unknown:
            return self.refuse(401, "", "Invalid username or password.")
        if name not in self.hub.repositories:
            return self.refuse(404, "RepoNotFound")
        return self.reply(200, json.dumps(description(name, self.hub.repositories[name])).encode())

    def send_file(self, name: str, file: str, body: bool) -> None:
        repository = self.hub.repositories.get(name)
        if repository is None:
            return self.refuse(404, "RepoNotFound")
        if repository.gated:
            return self.refuse(403, "GatedRepo", f"Access to model {name} is restricted")
        if not (repository.folder / file).is_file():
            return self.refuse(404, "EntryNotFound")
        content = (repository.folder / file).read_bytes()
        etag = hashlib.sha256(content).hexdigest()
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": SHA}
        return self.reply(200, content, headers, body, slow=file.endswith(".safetensors"))

    def refuse(self, status: int, code: str, message: str = "") -> None:
        self.reply(status, b"{}", {"X-Error-Code": code, "X-Error-Message": message}, body=False)

    def reply(self, status: int, content: bytes, headers=None, body=True, slow=False) -> None:
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
            if value and (body or status < 400 or key != "Content-Length"):
                self.send_header(key, value)
        if status >= 400:
            self.send_header("Content-Length", "0")
        self.end_headers()
        if body and status < 400 and self.command == "GET":
            self.send_slowly(content) if slow else self.wfile.write(content)

    def send_slowly(self, content: bytes) -> None:
        try:
            for start in range(0, len(content), PIECE):
                self.wfile.write(content[start : start + PIECE])
                if self.hub.pause_after is not None and start + PIECE >= self.hub.pause_after:
                    self.hub.paused.set()
                    self.hub.go_on.wait(20)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Tests stay silent."""


def description(name: str, repository: Repository) -> dict:
    """What the hub's API says of a model when it is asked for its files with their sizes."""
    files = sorted(path for path in repository.folder.rglob("*") if path.is_file())
    said = {"id": name, "sha": SHA, "gated": "manual" if repository.gated else False}
    said["siblings"] = [sibling(path, repository) for path in files]
    if repository.parameters:
        said["safetensors"] = {
            "parameters": repository.parameters,
            "total": sum(repository.parameters.values()),
        }
    return said


def sibling(path: Path, repository: Repository) -> dict:
    name = path.relative_to(repository.folder).as_posix()
    size = repository.claimed.get(name, path.stat().st_size)
    entry = {"rfilename": name, "size": size, "blobId": "0" * 40}
    if name.endswith(".safetensors"):
        digest = repository.digests.get(name) or hashlib.sha256(path.read_bytes()).hexdigest()
        entry["lfs"] = {"size": size, "sha256": digest, "pointerSize": 134}
    return entry
