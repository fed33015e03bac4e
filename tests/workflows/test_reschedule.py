"""Rescheduling: the old time is released and the new one reserved in one transaction, or nothing happens."""

import asyncio
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.booking import BookingState
from domain.commands import Accept, Reject, Reschedule
from domain.lifecycle import Status
from domain.policies import Backoff, Intake, Policy
from tests.support.factories import Tenant, future, make_booking, make_tenant
from tests.support.workflows.invariants import check_invariants
from tests.support.workflows.live import ADMIN, CUSTOMER, Live, refusal_in


async def test_a_move_swaps_the_provider_s_time_and_keeps_everything_else(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant, provider="ana")
    before = await booking.until_status(Status.ASSIGNED)
    await booking.give(Accept(actor=ADMIN))
    # Half an hour later: the new time overlaps the old one, so neither order of two transactions would do.
    new = before.starts_at + timedelta(minutes=30)
    moved = await booking.give(Reschedule(actor=CUSTOMER, starts_at=new))
    assert (moved.status, moved.provider_id) == (Status.ACCEPTED, before.provider_id)
    assert (moved.starts_at, moved.ends_at) == (new, new + timedelta(hours=1))
    assert await booking.reservation() == (tenant.providers["ana"], new)
    assert (await booking.history())[-1]["kind"] == "rescheduled"
    await check_invariants(booking)

    earlier = before.starts_at - timedelta(minutes=30)
    taken_by_another = await make_booking(booking.engine, tenant, provider="ana", starts_at=earlier)
    assert taken_by_another.ends_at == moved.starts_at


async def test_of_moves_for_one_version_one_is_made_wherever_they_meet(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant, provider="ana")
    before = await booking.until_status(Status.ASSIGNED)
    moves = [
        Reschedule(actor=CUSTOMER, starts_at=future(hours), expected_version=before.version) for hours in (90, 100)
    ]
    outcomes = await asyncio.gather(*(booking.give(move) for move in moves), return_exceptions=True)
    [made] = [outcome for outcome in outcomes if isinstance(outcome, BookingState)]
    [refused] = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert refusal_in(refused).type == "stale"
    assert (await booking.refusal_of(moves[0])).type == "stale", "a booking that rests says so at once"
    assert await check_invariants(booking) == made


async def test_from_its_start_on_only_the_desk_moves_an_appointment(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant, provider="ana")
    before = await booking.until_status(Status.ASSIGNED)
    accepted = await booking.give(Accept(actor=ADMIN))
    await booking.skip_to(before.starts_at)
    assert (await booking.refusal_of(Reschedule(actor=CUSTOMER, starts_at=future(96)))).type == "appointment_begun"
    assert await booking.stored() == accepted
    moved = await booking.give(Reschedule(actor=ADMIN, starts_at=future(96)))
    assert moved.starts_at == future(96)


async def test_a_move_that_waits_behind_other_commands_is_refused_after_the_start_too(
    live: Live, tenant: Tenant
) -> None:
    booking = await live(tenant, provider="ana")
    before = await booking.until_status(Status.ASSIGNED)
    await booking.give(Accept(actor=ADMIN))
    await booking.skip_to(before.starts_at)
    desk, late = (
        Reschedule(actor=ADMIN, starts_at=before.starts_at),
        Reschedule(actor=CUSTOMER, starts_at=future(96)),
    )
    answers = await asyncio.gather(*(booking.give(c) for c in (desk, late, late, late)), return_exceptions=True)
    assert [refusal_in(one).type for one in answers if isinstance(one, BaseException)] == ["appointment_begun"] * 3
    assert (await booking.stored()).starts_at == before.starts_at


async def test_a_move_to_a_time_that_is_taken_changes_nothing(live: Live, tenant: Tenant) -> None:
    taken = future(96)
    other = await live(tenant, provider="ana", starts_at=taken)
    booking = await live(tenant, provider="ana")
    await other.until_status(Status.ASSIGNED)
    before = await booking.until_status(Status.ASSIGNED)
    for actor in (CUSTOMER, ADMIN):
        refusal = await booking.refusal_of(Reschedule(actor=actor, starts_at=taken))
        assert refusal.type == "slot_unavailable"
    assert await check_invariants(booking) == before
    assert await booking.reservation() == (tenant.providers["ana"], before.starts_at)


async def test_a_move_may_name_another_provider_who_must_be_free_too(live: Live, tenant: Tenant) -> None:
    taken = future(96)
    free = taken + timedelta(hours=2)
    bens = await live(tenant, provider="ben", starts_at=taken)
    booking = await live(tenant, provider="ana")
    await bens.until_status(Status.ASSIGNED)
    await booking.until_status(Status.ASSIGNED)
    ben = tenant.providers["ben"]
    refusal = await booking.refusal_of(Reschedule(actor=ADMIN, starts_at=taken, provider_id=ben))
    assert refusal.type == "slot_unavailable"
    moved = await booking.give(Reschedule(actor=ADMIN, starts_at=free, provider_id=ben))
    assert (moved.provider_id, moved.status) == (ben, Status.ASSIGNED)
    assert await booking.reservation() == (ben, free)
    await check_invariants(booking)


async def test_to_a_time_that_is_not_offered_only_the_desk_moves_a_booking(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    off_the_grid = future(96) + timedelta(minutes=7)
    refusal = await booking.refusal_of(Reschedule(actor=CUSTOMER, starts_at=off_the_grid))
    assert refusal.type == "slot_unavailable"
    moved = await booking.give(Reschedule(actor=ADMIN, starts_at=off_the_grid))
    assert moved.starts_at == off_the_grid


async def test_a_booking_without_a_provider_is_looked_after_anew_at_its_new_time(
    live: Live, engine: AsyncEngine
) -> None:
    policy = Policy(intake=Intake.DISPATCH, backoff=Backoff(attempts=1))
    tenant = await make_tenant(engine, policy=policy, providers={"ana": 4.9})
    taken = future(72)
    free = taken + timedelta(hours=24)
    await make_booking(engine, tenant, provider="ana", starts_at=taken)
    booking = await live(tenant, provider=None, starts_at=taken)
    await booking.until(lambda state: state.needs_attention)
    moved = await booking.give(Reschedule(actor=CUSTOMER, starts_at=free))
    assert (moved.status, moved.attempt, moved.needs_attention) == (Status.PENDING, 0, False)
    offered = await booking.until_status(Status.ASSIGNED)
    assert await booking.reservation() == (tenant.providers["ana"], free)
    assert offered.attempt == 1
    await check_invariants(booking)


async def test_a_booking_without_a_provider_is_moved_no_further_than_it_could_be_made(
    live: Live, engine: AsyncEngine
) -> None:
    tenant = await make_tenant(engine, policy=Policy(intake=Intake.DISPATCH), providers={})
    async with engine.begin() as conn:
        limit = text("UPDATE services SET daily_limit = 1, horizon_days = 30 WHERE business_id = :id")
        await conn.execute(limit, {"id": tenant.business_id})
    full, later = future(96), future(24 * 40)
    await make_booking(engine, tenant, provider=None, starts_at=full)
    booking = await live(tenant, provider=None, starts_at=future(24 * 8))
    for starts_at in (full, later):
        refusal = await booking.refusal_of(Reschedule(actor=CUSTOMER, starts_at=starts_at))
        assert refusal.type == "slot_unavailable"
    moved = await booking.give(Reschedule(actor=ADMIN, starts_at=later))
    assert moved.starts_at == later


async def test_providers_who_refused_are_not_asked_at_the_new_time_either(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant, provider="ana")
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Reject(actor=ADMIN))
    await booking.give(Reschedule(actor=CUSTOMER, starts_at=future(96)))
    offered = await booking.until_status(Status.ASSIGNED)
    assert offered.provider_id == tenant.providers["ben"]
