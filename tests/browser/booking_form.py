"""What a visitor does on the booking page."""

from playwright.async_api import Locator, Page

from tests.support.stage import Stage


async def open_page(page: Page, site_url: str, garage: Stage, query: str = "") -> None:
    """Open the booking page of the business."""
    await page.goto(f"{site_url}/b/{garage.tenant.slug}{query}")


async def choose_time(page: Page, number: int = 0) -> str:
    """Choose one of the times that are offered; returns it as it is written."""
    slot = page.locator(".times .slot").nth(number)
    words = await slot.locator(".slot-time").inner_text()
    await slot.click()
    return words


async def fill_in(page: Page, name: str = "Casey Roe", email: str = "casey@customers.example") -> None:
    """Fill in who books."""
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("E-mail").fill(email)


def send_button(page: Page) -> Locator:
    """The button that books."""
    return page.get_by_role("button", name="Book now")
