"""A real browser for tests: the system's Chromium, without a window, driven by Playwright.

The fixtures `browser` and `page` of `tests/conftest.py` use it.
"""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, async_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    "--no-sandbox",  # CI runs as root in a container
    # Nothing of its own goes over the network.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_REQUIRING = ("CI", "HOLDFAST_REQUIRE_BROWSER")


def find_browser() -> str | None:
    """The path of an installed Chromium; none: there is none, and its tests are to be skipped.

    Raises:
        RuntimeError: there is none, and `CI` or `HOLDFAST_REQUIRE_BROWSER` asks for one.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None and any(os.environ.get(name) for name in _REQUIRING):
        raise RuntimeError("Install Chromium: these tests need a browser, and may not be skipped here.")
    return found


@asynccontextmanager
async def running_browser(path: str) -> AsyncIterator[Browser]:
    """The browser at this path; it is closed at the end."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened_page(browser: Browser) -> AsyncIterator[Page]:
    """An empty page with cookies and storage of its own; the test fails on an error that no script caught."""
    async with await browser.new_context() as context:
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        assert errors == []
