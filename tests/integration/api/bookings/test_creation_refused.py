"""`POST /v1/bookings`: refusals, their problem documents, and that nothing is stored."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from db.models import Business, Service, WeeklyHours
from runtime.ids import new_id
from tests.support.factories import add_provider, future, make_tenant
from tests.support.stage import Stage, make_stage, ok, problem

NEW_YORK = ZoneInfo("America/New_York")


async def ask(stage: Stage, **body: Any) -> httpx.Response:
    """A customer's request with Ana."""
    defaults: dict[str, Any] = {"starts_at": stage.next_start(), "provider_id": stage.tenant.providers["ana"]}
    return await stage.as_("customer").book(stage.tenant, **defaults | body)


def local(hour: int, minute: int = 0) -> datetime:
    """A time on the wall clock of New York, some days ahead."""
    day = (datetime.now(NEW_YORK) + timedelta(days=5)).date()
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK)


async def test_a_time_that_is_taken_is_409_and_leaves_nothing(stage: Stage) -> None:
    starts_at = stage.next_start()
    await stage.book(starts_at=starts_at)
    problem(await ask(stage, starts_at=starts_at), 409, "slot_unavailable")
    problem(await ask(stage, starts_at=starts_at + timedelta(minutes=59)), 409, "slot_unavailable")
    assert await stage.count("bookings") == 1
    assert await stage.count("idempotency_keys") == 1


async def test_buffers_keep_their_distance_on_both_sides(stage: Stage) -> None:
    await stage.change(Service, buffer_before_minutes=10, buffer_after_minutes=15, slot_step_minutes=1)
    noon = future(100)
    await stage.book(starts_at=noon)
    for minutes in (60 + 24, -60 - 24):
        problem(await ask(stage, starts_at=noon + timedelta(minutes=minutes)), 409, "slot_unavailable")
    for minutes in (60 + 25, -60 - 25):
        ok(await ask(stage, starts_at=noon + timedelta(minutes=minutes)), 201)


@pytest.mark.parametrize(
    ("hour", "minute", "status"),
    [(7, 45, 409), (8, 0, 201), (17, 0, 201), (17, 15, 409), (3, 0, 409), (9, 10, 409)],
)
async def test_opening_hours_are_the_wall_clock_s_and_hold_the_whole_appointment(
    stage: Stage, hour: int, minute: int, status: int
) -> None:
    await stage.change(WeeklyHours, opens_minute=8 * 60, closes_minute=18 * 60)
    response = await ask(stage, starts_at=local(hour, minute))
    assert response.status_code == status, response.text
    if status == 409:
        problem(response, 409, "slot_unavailable")


async def test_a_provider_s_own_hours_replace_the_business_s(stage: Stage) -> None:
    starts_at = local(12)
    async with stage.engine.begin() as conn:
        await conn.execute(
            WeeklyHours.__table__.insert(),  # type: ignore[attr-defined]
            {
                "id": new_id(),
                "business_id": stage.tenant.business_id,
                "provider_id": stage.tenant.providers["ana"],
                "weekday": starts_at.isoweekday(),
                "opens_minute": 0,
                "closes_minute": 12 * 60,
            },
        )
    problem(await ask(stage, starts_at=starts_at), 409, "slot_unavailable")
    ok(await ask(stage, starts_at=starts_at, provider_id=stage.tenant.providers["ben"]), 201)
    ok(await ask(stage, starts_at=starts_at - timedelta(hours=1)), 201)


@pytest.mark.parametrize(
    "unknown",
    [{"service_id": "no-such"}, {"business_id": "no-such"}, {"service_id": new_id()}, {"business_id": new_id()}],
)
async def test_what_does_not_exist_is_404(stage: Stage, unknown: dict[str, Any]) -> None:
    problem(await ask(stage, **unknown), 404, "not_found")


async def test_another_tenant_s_service_does_not_exist_here(stage: Stage) -> None:
    other = await make_tenant(stage.engine)
    problem(await ask(stage, service_id=other.service_id), 404, "not_found")


async def test_a_service_that_is_no_longer_offered_is_404(stage: Stage) -> None:
    await stage.change(Service, active=False)
    problem(await ask(stage), 404, "not_found")


async def test_a_business_that_is_suspended_takes_no_bookings(stage: Stage) -> None:
    await stage.change(Business, status="suspended")
    problem(await ask(stage), 422, "invalid_request")


@pytest.mark.parametrize("who", ["unskilled", "nobody", "another tenant's"])
@pytest.mark.parametrize("intake", ["instant", "dispatch"])
async def test_a_provider_who_does_not_do_this_is_422(
    stage: Stage, patient_stage: Stage, intake: str, who: str
) -> None:
    at = stage if intake == "instant" else patient_stage
    async with at.engine.begin() as conn:
        unskilled = await add_provider(conn, at.tenant, "una", skills=["gardening"])
    other = await make_tenant(at.engine)
    named = {"unskilled": unskilled, "nobody": new_id(), "another tenant's": other.providers["ana"]}[who]
    problem(await ask(at, provider_id=named), 422, "provider_unfit")
    assert await at.count("bookings") == 0


@pytest.mark.parametrize(
    "starts_at",
    [
        "2020-01-01T10:00:00Z",
        pytest.param(datetime.now(UTC).isoformat(), id="now"),
        "2099-01-01T10:00:00",
        "2099-01-01",
        "tomorrow",
        "",
        None,
        "2099-13-01T10:00:00Z",
        "9999-12-31T23:30:00Z",
        "9999-12-31T10:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+14:00",
    ],
)
async def test_a_time_that_is_past_unclear_or_absurd_is_422(stage: Stage, starts_at: str | None) -> None:
    response = await ask(stage, starts_at=starts_at)
    problem(response, 422, "invalid_request")
    assert await stage.count("bookings") == 0


@pytest.mark.parametrize("missing", ["business_id", "service_id", "starts_at"])
async def test_a_member_that_is_missing_is_named(stage: Stage, missing: str) -> None:
    body = {"business_id": stage.tenant.slug, "service_id": "repair", "starts_at": future().isoformat()}
    del body[missing]
    response = await stage.as_("customer").post("/v1/bookings", body, **{"Idempotency-Key": "k"})
    found = problem(response, 422, "invalid_request")
    assert [error["pointer"] for error in found["errors"]] == [f"/body/{missing}"]


@pytest.mark.parametrize(
    "extra", [{"price": 1}, {"status": "accepted"}, {"customer": {"name": "C", "role": "admin"}}]
)
async def test_a_member_that_nobody_knows_is_422(stage: Stage, extra: dict[str, Any]) -> None:
    problem(await ask(stage, **extra), 422, "invalid_request")


@pytest.mark.parametrize("staff", ["ana", "owner", "admin"])
async def test_staff_must_say_for_whom_they_book(stage: Stage, staff: str) -> None:
    response = await stage.as_(staff).book(stage.tenant, starts_at=stage.next_start())
    problem(response, 422, "invalid_request")
    assert await stage.count("bookings") == 0


async def test_a_dispatch_business_without_anybody_still_refuses_the_past(stage: Stage) -> None:
    dispatch = await make_stage(stage.api, stage.engine, providers={})
    response = await dispatch.as_("customer").book(dispatch.tenant, starts_at="2020-01-01T10:00:00Z")
    problem(response, 422, "invalid_request")
