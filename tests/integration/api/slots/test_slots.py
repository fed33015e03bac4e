"""`GET /v1/businesses/{business}/slots`: parameters and answers."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from db.models import Business, Provider, Service
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.applications import running
from tests.support.factories import add_provider, future
from tests.support.schedules import (
    NEW_YORK,
    ONE_DAY,
    a_day,
    add_service,
    ask,
    at,
    clock_change,
    held,
    hold,
    keep_hours,
    names_at,
    slot_at,
    slots,
)
from tests.support.servers import served
from tests.support.stage import Stage, ok, problem

TODAY_AND_A_WEEK = {"from_": a_day(), "to": a_day() + 7 * ONE_DAY}


async def test_a_slot_says_when_who_and_how_many(stage: Stage) -> None:
    day = a_day()
    answer = ok(await ask(stage, day, day + ONE_DAY))
    assert (answer["timezone"], answer["as_of"]) == ("America/New_York", None)
    starts = [at(day, 0) + timedelta(minutes=15 * n) for n in range(96)]
    assert [datetime.fromisoformat(item["starts_at"]) for item in answer["items"]] == starts
    assert answer["items"][0] == {
        "starts_at": starts[0].isoformat(),
        "ends_at": (starts[0] + timedelta(hours=1)).isoformat(),
        "provider_ids": [str(stage.tenant.providers["ana"]), str(stage.tenant.providers["ben"])],
        "seats_left": 2,
    }
    ben = stage.tenant.providers["ben"]
    only = await slot_at(stage, starts[0], provider_id=ben)
    assert only
    assert (only["provider_ids"], only["seats_left"]) == ([str(ben)], 1)
    assert await slots(stage, day, day + ONE_DAY, provider_id=stage.tenant.service_id) == []


async def test_times_and_days_are_those_of_the_zone_that_is_asked_for(stage: Stage) -> None:
    day = a_day()
    answer = ok(await ask(stage, day, day + ONE_DAY, timezone="Asia/Kathmandu"))
    assert answer["timezone"] == "Asia/Kathmandu"
    assert answer["items"][0]["starts_at"] == f"{day}T00:00:00+05:45"
    assert answer["items"][-1]["ends_at"] == f"{day + ONE_DAY}T00:45:00+05:45"
    assert len(answer["items"]) == 96
    found = await slots(stage, f"{day}T10:07:00+02:00", f"{day}T11:00:00+02:00", timezone="UTC")
    assert [item["starts_at"] for item in found] == [f"{day}T08:{minute}:00Z" for minute in (15, 30, 45)]
    midnight = await slots(stage, f"{day}T00:00:00Z", f"{day}T00:30:00Z", timezone="Asia/Kathmandu")
    assert [item["starts_at"] for item in midnight] == [f"{day}T{clock}:00+05:45" for clock in ("05:45", "06:00")]


async def test_the_hour_that_comes_twice_is_offered_and_booked_twice(stage: Stage) -> None:
    day = clock_change(NEW_YORK, forward=False)
    found = [item["starts_at"] for item in await slots(stage, day, day + ONE_DAY)]
    assert len(found) == 25 * 4
    halves = [f"{day}T01:30:00-04:00", f"{day}T01:30:00-05:00"]
    assert set(halves) < set(found)
    for starts_at in halves:
        await stage.book(starts_at=starts_at)
    ana = stage.tenant.providers["ana"]
    left = [item["starts_at"] for item in await slots(stage, halves[0], f"{day}T03:00:00-05:00", provider_id=ana)]
    assert left == [f"{day}T02:30:00-05:00", f"{day}T02:45:00-05:00"]


async def test_the_hour_that_is_skipped_is_not_offered(stage: Stage) -> None:
    day = clock_change(NEW_YORK, forward=True)
    found = [item["starts_at"] for item in await slots(stage, day, day + ONE_DAY)]
    assert len(found) == 23 * 4
    assert found[7:9] == [f"{day}T01:45:00-05:00", f"{day}T03:00:00-04:00"]


async def test_what_is_not_there_is_404(stage: Stage) -> None:
    problem(await ask(stage, **TODAY_AND_A_WEEK, service_id="massage"), 404, "not_found")
    path = "/v1/businesses/no-such-business/slots"
    day = a_day().isoformat()
    problem(await stage.api.get(path, service_id="repair", **{"from": day, "to": day}), 404, "not_found")
    await stage.change(Service, active=False)
    problem(await ask(stage, **TODAY_AND_A_WEEK), 404, "not_found")


@pytest.mark.parametrize(
    "changed",
    [
        {"from_": a_day() + 20 * ONE_DAY},
        {"from_": a_day(), "to": a_day()},
        {"to": a_day() + timedelta(days=3660)},
        {"to": a_day() + timedelta(days=64)},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"timezone": "A" * 5000},
        {"from_": "tomorrow"},
        {"from_": "2027-02-30"},
        {"from_": "9999-12-31"},
        {"to": "9999-12-31"},
        {"to": "9999-12-31T23:59:59-12:00"},
        {"from_": "0001-01-01", "to": "0001-01-02"},
        {"from_": f"{a_day()}T00:00:00"},
        {"from_": f"{a_day()}T12:00:00"},
        {"from_": ""},
        {"from_": "1e400"},
        {"service_id": "r" * 64},
        {"service_id": ""},
        {"service_id": "re\x00pair"},
        {"provider_id": "ana"},
        {"postal_code": "1" * 21},
        {"postal_code": "\x00"},
    ],
)
async def test_a_question_without_sense_is_422(stage: Stage, changed: dict[str, Any]) -> None:
    problem(await ask(stage, **TODAY_AND_A_WEEK | changed), 422, "invalid_request")


async def test_62_days_may_be_asked_for_whatever_the_clock_does_between(stage: Stage) -> None:
    for forward in (False, True):
        first = clock_change(NEW_YORK, forward=forward) - 10 * ONE_DAY
        ok(await ask(stage, first, first + 62 * ONE_DAY))
    past = date(2020, 1, 1)
    assert await slots(stage, past, past + ONE_DAY) == []


@pytest.mark.parametrize("status", ["setup", "suspended"])
async def test_a_business_that_takes_no_bookings_offers_none(stage: Stage, status: str) -> None:
    await stage.change(Business, status=status)
    assert await slots(stage, **TODAY_AND_A_WEEK) == []
    noon = at(a_day(), 12)
    problem(await stage.as_("customer").book(stage.tenant, starts_at=noon), 422, "invalid_request")
    problem(await hold(stage.as_("customer"), stage, noon), 422, "invalid_request")


async def test_only_those_who_can_and_are_there_are_offered(stage: Stage) -> None:
    noon = at(a_day(), 12)
    async with stage.engine.begin() as conn:
        await add_provider(conn, stage.tenant, "cid", skills=["plumbing"], rating=5)
        await add_provider(conn, stage.tenant, "dot", skills=["repair", "plumbing"], rating=5, available=False)
        await add_provider(conn, stage.tenant, "eve", skills=["repair", "plumbing"], rating=4.8)
    assert await names_at(stage, noon) == ["ana", "eve", "ben"]
    await add_service(stage, "pipes", required_skills=["plumbing", "repair"])
    assert await names_at(stage, noon, service_id="pipes") == ["eve"]
    await stage.change(Provider, available=False)
    assert await slots(stage, **TODAY_AND_A_WEEK) == []


async def test_too_soon_and_too_far_ahead_are_neither_offered_nor_taken_and_it_is_said_why(stage: Stage) -> None:
    await stage.change(Service, min_notice_minutes=24 * 60 + 5, horizon_days=3, slot_step_minutes=5)
    now = datetime.now(UTC)
    found = await slots(stage, now, now + 10 * ONE_DAY)
    first, last = (datetime.fromisoformat(found[n]["starts_at"]) for n in (0, -1))
    soonest, latest = now + timedelta(minutes=24 * 60 + 5), now + timedelta(days=3)
    assert timedelta() < first - soonest <= timedelta(minutes=6)
    assert timedelta() <= latest - last <= timedelta(minutes=6)
    customer, step = stage.as_("customer"), timedelta(minutes=5)
    for starts_at, why in ((first - 2 * step, "1445 minutes ahead"), (last + 2 * step, "at most 3 days ahead")):
        for answer in (
            await customer.book(stage.tenant, starts_at=starts_at),
            await hold(customer, stage, starts_at),
        ):
            assert why in problem(answer, 409, "slot_unavailable")["detail"]
    await stage.book(starts_at=first + step)
    await stage.book(starts_at=last)


async def test_nothing_but_bookings_and_holds_changes_the_tag(stage: Stage) -> None:
    day, url = a_day(), f"/v1/businesses/{stage.tenant.slug}/slots"
    query = f"?service_id=repair&from={day}&to={day + ONE_DAY}"
    first = await stage.api.send("GET", url + query)
    assert first.headers["Cache-Control"] == "public, no-cache"
    known = {"If-None-Match": f'"other", W/{first.headers["ETag"]}'}

    async def again() -> httpx.Response:
        return await stage.api.send("GET", url + query, **known)

    await stage.change(Business, name="Another name")
    await stage.change(Service, price_minor=1, name="Another")
    await stage.book(starts_at=at(day + 2 * ONE_DAY, 12))
    same = await again()
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["ETag"] == first.headers["ETag"]
    assert same.headers["Cache-Control"] == "public, no-cache"

    booking = await stage.book(starts_at=at(day, 12))
    changed = await again()
    assert (changed.status_code, changed.headers["ETag"] == first.headers["ETag"]) == (200, False)
    ok(await stage.as_("customer").command(booking["id"], "cancel"))
    assert (await again()).status_code == 304
    kept = await held(stage, at(day, 12))
    assert (await again()).status_code == 200
    await stage.as_("customer").send("DELETE", f"/v1/holds/{kept['id']}")
    assert (await again()).status_code == 304


async def test_hours_may_go_on_over_midnight(stage: Stage) -> None:
    day = a_day()
    await keep_hours(stage, (22 * 60, 26 * 60))
    clocks = [item["starts_at"][11:16] for item in await slots(stage, day, day + ONE_DAY)]
    quarters = [f"{hour}:{minute}" for hour in ("22", "23") for minute in ("00", "15", "30", "45")]
    assert clocks == ["00:00", "00:15", "00:30", "00:45", "01:00", *quarters]
    await stage.book(starts_at=at(day, 23, 30))
    assert await names_at(stage, at(day + ONE_DAY, 0, 15)) == ["ben"]


@contextmanager
def statements_of(engine: AsyncEngine) -> Iterator[list[str]]:
    """What is sent to the database on this engine's connections, as the driver reports it."""
    sent: list[str] = []

    def log(record: Any) -> None:
        if "AS waiting" not in record.query:  # the API counts now and then how many bookings wait for their start
            sent.append(record.query)

    def on_checkout(connection: Any, _record: object, _proxy: object) -> None:
        connection.driver_connection.add_query_logger(log)

    def on_checkin(connection: Any, _record: object) -> None:
        connection.driver_connection.remove_query_logger(log)

    event.listen(engine.sync_engine, "checkout", on_checkout)
    event.listen(engine.sync_engine, "checkin", on_checkin)
    try:
        yield sent
    finally:
        event.remove(engine.sync_engine, "checkout", on_checkout)
        event.remove(engine.sync_engine, "checkin", on_checkin)


async def test_slots_take_two_statements_however_many_providers_there_are(
    stage: Stage, settings: Settings, worker: None
) -> None:
    app = create_app(settings)
    async with served(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as http:
        near = Stage(ApiClient.over(http, settings), stage.engine, stage.tenant)
        await slots(near, a_day(), a_day() + ONE_DAY)  # the driver asks for unknown types once a connection
        for count in (2, 10, 50):
            async with stage.engine.begin() as conn:
                for n in range(len(stage.tenant.providers), count):
                    await add_provider(conn, stage.tenant, f"p{n}")
            with statements_of(app.state.holdfast.engine) as sent:
                found = await slots(near, a_day(), a_day() + 30 * ONE_DAY)
            assert {item["seats_left"] for item in found} == {count}
            assert len(sent) == 2, sent


async def test_a_start_that_has_passed_is_not_offered(stage: Stage) -> None:
    await stage.change(Service, slot_step_minutes=1)
    now = datetime.now(UTC)
    found = await slots(stage, now - timedelta(hours=2), now + timedelta(hours=1))
    first = datetime.fromisoformat(found[0]["starts_at"])
    assert timedelta() < first - now < timedelta(seconds=61)
    problem(await stage.as_("customer").book(stage.tenant, starts_at=future(-3)), 422, "invalid_request")


BY_THE_MINUTE = {"slot_step_minutes": 1}


async def test_a_list_that_may_be_too_long_is_refused_before_it_is_made(stage: Stage) -> None:
    await stage.change(Service, **BY_THE_MINUTE)
    day = a_day()
    refused = await ask(stage, day, day + 62 * ONE_DAY)
    assert refused.status_code == 422
    assert "fewer days" in problem(refused, 422, "invalid_request")["detail"]
    whole = await ask(stage, day, day + 20 * ONE_DAY)
    assert len(ok(whole)["items"]) > 20_000
    assert len(whole.content) < 6 * 1024 * 1024


@pytest.fixture
def frozen_heap() -> Iterator[None]:
    """As the API's own process has it: else a full collection, of all that the tests hold, stops every thread."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("frozen_heap")
async def test_a_long_list_leaves_the_loop_to_others(stage: Stage) -> None:
    await stage.change(Service, **BY_THE_MINUTE)
    day, loop = a_day(), asyncio.get_running_loop()
    started = seen = loop.time()
    longest = 0.0
    long = asyncio.create_task(ask(stage, day, day + 20 * ONE_DAY))
    while not long.done():
        await asyncio.sleep(0.001)
        longest, seen = max(longest, loop.time() - seen), loop.time()
    ok(long.result())
    assert longest < (seen - started) / 2


async def test_a_long_list_costs_several_requests(stage: Stage, settings: Settings) -> None:
    async with running(settings.model_copy(update={"rate_limit_per_minute": 30})) as client:
        await stage.change(Service, **BY_THE_MINUTE)
        day, path = a_day(), f"/v1/businesses/{stage.tenant.slug}/slots"
        short = {"service_id": "repair", "from": str(day), "to": f"{day}T01:00:00-04:00"}
        long = short | {"to": str(day + 20 * ONE_DAY)}
        as_customer = client.as_(stage.tenant.principals["customer"])
        assert left(await as_customer.get(path, **short)) == 29
        assert left(await as_customer.get(path, **long)) == 29 - 1 - 7  # a quarter of the quota at most
        answers = [await as_customer.get(path, **long) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        problem(answers[2], 429, "rate_limited")
        assert left(answers[2]) == 0


def left(answer: httpx.Response) -> int:
    """What `RateLimit` says is left."""
    return int(answer.headers["RateLimit"].split(";")[1].removeprefix("r="))
