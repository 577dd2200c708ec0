"""Images by a short name, so that a run on an image has a key like any other: uploads by digest, and the examples.

Uploads are kept in memory, the most recently used up to a limit; an example is read from `assets/images/` each time.
"""

from __future__ import annotations

import hashlib
import threading
import tomllib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.errors import ImageGone
from models.huggingface.images import opened

FOLDER = Path(__file__).parents[1] / "assets" / "images"

MEMORY_LIMIT = 64 << 20
"""How many bytes of uploads are kept."""

PREFIX = "example:"
"""How the name of an example begins."""

DIGITS = 32
"""Of the SHA-256 of an upload, in hexadecimal."""


@dataclass(frozen=True)
class Example:
    """An image in the box: `id` is what a request calls it, `title` by language."""

    id: str
    path: Path
    title: Mapping[str, str]

    def as_json(self, folder: str) -> dict[str, str]:
        """How the browser reads it; `folder` is the address of the images."""
        return {"id": self.id, "url": f"{folder}/{self.path.name}", **self.title}


@cache
def examples() -> Mapping[str, Example]:
    """The images in the box by id, in the order in which they are offered."""
    listed = tomllib.loads((FOLDER / "images.toml").read_text(encoding="utf-8"))
    return {
        f"{PREFIX}{name}": Example(f"{PREFIX}{name}", FOLDER / entry["file"], entry["title"])
        for name, entry in listed.items()
    }


class Pictures:
    """Uploaded images by digest. Any number of threads may add and get."""

    def __init__(self, limit: int = MEMORY_LIMIT) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, content: bytes) -> str:
        """Keep an image and name it; the same content has the same name everywhere.

        Raises:
            ImageError: it is no image, or too large.
        """
        opened(content)
        digest = hashlib.sha256(content).hexdigest()[:DIGITS]
        with self._lock:
            self._kept[digest] = content
            self._kept.move_to_end(digest)
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > self._limit:
                self._kept.popitem(last=False)
        return digest

    def get(self, name: str) -> bytes:
        """The file of an upload or of an example.

        Raises:
            ImageGone: no longer kept, or never known.
        """
        if name in examples():
            return examples()[name].path.read_bytes()
        with self._lock:
            if name not in self._kept:
                raise ImageGone(name[:DIGITS])
            self._kept.move_to_end(name)
            return self._kept[name]


PICTURES = Pictures()
"""The images of this process."""
