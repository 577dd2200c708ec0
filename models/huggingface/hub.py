"""From a hub id to a folder on this machine: what a model's files are and weigh, and only then the files themselves.

Fetched are config, tokenizer, processor and safetensors; never other weights, never code. A model that is already here
is used as it is, without asking the hub. `HF_TOKEN` reaches the hub through the environment alone.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from models import machine
from models.errors import (
    CorruptCheckpoint,
    FolderWithoutConfig,
    ModelTooLarge,
    NotEnoughDisk,
    NotSafetensors,
)
from models.progress import Progress

constants.HF_HUB_DISABLE_XET = True  # its own threads know no cancelling; the same bytes come over HTTP
constants.DOWNLOAD_CHUNK_SIZE = (
    1 << 20
)  # progress and cancelling act once per chunk; 10 MB is long on a slow line

CONFIG = "config.json"
WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")
SMALL = (".json", ".txt", ".model", ".spm", ".jinja", ".tiktoken", ".codes")
"""Endings of what tokenizers and processors are made of."""

NOT_READ = re.compile(
    r"README|LICEN[CS]E|NOTICE|^adapter_|_results\.|\.(bin|h5|msgpack|fp\d+)\.|^trainer_state"
)
INFO_TIMEOUT = 10.0


@dataclass(frozen=True)
class HubFile:
    """A file of a repository: its bytes, and for a large one its digest."""

    name: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class Listing:
    """What a repository holds at one revision, its folders left out."""

    name: str
    revision: str
    files: dict[str, HubFile]
    values: int
    """Numbers in its safetensors, as the hub counts them; 0 where it does not."""


def cached(name: str) -> Path | None:
    """The folder of a hub model that is on this machine with all its weights."""
    try:
        config = try_to_load_from_cache(name, CONFIG)
    except HFValidationError:
        return None
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    try:
        weights = weight_files(folder)
    except (OSError, ValueError, KeyError):
        return None
    return folder if weights and all(file.is_file() for file in weights) else None


def revision(folder: Path) -> str | None:
    """The revision that a folder of the hub's cache holds; None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" else None


def weight_files(folder: Path) -> list[Path]:
    """The safetensors that a folder's model is made of; those that an index names need not exist.

    Raises:
        ValueError, KeyError: the index is none.
    """
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    if (folder / INDEX).is_file():
        return [folder / file for file in _named((folder / INDEX).read_text(encoding="utf-8"))]
    return sorted(folder.glob("*.safetensors"))


def listing(name: str) -> Listing:
    """What the hub holds under this id.

    Raises:
        Exception: whatever huggingface_hub says of an id that is unknown or out of reach.
    """
    info = HfApi().model_info(name, files_metadata=True, timeout=INFO_TIMEOUT)
    here = [file for file in info.siblings or [] if "/" not in file.rfilename]
    files = {
        file.rfilename: HubFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else None)
        for file in here
    }
    counts = info.safetensors.parameters.values() if info.safetensors else ()
    return Listing(name, str(info.sha), files, sum(counts))


class Download:
    """The files of one listing, fetched in order: first what tells whether the rest is wanted."""

    def __init__(self, listed: Listing, progress: Progress) -> None:
        self.listed = listed
        self.progress = progress
        self.total = 0
        self.done = 0

    def config(self) -> Path:
        """The configuration, a few KB.

        Raises:
            FolderWithoutConfig: there is none.
            NotSafetensors: its weights have another form.
            CorruptCheckpoint: there are no weights.
        """
        files = self.listed.files
        if CONFIG not in files:
            raise FolderWithoutConfig(self.listed.name)
        if WHOLE not in files and INDEX not in files:
            other = any(file.endswith(OTHER_WEIGHTS) for file in files)
            raise NotSafetensors(self.listed.name) if other else CorruptCheckpoint(self.listed.name)
        return self._fetched(files[CONFIG])

    def check_size(self) -> list[HubFile]:
        """Everything that will be fetched.

        Raises:
            ModelTooLarge: more than this machine is told to take.
            NotEnoughDisk: more than fits on the disk.
        """
        wanted = [*self._small(), *self._weights()]
        size = sum(file.size for file in wanted)
        if size > machine.model_limit():
            limit = machine.gigabytes(machine.model_limit())
            raise ModelTooLarge(self.listed.name, machine.gigabytes(size), limit)
        needed = sum(file.size for file in wanted if not self._is_here(file))
        if needed > _free():
            raise NotEnoughDisk(self.listed.name, machine.gigabytes(needed), machine.gigabytes(_free()))
        return wanted

    def fetch(self, wanted: Iterable[HubFile]) -> None:
        """All these files, small ones first, so that whoever has the weights has everything.

        Raises:
            NotEnoughDisk: others filled the disk meanwhile.
            Cancelled: nobody wants them any more.
        """
        wanted = tuple(wanted)
        self.total, self.done = sum(file.size for file in wanted), 0
        self.progress.reach(0, self.total)
        for file in wanted:
            before = self.done
            self._fetched(file)
            self.done = before + file.size
            self.progress.reach(self.done, self.total)
        _note_revision(self.listed)

    def advance(self, size: int) -> None:
        """So many more bytes have come."""
        self.progress.check()
        self.done += size
        if self.total:
            self.progress.reach(min(self.done, self.total), self.total)

    def _fetched(self, file: HubFile) -> Path:
        self.progress.check()
        new = not self._is_here(file)
        bar, at = partial(_Bar, self), self.listed.revision
        try:
            found: Any = hf_hub_download(
                self.listed.name, file.name, revision=at, tqdm_class=cast("Any", bar)
            )
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            left = machine.gigabytes(max(self.total - self.done, file.size))
            raise NotEnoughDisk(self.listed.name, left, machine.gigabytes(_free())) from error
        path = Path(found)
        if new and file.sha256 and _digest(path) != file.sha256:
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise CorruptCheckpoint(self.listed.name)
        return path

    def _is_here(self, file: HubFile) -> bool:
        found = try_to_load_from_cache(self.listed.name, file.name, revision=self.listed.revision)
        return isinstance(found, str)

    def _small(self) -> Iterator[HubFile]:
        for name, file in self.listed.files.items():
            if name == INDEX and WHOLE in self.listed.files:
                continue
            if name.endswith(SMALL) and not NOT_READ.search(name):
                yield file

    def _weights(self) -> list[HubFile]:
        files = self.listed.files
        if WHOLE in files:
            return [files[WHOLE]]
        named = _named(self._fetched(files[INDEX]).read_text(encoding="utf-8"))
        if not named or not files.keys() >= set(named):
            raise CorruptCheckpoint(self.listed.name)
        return [files[name] for name in named]


class _Bar:
    """Stands where huggingface_hub wants a progress bar, and stops the download when nobody wants it."""

    def __init__(self, download: Download, **_: Any) -> None:
        self._download = download

    def update(self, size: int | None = 1) -> None:
        self._download.advance(size or 0)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None: ...


def _free() -> int:
    return machine.free_disk(Path(constants.HF_HUB_CACHE))


def _named(index: str) -> list[str]:
    """The files that an index of weights names."""
    return sorted(set(json.loads(index)["weight_map"].values()))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _note_revision(listed: Listing) -> None:
    """Remember the revision as the newest, as downloads by name do; without it the files are not found offline."""
    found = try_to_load_from_cache(listed.name, CONFIG, revision=listed.revision)
    if isinstance(found, str):
        note = Path(found).parents[2] / "refs" / constants.DEFAULT_REVISION
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(listed.revision, encoding="utf-8")
