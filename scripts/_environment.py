"""The project's own Python environment: makes `.venv`, fills it, repairs it. Standard library only.

`.venv` is ready when it holds a stamp: a digest of the requirements, the constraints and its own Python.
While packages are being installed it holds a mark; a mark found at the start means that an install was cut
short, and the environment is made anew. A lock keeps two runs from filling it at once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
INCOMPLETE = VENV / "incomplete"
LOCK = ROOT / ".venv.lock"
CONSTRAINTS = "constraints.txt"
INCLUDED = {
    "requirements.txt": ("requirements.txt",),
    "requirements-dev.txt": ("requirements.txt", "requirements-dev.txt"),
}
OLDEST, NEWEST = (3, 11), (3, 13)


def say(text: str) -> None:
    """One line for the person who waits."""
    print(f"[attention-microscope] {text}", flush=True)


def stop(text: str) -> NoReturn:
    """The last line before leaving with an error."""
    sys.exit(f"[attention-microscope] {text}")


def prepare(requirements: str) -> None:
    """`.venv` with what a requirements file names, at the tested versions; instant when it is there."""
    _check_python()
    if _is_ready(requirements):
        return
    with _alone() as lock:
        if not _is_ready(requirements):
            _fill(requirements, lock)


def run(*arguments: str) -> int:
    """The exit code of the environment's Python, run in the project's folder."""
    try:
        return subprocess.call([str(PYTHON), *arguments], cwd=ROOT, env=_variables())
    except KeyboardInterrupt:
        stop("interrupted")


def become(*arguments: str, **variables: str) -> NoReturn:
    """Hand this process over to the environment's Python, so that signals and the exit code are its own."""
    os.chdir(ROOT)
    os.environ.update(_variables(), **variables)
    if os.name == "nt":
        sys.exit(run(*arguments))
    os.execv(PYTHON, [str(PYTHON), *arguments])


def _variables() -> dict[str, str]:
    """The process's own variables, with UTF-8 as the encoding of files on every system."""
    return {"PYTHONUTF8": "1", **os.environ}


def _check_python() -> None:
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        got, oldest, newest = (".".join(map(str, v)) for v in (sys.version_info[:3], OLDEST, NEWEST))
        example = f"python{newest} {sys.argv[0]}"
        stop(f"this is Python {got}; Python {oldest} to {newest} is needed: for example, {example}")


def _digest(requirements: str) -> str:
    files = [*(ROOT / name for name in INCLUDED[requirements]), ROOT / CONSTRAINTS, VENV / "pyvenv.cfg"]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _stamp(requirements: str) -> Path:
    return VENV / f"{requirements}.stamp"


def _is_ready(requirements: str) -> bool:
    stamp = _stamp(requirements)
    if INCOMPLETE.exists() or not PYTHON.exists() or not stamp.exists():
        return False
    return stamp.read_text() == _digest(requirements)


def _is_usable() -> bool:
    """Whether packages can be added to the environment as it is."""
    probe = f"import pip, sys; sys.exit(not {OLDEST} <= sys.version_info[:2] <= {NEWEST})"
    if INCOMPLETE.exists() or not PYTHON.exists():
        return False
    return subprocess.run([str(PYTHON), "-c", probe], stderr=subprocess.DEVNULL).returncode == 0


@contextmanager
def _alone() -> Iterator[IO[str]]:
    """The lock file, held: it is let go when this process and the installer that it started have ended."""
    with LOCK.open("w") as lock:
        waiting = False
        while not _locked(lock):
            if not waiting:
                say("waiting for another run that is installing")
            waiting = True
            time.sleep(1)
        yield lock


def _locked(lock: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _fill(requirements: str, lock: IO[str]) -> None:
    if not _is_usable():
        _create(lock)
    _install(requirements, lock)
    for name in INCLUDED[requirements]:
        _stamp(name).write_text(_digest(name))


def _create(lock: IO[str]) -> None:
    say(f"making .venv with Python {sys.version.split()[0]}" + (", anew" if VENV.exists() else ""))
    base = getattr(sys, "_base_executable", None) or sys.executable  # never the Python in the folder to clear
    code, lines = _watch([base, "-m", "venv", "--clear", str(VENV)], lock)
    if code:
        stop("\n".join(["could not make .venv:", *lines]))


def _install(requirements: str, lock: IO[str]) -> None:
    say(f"installing {requirements} into .venv (the first time this takes some minutes)")
    INCOMPLETE.touch()
    options = ["-r", requirements, "-c", CONSTRAINTS, "--disable-pip-version-check", "--no-input"]
    code, lines = _watch([str(PYTHON), "-m", "pip", "install", *options], lock)
    unpacked = any(line.startswith("Installing collected packages") for line in lines)
    if code == 0 or not unpacked:
        INCOMPLETE.unlink()
    if code:
        stop("\n".join(["could not install the packages; pip says:", *lines[-15:]]))


def _watch(command: list[str], lock: IO[str]) -> tuple[int, list[str]]:
    """A command's exit code and lines; they are shown in short as they come."""
    shared = [] if os.name == "nt" else [lock.fileno()]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=_variables(),
        pass_fds=shared,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    lines: list[str] = []
    try:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            _show(line.strip())
        _show("")
        return process.wait(), lines
    except KeyboardInterrupt:
        process.wait()
        stop("interrupted: run the same command again to go on")


def _show(line: str) -> None:
    """On a terminal one line that is written over, elsewhere a line for each long step."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{line:{width}.{width}}", end="" if line else "\r", flush=True)
    elif line.startswith("Installing collected") or (line.startswith("Downloading") and " MB" in line):
        print(f"  {line:.100}", flush=True)
