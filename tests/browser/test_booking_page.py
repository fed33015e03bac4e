"""A visitor books on the public page, from the first look to the booking."""

from playwright.async_api import Page, expect

from tests.browser.booking_form import choose_time, fill_in, open_page, send_button
from tests.support.stage import Stage, ok


async def test_a_visitor_books_without_an_account(page: Page, site_url: str, garage: Stage) -> None:
    await open_page(page, site_url, garage)
    words = await choose_time(page, 3)
    await fill_in(page)
    await send_button(page).click()
    await expect(page.get_by_role("heading", name="You are booked")).to_be_focused()
    reference = await page.locator(".reference").inner_text()
    booked = ok(await garage.as_("owner").get("/v1/bookings"))["items"]
    assert [booking["reference"] for booking in booked] == [reference]
    await expect(page.locator(".facts-list")).to_contain_text(words)
    link = await page.get_by_role("link", name="See your booking").get_attribute("href")
    assert link is not None
    assert link.startswith(f"{site_url}/m#")


async def test_a_consent_is_kept_with_the_words_that_were_shown(page: Page, site_url: str, garage: Stage) -> None:
    await open_page(page, site_url, garage)
    await choose_time(page)
    await fill_in(page)
    await page.get_by_label("Phone").fill("(212) 555-0123")
    consent = page.locator(".check label")
    words = await consent.inner_text()
    assert "STOP" in words
    await page.get_by_role("checkbox").check()
    await send_button(page).click()
    await expect(page.locator(".reference")).to_be_visible()
    [booking] = ok(await garage.as_("owner").get("/v1/bookings"))["items"]
    path = f"/v1/businesses/{garage.tenant.slug}/customers/{booking['customer_id']}"
    assert ok(await garage.as_("owner").get(path))["phone"] == "+12125550123"
    [kept] = ok(await garage.as_("owner").get(f"{path}/consents"))["items"]
    assert (kept["purpose"], kept["granted"], kept["text"]) == ("sms", True, words)
