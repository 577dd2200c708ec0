"""The app in its own process, a real browser, and pages that may neither complain nor ask another machine."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from tests.browser.folders import Folders
from tests.browser.microscope import COUNT_ANSWERS, Microscope, Watch
from tests.browser.server import ARGUMENTS, AppServer, browser_path

SCREENSHOTS = Path(__file__).parent / "screenshots"
LAPTOP = {"width": 1366, "height": 768}
PATIENCE = 10_000
"""Milliseconds that anything on the page may take on a busy machine."""

Open = Callable[..., Microscope]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = browser_path()
    if path is None:
        pytest.fail("no browser: install Chromium, or name one in ATTENTION_MICROSCOPE_BROWSER")
    browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def server() -> Iterator[AppServer]:
    server = AppServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Models to open."""
    return Folders(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def texts(server: AppServer) -> dict[str, Any]:
    """Every word of the page, as this server gives them out."""
    said = server.ask("config")["texts"]
    return said | {"stages": said["stages"] | server.ask("variants")}


@pytest.fixture
def open_page(
    browser: Browser, server: AppServer, texts: dict[str, Any], request: pytest.FixtureRequest
) -> Iterator[Open]:
    """Opens the app in a fresh browser profile, without fades; at the end nothing may have complained."""
    watch = Watch(server.origin)
    contexts: list[BrowserContext] = []

    def open_one(query: str = "", *, scripts: tuple[str, ...] = (), **options: Any) -> Microscope:
        context = browser.new_context(
            **{"viewport": LAPTOP, "locale": "en-US", "reduced_motion": "reduce"} | options
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        watch.over(context)
        for script in (COUNT_ANSWERS, *scripts):
            context.add_init_script(script)
        microscope = Microscope(context.new_page(), server, texts, watch)
        return microscope.open(query)

    yield open_one
    failed = request.node.stash.get(FAILED, False)
    for context in contexts:
        for number, page in enumerate(context.pages):
            if failed:
                page.screenshot(path=SCREENSHOTS / f"{slug(request.node.name)}-{number}.png")
        context.close()
    assert not watch.faults(), "\n".join(watch.faults())


@pytest.fixture
def microscope(open_page: Open) -> Microscope:
    """The first view, with fades as most people have them."""
    return open_page(reduced_motion="no-preference")


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember a failure until the pages are closed: they are photographed then."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


def slug(name: str) -> str:
    return re.sub(r"\W+", "-", name)[:80].strip("-")
