"""The real app in a process of its own, and the browser that opens it."""

import gzip
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load

ROOT = Path(__file__).resolve().parents[2]
BASE = "/gradio_api/microscope"
PATIENCE = 90
"""Seconds that the app may take to start on a busy machine."""

BROWSER = "ATTENTION_MICROSCOPE_BROWSER"
COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


def browser_path() -> str | None:
    """The browser that was chosen, else one on the search path; None where there is none."""
    found = (shutil.which(command) for command in COMMANDS)
    return os.environ.get(BROWSER) or next((path for path in found if path), None)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class AppServer:
    """`python app.py` on a port that it keeps when it is started again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            RuntimeError: it ended or did not answer in time; the message holds its log.
        """
        command = [sys.executable, "app.py", "--host", "127.0.0.1", "--port", str(self.port)]
        quiet = {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONUTF8": "1"}
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | quiet, stdout=self._log, stderr=subprocess.STDOUT
        )
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"the app did not start:\n{self.log()}")

    def kill(self) -> None:
        """End it without a word, as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def log(self) -> str:
        """What it has printed."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        self.kill()
        self._log.close()

    def bundle(self, key: str, path: str) -> dict[str, np.ndarray]:
        """The arrays of a run."""
        return load(self._content(f"trace/{key}/{path}"))

    def ask(self, path: str, body: dict | None = None) -> dict:
        """The JSON that a route answers with."""
        return json.loads(unpacked(self._content(path, body)))

    def _content(self, path: str, body: dict | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = None if body is None else json.dumps(body).encode()
            connection.request(
                "GET" if body is None else "POST", f"{BASE}/{path}", sent, {"accept-encoding": ""}
            )
            return connection.getresponse().read()
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            return "texts" in self.ask("config")
        except (OSError, ValueError, http.client.HTTPException):
            return False


def unpacked(content: bytes) -> bytes:
    """A body without its gzip, if it has one."""
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
