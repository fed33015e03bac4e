"""Holds under concurrency, and holds that expire during other requests."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from db.models import Service
from tests.support.api_client import ApiClient
from tests.support.factories import make_tenant
from tests.support.schedules import (
    a_day,
    at,
    fetch,
    give_back,
    held,
    hold,
    names_at,
    newcomer,
    newcomers,
    redeem,
    run_out,
)
from tests.support.stage import Json, Stage, ok, problem, until

NOON = at(a_day(), 12)
HOUR = timedelta(hours=1)


async def test_a_customer_holds_five_at_most_however_quickly_they_ask(stage: Stage) -> None:
    answers = await asyncio.gather(*(hold(stage.as_("customer"), stage, NOON + n * HOUR) for n in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 15
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "too_many_holds")
    assert await stage.count("reservations") == 5
    first, second, third, *_ = [answer.json() for answer in answers if answer.status_code == 201]
    free_at = NOON + 24 * HOUR
    for n, end in enumerate((give_back(stage, first), run_out(stage, second), redeem(stage, third))):
        await end
        await held(stage, free_at + n * HOUR)
        problem(await hold(stage.as_("customer"), stage, free_at + 5 * HOUR), 409, "too_many_holds")
    await held(await make_twin(stage), NOON)
    for n in range(6):
        ok(await hold(stage.as_("owner"), stage, NOON + (48 + n) * HOUR), 201)


async def make_twin(stage: Stage) -> Stage:
    """Another business with the same customer."""
    other = Stage(stage.api, stage.engine, await make_tenant(stage.engine))
    other.tenant.principals["customer"] = stage.tenant.principals["customer"]
    return other


async def test_of_16_clients_on_one_time_two_get_its_two_providers(stage: Stage) -> None:
    callers = await newcomers(stage, 16)
    answers = await asyncio.gather(*(hold(caller, stage, NOON) for caller in callers))
    kept = [answer.json()["provider_id"] for answer in answers if answer.status_code == 201]
    assert sorted(map(stage.tenant.name_of, kept)) == ["ana", "ben"]
    for answer in answers:
        if answer.status_code != 201:
            problem(answer, 409, "slot_unavailable")
    assert await names_at(stage, NOON) == []


async def test_of_rivals_with_one_hold_one_gets_the_booking(stage: Stage) -> None:
    kept = await held(stage, NOON)
    answers = await asyncio.gather(*(redeem(stage, kept) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "hold_expired")
    other = await held(stage, NOON + HOUR)
    same = await asyncio.gather(*(redeem(stage, other, key="one") for _ in range(8)))
    assert {(answer.status_code, answer.content) for answer in same} == {(201, same[0].content)}
    assert await stage.count("bookings") == 2


async def test_a_hold_that_runs_out_while_it_is_redeemed_never_makes_two_bookings(stage: Stage) -> None:
    ana, rivals = stage.tenant.providers["ana"], await newcomers(stage, 3)

    async def at_some_moment(caller: ApiClient, starts_at: datetime, **body: Any) -> int:
        await asyncio.sleep(random.uniform(0, 0.06))
        answer = await caller.book(stage.tenant, starts_at=starts_at, provider_id=ana, **body)
        if answer.status_code != 201:
            problem(answer, 409, "hold_expired" if "hold_id" in body else "slot_unavailable")
        return answer.status_code

    async def race(starts_at: datetime) -> int:
        owner = stage.as_("owner")
        kept = ok(await hold(owner, stage, starts_at, provider_id=ana), 201)
        await run_out(stage, kept, in_seconds=0.03)
        redeemed = at_some_moment(owner, starts_at, hold_id=kept["id"], customer={"name": "Casey"})
        statuses = await asyncio.gather(redeemed, *(at_some_moment(rival, starts_at) for rival in rivals))
        assert statuses.count(201) <= 1
        assert await names_at(stage, starts_at) == (["ben"] if 201 in statuses else ["ana", "ben"])
        return statuses.count(201)

    outcomes = [await race(NOON + n * HOUR) for n in range(20)]
    assert await stage.count("bookings") == sum(outcomes) > 0


async def test_a_hold_is_given_back_or_redeemed_but_never_half_of_both(stage: Stage) -> None:
    for n in range(6):
        kept = await held(stage, NOON + n * HOUR)
        booked, back = await asyncio.gather(redeem(stage, kept), give_back(stage, kept))
        assert back.status_code == 204
        seen = await stage.as_("customer").get(f"/v1/holds/{kept['id']}")
        if booked.status_code == 201:
            assert ok(seen)["booking_id"] == booked.json()["id"]
        else:
            assert booked.json()["code"] in ("not_found", "hold_expired")
            problem(seen, 404, "not_found")
    assert await stage.count("reservations") == await stage.count("bookings")


async def test_giving_back_and_redeeming_never_wait_for_each_other(stage: Stage) -> None:
    kept = await held(stage, NOON)
    async with stage.engine.connect() as conn, conn.begin():
        await conn.execute(text("SELECT 1 FROM holds WHERE id = :id FOR UPDATE"), {"id": kept["id"]})
        back = asyncio.create_task(give_back(stage, kept))
        await until_waiting(stage, 1)
        booked = asyncio.create_task(redeem(stage, kept))
        await until_waiting(stage, 2)
    assert (await back).status_code == 204
    problem(await booked, 409, "hold_expired")
    assert [await stage.count(table) for table in ("holds", "reservations", "bookings")] == [0, 0, 0]


async def test_a_hold_counts_towards_its_day_even_while_its_booking_is_being_stored(stage: Stage) -> None:
    await stage.change(Service, daily_limit=1)
    people = stage.tenant.providers
    kept = await held(stage, NOON, provider_id=people["ana"])
    other: dict[str, Any] = {"starts_at": NOON + HOUR, "provider_id": people["ben"]}
    async with stage.engine.connect() as conn, conn.begin():
        # The booking waits here for its foreign key, in the middle of its statement, and the hold runs out.
        lock = text("SELECT 1 FROM providers WHERE id = :id FOR UPDATE")
        await conn.execute(lock, {"id": people["ana"]})
        await run_out(stage, kept, in_seconds=1)
        booked = asyncio.create_task(redeem(stage, kept))
        await until_waiting(stage, 1)
        await until(lambda: stage.as_("customer").get(f"/v1/holds/{kept['id']}"), has_run_out)
        rival = asyncio.create_task((await newcomer(stage)).book(stage.tenant, **other))
        await until_waiting(stage, 2, or_done=rival)
    ok(await booked, 201)
    problem(await rival, 409, "day_full")


def has_run_out(seen: Json) -> bool:
    return bool(seen["status"] == "expired")


async def until_waiting(stage: Stage, count: int, *, or_done: "asyncio.Task[Any] | None" = None) -> None:
    """Wait until so many of the API's statements wait for a lock."""
    async with asyncio.timeout(5):
        while (await fetch(stage, _WAITING))[0][0] < count and not (or_done and or_done.done()):
            await asyncio.sleep(0.01)


_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'holdfast-api' AND wait_event_type = 'Lock' AND CAST(:business_id AS uuid) IS NOT NULL
"""
