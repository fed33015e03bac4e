"""Reports on bookings by day, service and provider, in the business's zone and currency."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from db.models import Booking, Payment
from domain.callers import Scope
from domain.lifecycle import Status
from tests.support.api_keys import key_holder
from tests.support.factories import make_booking
from tests.support.stage import Json, Stage, make_stage, ok, problem

ZERO: Json = {
    "bookings": 0,
    "by_status": {str(status): 0 for status in Status},
    "offers_accepted": 0,
    "offers_refused": 0,
    "acceptance_rate": None,
    "no_shows": 0,
    "cancellations": 0,
    "revenue": [],
    "paid": [],
}


@pytest.fixture
async def stage(api: Any, engine: Any) -> Stage:
    return await make_stage(api, engine)


def path(stage: Stage) -> str:
    return f"/v1/businesses/{stage.tenant.slug}/report"


async def report(stage: Stage, first: str, last: str, group_by: str = "day") -> Json:
    query = {"from": first, "to": last, "group_by": group_by}
    return ok(await stage.as_("owner").get(path(stage), **query))


async def booked(stage: Stage, starts_at: str, *, provider: str | None = "ana", **columns: Any) -> UUID:
    """A booking as it would have become; by default accepted and completed."""
    at = datetime.fromisoformat(starts_at).astimezone(UTC)
    state = await make_booking(stage.engine, stage.tenant, starts_at=at, provider=provider)
    values = {"status": "completed", "accepted_once": True, "version": 9} | columns
    async with stage.engine.begin() as conn:
        await conn.execute(Booking.__table__.update().where(Booking.id == state.booking_id).values(values))  # type: ignore[attr-defined]
        delete = text("DELETE FROM reservations WHERE booking_id = :id")
        await conn.execute(delete, {"id": state.booking_id})
    return state.booking_id


async def paid(stage: Stage, booking_id: UUID, captured: int, refunded: int, currency: str = "USD") -> None:
    values = {
        "booking_id": booking_id,
        "business_id": stage.tenant.business_id,
        "vendor": "stripe",
        "collect": "booking",
        "amount_minor": captured,
        "currency": currency,
        "state": "captured",
        "captured_minor": captured,
        "refunded_minor": refunded,
    }
    async with stage.engine.begin() as conn:
        await conn.execute(insert(Payment).values(values))


async def test_days_are_those_of_the_businesss_zone_and_none_is_left_out(stage: Stage) -> None:
    await booked(stage, "2027-03-13T23:00:00-05:00")
    await booked(stage, "2027-03-14T00:00:00-05:00")  # the night in which the clocks go forward
    await booked(stage, "2027-03-14T23:00:00-04:00")
    await booked(stage, "2027-03-15T00:00:00-04:00")
    found = await report(stage, "2027-03-13", "2027-03-16")
    assert (found["from"], found["to"], found["timezone"]) == ("2027-03-13", "2027-03-16", "America/New_York")
    days = {group["key"]: group["bookings"] for group in found["groups"]}
    assert days == {"2027-03-13": 1, "2027-03-14": 2, "2027-03-15": 1, "2027-03-16": 0}
    assert found["groups"][-1] == {"key": "2027-03-16", "name": None, **ZERO}
    assert found["totals"]["bookings"] == 4
    assert (await report(stage, "2027-03-14", "2027-03-14"))["totals"]["bookings"] == 2


async def test_figures_say_what_became_of_the_bookings(stage: Stage) -> None:
    ana, ben = stage.tenant.providers["ana"], stage.tenant.providers["ben"]
    day = "2027-05-03T{:02}:00:00-04:00".format
    kept = await booked(stage, day(8), refused_provider_ids=[ben])
    await booked(stage, day(9), price_minor=50_00, currency="EUR")
    cancelled = await booked(stage, day(10), status="cancelled")
    await booked(stage, day(11), status="cancelled", absent_party="customer")
    await booked(stage, day(12), status="assigned", accepted_once=False)
    await booked(stage, day(13), status="rejected", accepted_once=False, refused_provider_ids=[ana])
    await booked(stage, day(14), provider=None, status="pending", accepted_once=False)
    await booked(stage, day(15), status="no_show", absent_party="provider", refused_provider_ids=[ana])
    await paid(stage, kept, 129_00, 0)
    await paid(stage, cancelled, 129_00, 100_00)
    found = await report(stage, "2027-05-03", "2027-05-03")
    assert found["totals"] == {
        "bookings": 8,
        "by_status": ZERO["by_status"]
        | {"completed": 2, "cancelled": 2, "assigned": 1, "rejected": 1, "pending": 1, "no_show": 1},
        "offers_accepted": 4,
        "offers_refused": 3,
        "acceptance_rate": 0.5714,
        "no_shows": 1,
        "cancellations": 1,
        "revenue": [{"amount_minor": 50_00, "currency": "EUR"}, {"amount_minor": 129_00, "currency": "USD"}],
        "paid": [{"amount_minor": 158_00, "currency": "USD"}],
    }
    assert found["groups"] == [{"key": "2027-05-03", "name": None, **found["totals"]}]
    services = await report(stage, "2027-05-03", "2027-05-03", "service")
    assert services["groups"] == [{"key": str(stage.tenant.service_id), "name": "Repair", **found["totals"]}]
    people = await report(stage, "2027-05-03", "2027-05-03", "provider")
    assert people["totals"] == found["totals"]
    offers = [
        (group["name"], group["bookings"], group["offers_accepted"], group["offers_refused"])
        for group in people["groups"]
    ]
    assert offers == [("ana", 7, 4, 2), ("ben", 0, 0, 1), (None, 1, 0, 0)]


async def test_a_report_may_be_kept_for_a_quarter_of_an_hour_and_asked_about(stage: Stage) -> None:
    query = {"from": "2027-05-03", "to": "2027-05-04"}
    first = await stage.as_("owner").get(path(stage), **query)
    assert first.headers["Cache-Control"] == "private, max-age=900"
    tag = {"If-None-Match": first.headers["ETag"]}
    url = f"{path(stage)}?from=2027-05-03&to=2027-05-04"
    assert (await stage.as_("owner").send("GET", url, **tag)).status_code == 304
    await booked(stage, "2027-05-03T12:00:00-04:00")
    assert (await stage.as_("owner").send("GET", url, **tag)).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2027-05-03"},
        {"from": "2027-05-04", "to": "2027-05-03"},
        {"from": "2027-01-01", "to": "2028-02-05"},
        {"from": "20270503", "to": "2027-05-04"},
        {"from": "2027-05-03", "to": "2027-02-30"},
        {"from": "0001-01-01", "to": "0001-01-02"},
        {"from": "9999-12-31", "to": "9999-12-31"},
        {"from": "2027-05-03", "to": "2027-05-03", "group_by": "customer"},
    ],
    ids=str,
)
async def test_a_window_that_is_none_is_refused(stage: Stage, query: dict[str, str]) -> None:
    problem(await stage.as_("owner").get(path(stage), **query), 422, "invalid_request")


async def test_reports_are_the_desks_and_those_of_keys_that_read_bookings(stage: Stage) -> None:
    query = {"from": "2027-01-01", "to": "2028-02-04"}
    assert len((await report(stage, **{"first": query["from"], "last": query["to"]}))["groups"]) == 400
    ok(await (await key_holder(stage, Scope.READ_BOOKINGS)).get(path(stage), **query))
    problem(await (await key_holder(stage, Scope.READ_EVENTS)).get(path(stage), **query), 403, "forbidden")
    problem(await stage.as_("ana").get(path(stage), **query), 403, "forbidden")
    problem(await stage.as_("customer").get(path(stage), **query), 404, "not_found")
