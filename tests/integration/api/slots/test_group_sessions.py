"""Group sessions: customers share one time of one provider, up to its seats."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import Service
from domain.assignment import AssignmentStrategy
from domain.policies import Policy
from tests.support.api_client import ApiClient
from tests.support.schedules import (
    a_day,
    add_service,
    at,
    execute,
    fetch,
    held,
    hold,
    newcomers,
    run_out,
    slot_at,
    slots,
)
from tests.support.stage import Json, Stage, make_stage, ok, problem

NOON = at(a_day(), 12)


async def join(caller: ApiClient, stage: Stage, provider: str | None = "ana", **body: Any) -> Json | None:
    """A seat at noon with this provider, or with anybody; none when there was none."""
    request = {"starts_at": NOON} | ({"provider_id": stage.tenant.providers[provider]} if provider else {}) | body
    answer = await caller.book(stage.tenant, **request)
    if answer.status_code == 409:
        problem(answer, 409, "slot_unavailable")
        return None
    return ok(answer, 201)


async def seats(stage: Stage, **params: Any) -> int:
    """The seats that the slot at noon has left; 0 when it is not offered."""
    slot = await slot_at(stage, NOON, **params)
    return slot["seats_left"] if slot else 0


_SEATS = """
SELECT count(DISTINCT session_id), array_agg(seat ORDER BY seat) FROM reservations
WHERE business_id = :business_id
"""


async def test_of_16_clients_as_many_get_in_as_there_are_seats(stage: Stage) -> None:
    await stage.change(Service, capacity=3)
    callers = await newcomers(stage, 16)
    answers = await asyncio.gather(*(join(caller, stage) for caller in callers))
    assert len([answer for answer in answers if answer]) == 3
    assert await fetch(stage, _SEATS) == [(1, [1, 2, 3])]
    assert await join(callers[0], stage) is None
    elsewhere = await join(callers[0], stage, None)
    assert elsewhere
    assert stage.tenant.name_of(elsewhere["provider_id"]) == "ben"
    assert await join(callers[0], stage, starts_at=NOON + timedelta(hours=1))


async def test_16_clients_without_a_wish_fill_every_provider_s_seats_and_no_more(stage: Stage) -> None:
    await stage.change(Service, capacity=3)
    answers = await asyncio.gather(*(join(caller, stage, None) for caller in await newcomers(stage, 16)))
    taken = [stage.tenant.name_of(answer["provider_id"]) for answer in answers if answer]
    assert sorted(taken) == ["ana"] * 3 + ["ben"] * 3


async def test_the_seats_left_count_down_and_a_cancelled_one_is_free_again(stage: Stage) -> None:
    await stage.change(Service, capacity=2)
    ana = stage.tenant.providers["ana"]
    assert await seats(stage) == 4
    assert await seats(stage, provider_id=ana) == 2
    bookings = [await stage.book(starts_at=NOON) for _ in range(2)]
    assert await seats(stage) == 2
    assert await slots(stage, NOON, NOON + timedelta(seconds=1), provider_id=ana) == []
    ok(await stage.as_("customer").command(bookings[0]["id"], "cancel"))
    assert await seats(stage, provider_id=ana) == 1
    assert await join(stage.as_("customer"), stage)
    assert await seats(stage, provider_id=ana) == 0
    ok(await stage.as_("customer").command(bookings[1]["id"], "cancel"))
    assert await seats(stage, provider_id=ana) == 1


async def test_a_session_is_joined_at_its_own_time_only(stage: Stage) -> None:
    await stage.change(Service, capacity=5, buffer_before_minutes=10, buffer_after_minutes=20)
    assert await join(stage.as_("customer"), stage)
    ana = stage.tenant.providers["ana"]
    around = await slots(stage, NOON - timedelta(hours=2), NOON + timedelta(hours=2), provider_id=ana)
    # 10 + 60 + 20 minutes on a grid of 15: whatever touches the session is gone, but the session itself.
    clocks = [item["starts_at"][11:16] for item in around]
    assert clocks == ["10:00", "10:15", "10:30", "12:00", "13:30", "13:45"]
    for minutes in (-75, -15, 15, 75):
        assert await join(stage.as_("customer"), stage, starts_at=NOON + timedelta(minutes=minutes)) is None


async def test_nothing_overlaps_a_session_not_even_one_of_another_service(stage: Stage) -> None:
    await add_service(stage, "yoga", capacity=3)
    await add_service(stage, "pilates", capacity=3)
    later = NOON + timedelta(hours=1)
    customer = stage.as_("customer")
    assert await join(customer, stage, service_id="yoga")
    for service in ("repair", "pilates"):
        assert await join(customer, stage, service_id=service) is None
        assert await join(customer, stage, service_id=service, starts_at=NOON + timedelta(minutes=45)) is None
        assert await seats(stage, service_id=service, provider_id=stage.tenant.providers["ana"]) == 0
    assert await join(customer, stage, starts_at=later)
    assert await join(customer, stage, service_id="yoga", starts_at=later) is None
    assert await join(customer, stage, service_id="yoga")


async def test_rivals_for_sessions_of_two_services_have_one_winning_service(stage: Stage) -> None:
    await add_service(stage, "yoga", capacity=8)
    await add_service(stage, "pilates", capacity=8)
    callers = await newcomers(stage, 16)
    answers = await asyncio.gather(
        *(join(c, stage, service_id="yoga" if n % 2 else "pilates") for n, c in enumerate(callers))
    )
    booked = [answer for answer in answers if answer]
    assert len(booked) == 8
    assert len({booking["service_id"] for booking in booked}) == 1


async def test_a_hold_takes_a_seat_until_it_runs_out(stage: Stage) -> None:
    await stage.change(Service, capacity=2)
    ana = stage.tenant.providers["ana"]
    kept, released = await held(stage, NOON, provider_id=ana), await held(stage, NOON, provider_id=ana)
    assert kept["provider_id"] == released["provider_id"]
    assert await seats(stage) == 2
    problem(await hold(stage.as_("customer"), stage, NOON, provider_id=ana), 409, "slot_unavailable")
    assert await join(stage.as_("customer"), stage) is None
    await run_out(stage, released)
    assert await seats(stage, provider_id=ana) == 1
    assert await join(stage.as_("customer"), stage)
    assert await join(stage.as_("customer"), stage) is None
    assert await join(stage.as_("customer"), stage, hold_id=kept["id"])
    assert await stage.count("reservations") == 2


async def test_fewer_seats_than_are_taken_let_nobody_in_and_more_do(stage: Stage) -> None:
    await stage.change(Service, capacity=2)
    assert await join(stage.as_("customer"), stage)
    assert await join(stage.as_("customer"), stage)
    await stage.change(Service, capacity=1)
    assert await join(stage.as_("customer"), stage) is None
    await stage.change(Service, capacity=3)
    assert await seats(stage, provider_id=stage.tenant.providers["ana"]) == 1
    assert await join(stage.as_("customer"), stage)
    assert await join(stage.as_("customer"), stage) is None


_COPY = """
INSERT INTO reservations
    (id, business_id, provider_id, during, session_id, service_id, seat, capacity, expires_at)
SELECT gen_random_uuid(), business_id, provider_id, during, {session}, service_id, {seat}, capacity,
       now() + interval '1 hour'
FROM reservations WHERE business_id = :business_id AND seat = 1
"""


@pytest.mark.parametrize(
    ("session", "seat", "constraint"),
    [
        ("session_id", 1, "uq_reservations_session_id"),
        ("session_id", 3, "ck_reservations_seat_is_within_capacity"),
        ("session_id", 0, "ck_reservations_seat_is_within_capacity"),
        ("gen_random_uuid()", 2, "ex_reservations_no_overlap"),
    ],
)
async def test_a_bare_insert_gets_no_seat_that_is_not_there(
    stage: Stage, session: str, seat: int, constraint: str
) -> None:
    await stage.change(Service, capacity=2)
    assert await join(stage.as_("customer"), stage)
    with pytest.raises(IntegrityError, match=constraint):
        await execute(stage, _COPY.format(session=session, seat=seat))
    await execute(stage, _COPY.format(session="session_id", seat=2))


@pytest.mark.parametrize("strategy", [AssignmentStrategy.ROUND_ROBIN, AssignmentStrategy.LEAST_BUSY])
async def test_a_session_is_filled_before_another_provider_opens_one(
    api: ApiClient, engine: AsyncEngine, strategy: AssignmentStrategy
) -> None:
    stage = await make_stage(api, engine, Policy(assignment=strategy))
    await stage.change(Service, capacity=3)
    callers = await newcomers(stage, 8)
    taken = [await join(caller, stage, None) for caller in callers[:4]]
    first, second, third, fourth = [answer["provider_id"] for answer in taken if answer]
    assert first == second == third != fourth
    [kept] = [ok(await hold(callers[4], stage, NOON), 201)]
    assert kept["provider_id"] == fourth
