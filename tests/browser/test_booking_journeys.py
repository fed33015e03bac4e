"""What else happens to people who book: the back button, reloads, two tabs, a double click, a wrong clock."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Browser, Page, expect

from db.models import Business, Service
from tests.browser.booking_form import choose_time, fill_in, open_page, send_button
from tests.browser.looks import check_looks
from tests.support.browser import opened_page
from tests.support.stage import Stage, ok

HOSTILE = '"><img src=x onerror="parent.hacked=1"><script>hacked=1</script>\'`${hacked=1}</title>{{7*7}}'


async def booked(garage: Stage) -> list[str]:
    return [booking["reference"] for booking in ok(await garage.as_("owner").get("/v1/bookings"))["items"]]


async def test_back_and_forward_lead_through_the_steps_and_keep_what_was_typed(
    page: Page, site_url: str, garage: Stage
) -> None:
    await open_page(page, site_url, garage)
    await choose_time(page)
    await fill_in(page)
    await page.go_back()
    await expect(page.get_by_role("heading", name="Choose a day and time")).to_be_visible()
    await page.go_forward()
    await expect(page.get_by_label("Name")).to_have_value("Casey Roe")
    await page.get_by_role("button", name="Back").click()
    await expect(page.get_by_role("heading", name="Choose a day and time")).to_be_visible()
    await choose_time(page, 1)
    await expect(page.get_by_label("Name")).to_have_value("Casey Roe")


async def test_a_reload_in_each_step_loses_nothing(page: Page, site_url: str, garage: Stage) -> None:
    await open_page(page, site_url, garage)
    await expect(page.locator(".times .slot").first).to_be_visible()
    await page.reload()
    await choose_time(page)
    await fill_in(page)
    await page.reload()
    await expect(page.get_by_label("Name")).to_have_value("Casey Roe")
    await send_button(page).click()
    reference = await page.locator(".reference").inner_text()
    await page.reload()
    await expect(page.locator(".reference")).to_have_text(reference)
    assert await booked(garage) == [reference]


async def test_nothing_typed_is_in_the_address(page: Page, site_url: str, garage: Stage) -> None:
    await open_page(page, site_url, garage, "?utm_source=radio")
    await choose_time(page)
    await fill_in(page)
    assert "Casey" not in page.url
    assert "casey" not in page.url
    await send_button(page).click()
    await expect(page.locator(".reference")).to_be_visible()
    assert "eyJ" not in page.url  # no token either


async def test_a_double_click_books_once(page: Page, site_url: str, garage: Stage) -> None:
    await open_page(page, site_url, garage)
    await choose_time(page)
    await fill_in(page)
    await send_button(page).dblclick()
    await expect(page.locator(".reference")).to_be_visible()
    assert len(await booked(garage)) == 1


async def test_two_tabs_do_not_disturb_each_other(
    browser: Browser, page: Page, site_url: str, garage: Stage
) -> None:
    other = await page.context.new_page()
    for tab in (page, other):
        await open_page(tab, site_url, garage)
    await choose_time(page, 0)
    await choose_time(other, 8)
    for tab in (page, other):
        await fill_in(tab)
    await asyncio.gather(*(send_button(tab).click() for tab in (page, other)))
    seen = {await tab.locator(".reference").inner_text() for tab in (page, other)}
    assert seen == set(await booked(garage))
    assert len(seen) == 2


async def test_a_clock_that_is_an_hour_off_changes_no_time(page: Page, site_url: str, garage: Stage) -> None:
    await page.clock.install(time=datetime.now(UTC) + timedelta(hours=1))
    await open_page(page, site_url, garage)
    slot = page.locator(".times .slot").nth(12)
    starts_at = await slot.get_attribute("data-at")
    assert starts_at is not None
    await slot.click()
    await fill_in(page)
    await send_button(page).click()
    await expect(page.locator(".reference")).to_be_visible()
    [booking] = ok(await garage.as_("owner").get("/v1/bookings"))["items"]
    assert datetime.fromisoformat(booking["starts_at"]) == datetime.fromisoformat(starts_at)


async def test_hostile_text_stays_text(page: Page, site_url: str, garage: Stage) -> None:
    await garage.change(Business, name=HOSTILE)
    await garage.change(Service, name=HOSTILE, description=HOSTILE)
    violations: list[str] = []
    page.on("console", lambda said: violations.append(said.text) if "Content Security" in said.text else None)
    await open_page(page, site_url, garage)
    await choose_time(page)
    await fill_in(page, name=HOSTILE)
    await send_button(page).click()
    await expect(page.locator(".facts-list")).to_contain_text(HOSTILE)
    await expect(page.locator("h1")).to_have_text(HOSTILE)
    assert await page.evaluate("window.hacked") is None
    await page.get_by_role("link", name="See your booking").click()
    await expect(page.locator(".eyebrow")).to_have_text(HOSTILE)
    assert await page.evaluate("window.hacked") is None
    assert violations == []


@pytest.mark.parametrize(
    ("locale", "zone", "words"),
    [
        ("en-GB", "Europe/London", "Choose a day and time"),
        ("de-DE", "Europe/Berlin", "Tag und Uhrzeit wählen"),
        ("es-ES", "Europe/Madrid", "Elija día y hora"),
        ("ja-JP", "Asia/Tokyo", "日時を選んでください"),
    ],
)
async def test_each_language_fits_from_start_to_end(
    browser: Browser, site_url: str, garage: Stage, locale: str, zone: str, words: str
) -> None:
    context = await browser.new_context(locale=locale, timezone_id=zone)
    async with context:
        page = await context.new_page()
        page.set_default_timeout(10_000)
        await open_page(page, site_url, garage)
        await expect(page.get_by_role("heading", name=words)).to_be_visible()
        assert await page.locator("html").get_attribute("lang") == locale[:2]
        await expect(page.locator(".slot-more").first).to_be_visible()  # the business's time beside one's own
        await check_looks(page, f"{locale} times")
        await choose_time(page)
        await page.locator("button.wide").click()
        await expect(page.locator(".summary-of-errors")).to_be_focused()
        await check_looks(page, f"{locale} details")
        await page.locator("[name=name]").fill("Casey Roe")
        await page.locator("[name=email]").fill("casey@customers.example")
        await page.locator("button.wide").click()
        await page.locator(".done").wait_for()
        await check_looks(page, f"{locale} booked")
        await page.locator(".done a").click()
        await page.locator(".lifecycle").wait_for()
        await check_looks(page, f"{locale} manage")


async def test_without_javascript_the_page_says_what_to_do(browser: Browser, site_url: str, garage: Stage) -> None:
    async with await browser.new_context(java_script_enabled=False) as context:
        page = await context.new_page()
        await open_page(page, site_url, garage)
        await expect(page.get_by_role("heading", name="Booking needs JavaScript")).to_be_visible()
        await expect(page.get_by_role("listitem")).to_have_text(["Repair"])


async def test_at_four_times_the_size_it_can_still_be_used(browser: Browser, site_url: str, garage: Stage) -> None:
    """A window of 1280 px at 400 % is one of 320 px (WCAG 1.4.10)."""
    async with opened_page(browser) as page:
        await page.set_viewport_size({"width": 320, "height": 256})
        await open_page(page, site_url, garage)
        await choose_time(page)
        await fill_in(page)
        await send_button(page).click()
        await expect(page.locator(".reference")).to_be_visible()


_SHIFTS = """() => new Promise((resolve) => {
    new PerformanceObserver((list) => resolve(list.getEntries().map((one) => one.value)))
        .observe({type: "layout-shift", buffered: true});
    setTimeout(() => resolve([]), 100);
})"""


@pytest.mark.parametrize("width", [320, 768, 1280])
async def test_nothing_moves_while_the_page_loads(page: Page, site_url: str, garage: Stage, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await open_page(page, site_url, garage)
    await expect(page.locator(".times .slot").first).to_be_visible()
    assert await page.evaluate(_SHIFTS) == []


async def test_the_reference_of_the_api_works_under_its_policy(page: Page, site_url: str) -> None:
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if said.type == "error" else None)
    await page.goto(f"{site_url}/docs")
    await expect(page.get_by_role("heading", name="Holdfast")).to_be_visible()
    await expect(page.locator("#operations-bookings-createBooking")).to_be_visible()
    assert refused == []
