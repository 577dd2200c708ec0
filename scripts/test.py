"""Run the tests: `python scripts/test.py [pytest's arguments...]`.

The first run makes `.venv`, installs what the tests need and sees to a browser, which the tests find through
the variable ATTENTION_MICROSCOPE_BROWSER. With `-m "not browser"` no browser is looked for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import _environment as environment

BROWSER = "ATTENTION_MICROSCOPE_BROWSER"
COMMANDS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
PLAYWRIGHT_PATH = (
    "from playwright.sync_api import sync_playwright\n"
    "with sync_playwright() as playwright: print(playwright.chromium.executable_path)"
)
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
}
MOST_WORKERS = 4
"""So many processes share the tests, where there are as many cores."""


def browser() -> str:
    """The path of a browser that starts: the chosen one, one that is here, or one installed now."""
    chosen = os.environ.get(BROWSER)
    if chosen:
        if starts(chosen):
            return chosen
        environment.stop(f"{BROWSER} is {chosen!r}, which does not start: name a Chromium, or unset it")
    sources = {"found here": find, "installed with apt-get": from_apt, "from Playwright": from_playwright}
    for how, source in sources.items():
        path = source()
        if path:
            environment.say(f"browser: {path} ({how})")
            return path
    environment.stop(
        "no browser: the tests of the page need one and none could be installed. "
        f"Install Chromium or Google Chrome, or set {BROWSER} to its path. "
        'To leave these tests out: python scripts/test.py -m "not browser"'
    )


def starts(path: str) -> bool:
    """Whether a file is a browser that runs (a snap's stand-in does not); Windows is taken at its word."""
    if os.name == "nt":
        return Path(path).is_file()
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def find() -> str | None:
    """A Chromium, Chrome or Edge on the search path or in its usual place."""
    named = (shutil.which(command) for command in COMMANDS)
    return next((path for path in (*named, *PLACES) if path and starts(path)), None)


def from_apt() -> str | None:
    """Debian's Chromium, where apt-get may be used, with a font for the Chinese in screenshots."""
    if can_use_apt():
        environment.say("no browser here: installing chromium with apt-get (about a minute)")
        apt_install("chromium", "fonts-noto-cjk")
        return find()
    return None


def from_playwright() -> str | None:
    """Playwright's own Chromium, downloaded unless it is here already."""
    path = playwright_path()
    if not starts(path):
        environment.say("no browser here: playwright install chromium")
        environment.run("-m", "playwright", "install", "chromium")
    return path if starts(path) else None


def playwright_path() -> str:
    """Where Playwright keeps its Chromium, whether or not it is there."""
    command = [str(environment.PYTHON), "-c", PLAYWRIGHT_PATH]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def can_use_apt() -> bool:
    """Whether this is a Debian or Ubuntu and we are root."""
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def apt_install(*packages: str) -> None:
    """Debian packages, with as little beside them as possible; its last lines when that fails."""
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=variables, capture_output=True)
    command = ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *packages]
    result = subprocess.run(command, env=variables, capture_output=True, text=True)
    if result.returncode:
        environment.say("\n".join([" ".join(command) + " failed:", *result.stderr.splitlines()[-5:]]))


def see_to_chinese_font() -> None:
    """A font for Chinese where one can be had; the tests do not fail without it."""
    if can_use_apt() and not any(Path("/usr/share/fonts").rglob("*CJK*")):
        environment.say("no Chinese font here: installing fonts-noto-cjk with apt-get")
        apt_install("fonts-noto-cjk")


def main() -> None:
    """pytest, offline, with a browser."""
    environment.prepare("requirements-dev.txt")
    variables = dict(QUIET)
    if "not browser" not in sys.argv[1:]:
        variables[BROWSER] = browser()
        see_to_chinese_font()
    environment.become("-m", "pytest", *workers(sys.argv[1:]), *sys.argv[1:], **variables)


def workers(asked: list[str]) -> list[str]:
    """pytest-xdist's options: every file's tests in one process; none where one was asked for, or for less than all.

    The files keep their order, for those of the browser take longest and come first; so no process waits at the end.
    """
    cores = min(os.cpu_count() or 1, MOST_WORKERS)
    return (
        ["-n", str(cores), "--dist", "loadfile", "--no-loadscope-reorder"]
        if cores > 1 and not any(map(_names, asked))
        else []
    )


def _names(argument: str) -> bool:
    return argument.startswith(("-n", "-k", "-x", "--pdb")) or "tests" in argument


if __name__ == "__main__":
    main()
