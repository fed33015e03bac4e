"""The manage page: a booking in its customer's hand, without an account."""

from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import FilePayload, Page, expect

from tests.browser.looks import check_looks
from tests.support.businesses.payments import Shop
from tests.support.stage import Stage, ok

CUSTOMER = {"name": "Casey Roe", "email": "casey@customers.example"}


async def made(garage: Stage, **body: Any) -> dict[str, Any]:
    """A guest's booking with Ana, once she has been asked."""
    request = {
        "starts_at": garage.next_start(),
        "provider_id": garage.tenant.providers["ana"],
        "customer": CUSTOMER,
    }
    return ok(await garage.api.book(garage.tenant, **request | body, key=str(uuid4())), 201)


async def open_link(page: Page, site_url: str, booking: dict[str, Any]) -> None:
    await page.goto(f"{site_url}/m#{booking['manage']['token']}")


async def test_it_shows_what_happens_while_it_happens(page: Page, site_url: str, garage: Stage) -> None:
    booking = await made(garage)
    await garage.settled(booking, "assigned")
    await open_link(page, site_url, booking)
    title = page.get_by_role("heading", level=1)
    await expect(title).to_have_text("We are asking somebody for you")
    await expect(page.locator("[aria-current='step']")).to_contain_text("Confirmed")
    await check_looks(page, "manage asked")
    ok(await garage.as_("ana").command(booking["id"], "accept"))
    await expect(title).to_have_text("Your booking is confirmed")
    await expect(page.locator(".next")).to_contain_text("ana will be there for you")
    await check_looks(page, "manage confirmed")
    ok(await garage.as_("ana").command(booking["id"], "start"))
    await expect(title).to_have_text("Your appointment has begun")
    ok(await garage.as_("ana").command(booking["id"], "complete"))
    await expect(title).to_have_text("Done. Thank you!")
    await check_looks(page, "manage done")


async def test_a_booking_is_moved_with_the_same_element(page: Page, site_url: str, garage: Stage) -> None:
    booking = await made(garage)
    await garage.settled(booking, "assigned")
    await open_link(page, site_url, booking)
    await page.get_by_role("button", name="Move").click()
    await page.locator(".times .slot").nth(1).click()
    await expect(page.get_by_role("heading", name="Move the appointment?")).to_be_focused()
    await check_looks(page, "manage move")
    await page.get_by_role("button", name="Move to the new time").click()
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await expect(page.locator("holdfast-booking")).to_have_count(0)
    moved = ok(await garage.as_("owner").get(f"/v1/bookings/{booking['id']}"))
    assert moved["starts_at"] != booking["starts_at"]


async def test_a_cancellation_shows_its_cost_and_wants_it_agreed(
    page: Page, site_url: str, paid_garage: Shop
) -> None:
    booking = await made(paid_garage, payment={"method": paid_garage.methods.good})
    await paid_garage.settled(booking, "assigned")
    await open_link(page, site_url, booking)
    await page.get_by_role("button", name="Cancel the booking").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Cancelling now costs $64.50.")
    await expect(dialog).to_contain_text("$64.50 goes back to you.")
    await check_looks(page, "manage cancel")
    await dialog.get_by_role("button", name="Cancel the booking").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("agree to the cost")
    await dialog.get_by_label("I agree that $64.50 is kept.").check()
    await dialog.get_by_role("button", name="Cancel the booking").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your booking is cancelled")
    await paid_garage.settled(booking, "cancelled")
    await expect(page.locator(".facts-list")).to_contain_text("$64.50 was kept")
    await check_looks(page, "manage cancelled")


async def test_a_booking_is_paid_from_its_link(page: Page, site_url: str, paid_garage: Shop) -> None:
    booking = await made(paid_garage)
    await open_link(page, site_url, booking)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your booking waits for its payment")
    await check_looks(page, "manage payment")
    await page.get_by_role("button", name="Pay $129").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("We are asking somebody for you")


async def test_a_file_is_added_saved_and_removed(page: Page, site_url: str, garage: Stage) -> None:
    booking = await made(garage)
    await open_link(page, site_url, booking)
    note = FilePayload(name="the door.txt", mimeType="text/plain", buffer=b"It hangs.")
    await page.get_by_label("Add a file").set_input_files(note)
    await expect(page.locator(".files li")).to_contain_text("the door.txt")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Save: the door.txt").click()
    assert (await (await download.value).path()).read_bytes() == b"It hangs."
    await page.get_by_role("button", name="Remove: the door.txt").click()
    await expect(page.locator(".files li")).to_have_count(0)


async def test_the_appointment_is_saved_for_calendars(page: Page, site_url: str, garage: Stage) -> None:
    booking = await made(garage)
    await open_link(page, site_url, booking)
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Calendar file").click()
    entry = await download.value
    assert entry.suggested_filename == f"{booking['reference']}.ics"
    lines = (await entry.path()).read_bytes().decode().split("\r\n")
    start = booking["starts_at"].replace("-", "").replace(":", "")
    assert {"BEGIN:VEVENT", f"UID:{booking['id']}", f"DTSTART:{start}"} <= set(lines)
    google = await page.get_by_role("link", name="Google").get_attribute("href")
    assert google is not None
    assert start in google
    assert booking["manage"]["token"] not in google


async def test_a_link_without_its_end_says_so(page: Page, site_url: str) -> None:
    await page.goto(f"{site_url}/m")
    await expect(page.get_by_role("heading", level=1)).to_have_text("This link is incomplete")


@pytest.mark.parametrize("token", ["ey.ey.x", "%3Cscript%3E", "hfm_nothing"])
async def test_a_link_that_does_not_work_says_so(page: Page, site_url: str, token: str) -> None:
    await page.goto(f"{site_url}/m#{token}")
    await expect(page.get_by_role("heading", level=1)).to_have_text("This link does not work any more")


async def test_a_link_whose_signature_is_wrong_opens_nothing(page: Page, site_url: str, garage: Stage) -> None:
    booking = await made(garage)
    head, content, signature = booking["manage"]["token"].split(".")
    await page.goto(f"{site_url}/m#{head}.{content}.{signature[::-1]}")
    await expect(page.get_by_role("heading", level=1)).to_have_text("This link does not work any more")
    await check_looks(page, "manage expired")
