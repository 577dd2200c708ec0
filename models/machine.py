"""What this machine can hold: limits from the environment, memory and disk in bytes. One GB is 10⁹ bytes.

ATTENTION_MICROSCOPE_MODEL_LIMIT   GB of files that a model may have; 8
ATTENTION_MICROSCOPE_MEMORY        GiB that models may take together; half of the memory
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

GB = 10**9
GIB = 1 << 30
MODEL_LIMIT = 8.0
"""GB of files that a model may have, where the environment says nothing else."""

UNKNOWN_MEMORY = 8 * GIB
"""Taken for the memory of a machine that does not tell."""

_MEMINFO = Path("/proc/meminfo")
_CONTAINER = Path("/sys/fs/cgroup")


def model_limit() -> int:
    """The most bytes of files that a model may have."""
    return int(_setting("ATTENTION_MICROSCOPE_MODEL_LIMIT", MODEL_LIMIT) * GB)


def memory_budget() -> int:
    """The bytes that all loaded models may take together."""
    return int(_setting("ATTENTION_MICROSCOPE_MEMORY", memory() / 2 / GIB) * GIB)


def memory() -> int:
    """The machine's memory, or its container's share of it."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        whole = UNKNOWN_MEMORY
    return min([whole, *_numbers("memory.max")])


def free_memory() -> int:
    """What a model may still take: memory that is free or can be freed, as Linux says; elsewhere all of it."""
    free = [memory()]
    if _MEMINFO.is_file():
        said = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        free += [int(said["MemAvailable"].split()[0]) * 1024] if "MemAvailable" in said else []
    for limit, used in zip(_numbers("memory.max"), _numbers("memory.current"), strict=False):
        free.append(max(limit - used, 0))
    return min(free)


def free_disk(folder: Path) -> int:
    """Free bytes where a folder is, or is to be made."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(there).free


def gigabytes(size: int) -> str:
    """Bytes as people read them, in GB: `0.0124`, `8`, `12.3`."""
    value = size / GB
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _numbers(file: str) -> Iterator[int]:
    """The number in a file of the container, if there is one."""
    try:
        said = (_CONTAINER / file).read_text().strip()
    except OSError:
        return
    if said.isdecimal():
        yield int(said)


def _setting(name: str, default: float) -> float:
    said = os.environ.get(name) or str(default)
    try:
        return float(said)
    except ValueError as error:
        raise ValueError(f"{name} is {said!r}; wanted a number") from error
