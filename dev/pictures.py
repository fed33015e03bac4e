"""The pictures of the pages in `docs/pictures`: `python -m dev.pictures`.

It starts a stack of its own with demo data, books on the page as a customer does, and lets a provider accept.
"""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page, async_playwright

from dev.demo_business import BUSINESS, login_email
from dev.demo_client import DemoClient, demo_http
from dev.programs import ROOT
from dev.settings import DevSettings
from dev.stack import Stack

_FOLDER: Final = ROOT / "docs" / "pictures"
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS: Final = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
_WIDE: Final = {"width": 1200, "height": 760}
_PHONE: Final = {"width": 390, "height": 844}
_ZONE: Final = "America/New_York"


async def take(browser_path: str) -> None:
    """Take all pictures."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="holdfast-") as home:
        async with (
            Stack(DevSettings.on_free_ports(Path(home)), vendors=True) as stack,
            async_playwright() as driver,
        ):
            browser = await driver.chromium.launch(executable_path=browser_path, args=_ARGUMENTS)
            try:
                await _take_all(browser, stack.api_url)
            finally:
                await browser.close()


async def _take_all(browser: Browser, url: str) -> None:
    page = await _open(browser, _WIDE, "light")
    await page.goto(f"{url}/b/{BUSINESS}?service=repair")
    await page.locator(".slot").first.wait_for()
    await page.get_by_role("button", name="Next month").click()
    await page.locator(".days td.free").nth(3).locator("button").click()
    await _save(page, "booking-page")
    await _book(page)
    await page.locator(".lifecycle").wait_for()
    await _accept(url)
    await page.get_by_role("heading", name="Your booking is confirmed").wait_for()
    await _save(page, "manage-page")
    link = page.url
    for theme in ("light", "dark"):
        phone = await _open(browser, _PHONE, theme)
        await phone.goto(f"{url}/b/{BUSINESS}" if theme == "light" else link)
        await phone.locator(".service, .lifecycle").first.wait_for()
        await _save(phone, f"phone-{theme}")


async def _open(browser: Browser, size: dict[str, int], theme: str) -> Page:
    return await browser.new_page(
        viewport={"width": size["width"], "height": size["height"]},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
        locale="en-US",
        timezone_id=_ZONE,
    )


async def _book(page: Page) -> None:
    await page.locator(".slot").nth(4).click()
    await page.get_by_label("Name").fill("Casey Roe")
    await page.get_by_label("E-mail").fill("casey@customers.example")
    await page.get_by_role("button", name="Book now").click()
    await page.get_by_role("link", name="See your booking").click()


async def _accept(url: str) -> None:
    """Accept the offer as the provider who has it."""
    async with demo_http(url) as http:
        for name in ("ana", "ben", "cho"):
            provider = await DemoClient.log_in(http, login_email(name))
            offers = (await provider.call("GET", "/v1/bookings?status=assigned"))["items"]
            for offer in offers:
                await provider.call("POST", f"/v1/bookings/{offer['id']}/accept")


async def _save(page: Page, name: str) -> None:
    await page.mouse.move(0, 0)
    await page.screenshot(path=_FOLDER / f"{name}.png", animations="disabled")


def main() -> int:
    """Take them; 1 with one line on stderr without a browser."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        sys.stderr.write("pictures: install Chromium\n")
        return 1
    asyncio.run(take(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
