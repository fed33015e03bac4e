"""Booking with the keyboard alone, by the pattern of a date grid (ARIA Authoring Practices)."""

from datetime import date, timedelta

from playwright.async_api import Page, expect

from tests.browser.booking_form import open_page
from tests.support.stage import Stage, ok

_FOCUSED_DAY = """() => {
    const root = document.querySelector("holdfast-booking").shadowRoot;
    return root.activeElement?.dataset.day ?? null;
}"""


async def focused_day(page: Page) -> date:
    found = await page.evaluate(_FOCUSED_DAY)
    assert found is not None, "no day has the focus"
    return date.fromisoformat(found)


async def press_tab_until(page: Page, selector: str) -> None:
    """Press Tab until this has the focus."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.locator(f"{selector}:focus").count():
            return
    raise AssertionError(f"Tab does not lead to {selector}")


async def test_somebody_books_without_a_mouse(page: Page, site_url: str, garage: Stage) -> None:
    await open_page(page, site_url, garage)
    await expect(page.locator(".times .slot").first).to_be_visible()
    await press_tab_until(page, ".days button")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    await press_tab_until(page, ".slot")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Your details")).to_be_focused()
    await press_tab_until(page, "[name=name]")
    await page.keyboard.type("Casey Roe")
    await page.keyboard.press("Tab")
    await page.keyboard.type("casey@customers.example")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="You are booked")).to_be_focused()
    assert len(ok(await garage.as_("owner").get("/v1/bookings"))["items"]) == 1


async def test_the_keys_of_a_date_grid(page: Page, site_url: str, garage: Stage) -> None:
    await open_page(page, site_url, garage)
    await expect(page.locator(".times .slot").first).to_be_visible()
    await press_tab_until(page, ".days button")
    await page.keyboard.press("PageDown")
    await page.keyboard.press("PageDown")
    start = await focused_day(page)
    await page.keyboard.press("ArrowDown")
    assert await focused_day(page) == start + timedelta(days=7)
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowUp")
    assert await focused_day(page) == start + timedelta(days=1)
    await page.keyboard.press("ArrowLeft")
    assert await focused_day(page) == start
    await page.keyboard.press("Home")
    first = await focused_day(page)
    assert first.isoweekday() == 7  # weeks begin on Sunday in English (US)
    await page.keyboard.press("End")
    assert await focused_day(page) == first + timedelta(days=6)
    await page.keyboard.press("PageUp")
    earlier = await focused_day(page)
    await expect(page.locator(".month")).to_have_text(earlier.strftime("%B %Y"))
    assert await page.locator(".month").get_attribute("aria-live") == "polite"


async def test_days_without_times_can_be_reached_and_say_so(page: Page, site_url: str, garage: Stage) -> None:
    weekday = {"weekly": [{"days": ["mon"], "opens": "08:00", "closes": "18:00"}]}
    ok(await garage.as_("owner").send("PUT", f"/v1/businesses/{garage.tenant.slug}/hours", weekday))
    await open_page(page, site_url, garage)
    await expect(page.locator(".times .slot").first).to_be_visible()
    await press_tab_until(page, ".days button")
    await page.keyboard.press("PageDown")
    await expect(page.locator(".days td.free").first).to_be_visible()
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    day = page.locator(".days button:focus")
    await expect(day).to_have_attribute("aria-disabled", "true")
    label = await day.get_attribute("aria-label")
    assert label is not None
    assert label.startswith("Tuesday, ")
    assert label.endswith("no free times")
