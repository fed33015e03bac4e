"""Each state in which the booking page can be has its own look, and says what can be done."""

import json

import pytest
from playwright.async_api import Page, Route, expect

from db.models import Business, Provider, Service
from tests.browser.booking_form import choose_time, fill_in, open_page, send_button
from tests.browser.looks import check_looks
from tests.support.businesses.payments import Shop
from tests.support.stage import Stage, ok

AREA = {"areas": [{"kind": "prefix", "code": "100"}]}


async def add_service(garage: Stage, name: str = "Spring replacement", **more: object) -> None:
    body = {"name": name, "duration_minutes": 90, "price": {"amount_minor": 249_00}, "required_skills": ["repair"]}
    ok(await garage.as_("owner").post(f"/v1/businesses/{garage.tenant.slug}/services", body | more), 201)


async def test_the_services_are_shown_with_price_and_length(page: Page, site_url: str, garage: Stage) -> None:
    await add_service(garage, description="Both springs, the cable and a check of the whole door.")
    await add_service(garage, "Estimate", price={"amount_minor": 0})
    await open_page(page, site_url, garage)
    await expect(page.locator(".service")).to_have_count(3)
    await expect(page.locator(".service", has_text="Spring replacement")).to_contain_text("1 hr 30 min")
    await expect(page.locator(".service", has_text="Spring replacement")).to_contain_text("$249")
    await expect(page.locator(".service", has_text="Estimate")).to_contain_text("Free")
    await check_looks(page, "services")


async def test_times_details_errors_and_the_booking(page: Page, site_url: str, garage: Stage) -> None:
    await open_page(page, site_url, garage)
    await expect(page.locator(".times .slot").first).to_be_visible()
    await check_looks(page, "times")
    await choose_time(page)
    await expect(page.get_by_role("heading", name="Your details")).to_be_focused()
    await check_looks(page, "details")
    await send_button(page).click()
    summary = page.get_by_role("alert")
    await expect(summary).to_be_focused()
    await expect(summary.get_by_role("link")).to_have_count(2)
    await check_looks(page, "details with errors")
    await summary.get_by_role("link").first.click()
    await expect(page.get_by_label("Name")).to_be_focused()
    await fill_in(page, name="Casey " + "Roe" * 30)
    await send_button(page).click()
    await expect(page.get_by_role("heading", name="You are booked")).to_be_visible()
    await check_looks(page, "booked")


@pytest.mark.parametrize(
    ("status", "words"), [("setup", "opens for bookings soon"), ("suspended", "No new bookings at the moment")]
)
async def test_a_business_that_takes_no_bookings_says_so(
    page: Page, site_url: str, garage: Stage, status: str, words: str
) -> None:
    await garage.change(Business, status=status)
    await open_page(page, site_url, garage)
    await expect(page.get_by_role("heading", name=words)).to_be_visible()
    await check_looks(page, status)


async def test_a_business_that_books_for_its_customers_only_says_so(
    page: Page, site_url: str, garage: Stage
) -> None:
    await garage.change(Business, guest_bookings=False)
    await open_page(page, site_url, garage)
    await expect(page.get_by_role("heading", name="takes bookings from its own customers")).to_be_visible()
    await check_looks(page, "account needed")


async def test_a_business_without_services_says_so(page: Page, site_url: str, garage: Stage) -> None:
    await garage.change(Service, active=False)
    await open_page(page, site_url, garage)
    await expect(page.get_by_role("heading", name="Nothing can be booked yet")).to_be_visible()
    await check_looks(page, "empty")


async def test_an_unknown_business_is_a_page_and_not_a_document(page: Page, site_url: str) -> None:
    answer = await page.goto(f"{site_url}/b/nobody-here")
    assert answer is not None
    assert answer.status == 404
    await expect(page.get_by_role("heading", name="There is no booking page here")).to_be_visible()
    await check_looks(page, "missing")


async def test_outside_the_area_one_may_try_another_code(page: Page, site_url: str, garage: Stage) -> None:
    ok(await garage.as_("owner").send("PUT", f"/v1/businesses/{garage.tenant.slug}/areas", AREA))
    await open_page(page, site_url, garage)
    field = page.get_by_label("Postal code")
    await field.fill("94105")
    await page.get_by_role("button", name="Show free times").click()
    await expect(page.get_by_role("heading", name="Outside the service area")).to_be_visible()
    await expect(field).to_have_value("94105")
    await check_looks(page, "outside the area")
    await field.fill("10001")
    await page.get_by_role("button", name="Show free times").click()
    await choose_time(page)
    await fill_in(page)
    await page.get_by_label("Street and number").fill("1 Main Street")
    await page.get_by_label("City").fill("New York")
    await send_button(page).click()
    await expect(page.get_by_role("heading", name="You are booked")).to_be_visible()


async def test_a_month_that_is_full_names_the_next_free_day(page: Page, site_url: str, garage: Stage) -> None:
    await garage.change(Service, min_notice_minutes=70 * 24 * 60)
    await open_page(page, site_url, garage)
    first = page.locator(".days td.free button").first
    await expect(first).to_be_visible()  # it opens where something is free
    label = await first.get_attribute("aria-label")
    assert label is not None
    await page.get_by_role("button", name="Previous month").click()
    await expect(page.get_by_role("heading", name="is fully booked")).to_be_visible()
    await check_looks(page, "a full month")
    await page.get_by_role("button", name="Next free day").click()
    await expect(page.locator(".days [aria-selected='true'] button")).to_have_attribute("aria-label", label)


async def test_where_nothing_is_free_it_says_whom_to_ask(page: Page, site_url: str, garage: Stage) -> None:
    await garage.change(Provider, available=False)
    await open_page(page, site_url, garage)
    await expect(page.get_by_role("heading", name="Fully booked")).to_be_visible()
    await check_looks(page, "nothing free")


async def test_a_time_that_is_lost_offers_others_and_keeps_what_was_typed(
    page: Page, site_url: str, garage: Stage
) -> None:
    await garage.change(Business, policy=garage.tenant.policy.model_dump(mode="json") | {"intake": "instant"})
    await open_page(page, site_url, garage)
    slot = page.locator(".times .slot").nth(2)
    starts_at = await slot.get_attribute("data-at")
    for name in ("ana", "ben"):
        await garage.book(starts_at=starts_at, provider_id=garage.tenant.providers[name])
    await slot.click()
    await fill_in(page)
    await page.get_by_label("Anything we should know?").fill("The door hangs.")
    await send_button(page).click()
    await expect(page.get_by_role("heading", name="This time has just been taken")).to_be_focused()
    await check_looks(page, "time lost")
    await page.locator(".near .slot").first.click()
    await expect(page.get_by_label("Anything we should know?")).to_have_value("The door hangs.")
    await send_button(page).click()
    await expect(page.get_by_role("heading", name="You are booked")).to_be_visible()


async def test_a_price_that_changed_is_agreed_to_again(page: Page, site_url: str, garage: Stage) -> None:
    await open_page(page, site_url, garage)
    await choose_time(page)
    await fill_in(page)
    await garage.change(Service, price_minor=149_00)
    await send_button(page).click()
    await expect(page.get_by_role("alert")).to_contain_text("It was $129 and is $149 now")
    await check_looks(page, "price changed")
    await send_button(page).click()
    await expect(page.get_by_role("heading", name="You are booked")).to_be_visible()


async def test_a_declined_card_leaves_the_time_and_takes_another(
    page: Page, site_url: str, paid_garage: Shop
) -> None:
    await open_page(page, site_url, paid_garage)
    await choose_time(page, 40)
    await fill_in(page)
    await page.get_by_role("button", name="Continue to payment").click()
    await expect(page.get_by_role("button", name="Pay $129")).to_be_visible()
    await check_looks(page, "payment")
    await page.get_by_label("A card that is declined").check()
    await page.get_by_role("button", name="Pay $129").click()
    await expect(page.get_by_role("heading", name="The card was declined")).to_be_focused()
    await check_looks(page, "payment declined")
    await page.get_by_label("A card that works").check()
    await page.get_by_role("button", name="Pay $129").click()
    await expect(page.get_by_role("heading", name="You are booked")).to_be_visible()


async def test_offline_nothing_is_lost_and_it_goes_on_by_itself(page: Page, site_url: str, garage: Stage) -> None:
    await open_page(page, site_url, garage)
    await choose_time(page)
    await fill_in(page)
    await page.context.set_offline(True)
    await send_button(page).click()
    await expect(page.get_by_role("heading", name="You are offline")).to_be_focused()
    await check_looks(page, "offline")
    await page.context.set_offline(False)
    await expect(page.get_by_role("heading", name="You are booked")).to_be_visible()
    assert len(ok(await garage.as_("owner").get("/v1/bookings"))["items"]) == 1


async def test_a_lost_answer_is_asked_for_again_and_books_once(page: Page, site_url: str, garage: Stage) -> None:
    lost: list[str] = []

    async def lose_the_first(route: Route) -> None:
        if lost:
            return await route.continue_()
        answer = await route.fetch()
        lost.append(json.loads(await answer.text())["reference"])
        return await route.abort()

    await page.route("**/v1/bookings", lose_the_first)
    await open_page(page, site_url, garage)
    await choose_time(page)
    await fill_in(page)
    await send_button(page).click()
    await expect(page.get_by_role("heading", name="The booking was not made")).to_be_visible()
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".reference")).to_have_text(lost[0])
    assert len(ok(await garage.as_("owner").get("/v1/bookings"))["items"]) == 1


async def test_a_slow_server_is_not_silent(page: Page, site_url: str, garage: Stage) -> None:
    waiting: list[Route] = []

    async def keep_waiting(route: Route) -> None:
        waiting.append(route)

    await page.clock.install()
    await page.route("**/slots?*", keep_waiting)
    await open_page(page, site_url, garage)
    await expect(page.locator(".times .skeleton")).to_be_visible()
    await page.clock.run_for(5000)
    await expect(page.locator(".times .slow")).to_contain_text("longer than usual")
    await check_looks(page, "slow")
    for route in waiting:
        await route.continue_()
    await expect(page.locator(".times .slot").first).to_be_visible()


async def test_a_server_that_fails_can_be_asked_again(page: Page, site_url: str, garage: Stage) -> None:
    await page.route("**/slots?*", lambda route: route.abort(), times=1)
    await open_page(page, site_url, garage)
    await expect(page.get_by_role("heading", name="That did not work")).to_be_visible()
    await check_looks(page, "failed")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".times .slot").first).to_be_visible()
