"""An admin's override: any status from any status, with a reason, on a running or closed workflow."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import WorkflowUpdateFailedError

from db.repositories import bookings, remarks
from domain.booking import BookingState
from domain.commands import Accept, Cancel, Override
from domain.lifecycle import HOLDS_TIME, RELEASES_TIME, UNASSIGNED, Status
from tests.support.factories import Tenant, make_booking
from tests.support.workflows.invariants import check_invariants
from tests.support.workflows.live import ADMIN, CUSTOMER, Live, refusal_in
from tests.support.workflows.placed import placed_in

REASON = "The customer rang: it went differently."


@pytest.mark.parametrize("before", Status, ids=str)
async def test_an_override_leads_from_each_status_to_every_status(
    before: Status, live: Live, engine: AsyncEngine
) -> None:
    await asyncio.gather(*(_override(before, target, live, engine) for target in Status))


async def _override(before: Status, target: Status, live: Live, engine: AsyncEngine) -> None:
    placed = await placed_in(before, live, engine)
    booking = placed.booking
    earlier = await booking.stored()
    async with engine.begin() as conn:
        remark_id = await remarks.add(conn, booking.business_id, booking.booking_id, REASON)

    state = await booking.give_with_start(Override(actor=ADMIN, status=target, remark_id=remark_id))

    assert (state.status, state.version) == (target, earlier.version + 1)
    assert state.holds_time is _holds_time_after(earlier, target)
    row = (await booking.history())[earlier.version]
    assert (row["kind"], row["old_status"], row["new_status"]) == ("override", before, target)
    assert (row["actor_role"], row["reason"]) == ("admin", REASON)
    quiet = await check_invariants(booking)
    if target not in UNASSIGNED:  # those go on to look for a provider at once
        assert quiet == state


def _holds_time_after(earlier: BookingState, target: Status) -> bool:
    if target in HOLDS_TIME:
        return True
    return earlier.holds_time and target not in RELEASES_TIME


async def test_an_override_to_pending_looks_for_a_provider_anew(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant, provider="ben")
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Cancel(actor=CUSTOMER))
    await booking.until_closed()
    await booking.give_with_start(Override(actor=ADMIN, status=Status.PENDING))
    state = await booking.until_status(Status.ASSIGNED)
    assert (state.provider_id, state.attempt) == (tenant.providers["ana"], 1)
    await check_invariants(booking)


@pytest.mark.parametrize("before", [Status.REJECTED, Status.NO_SHOW, Status.CANCELLED], ids=str)
async def test_an_override_that_needs_time_which_somebody_took_meanwhile_changes_nothing(
    before: Status, live: Live, engine: AsyncEngine
) -> None:
    placed = await placed_in(before, live, engine)
    booking = placed.booking
    earlier, steps = await booking.stored(), await booking.steps()
    rival = await make_booking(engine, placed.tenant, provider="ana", starts_at=earlier.starts_at)
    for target in HOLDS_TIME:
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await booking.give_with_start(Override(actor=ADMIN, status=target))
        assert refusal_in(refused.value).type == "slot_unavailable"
    assert await check_invariants(booking) == earlier
    assert await booking.steps() == steps
    async with engine.connect() as conn:
        still = await bookings.find_state(conn, rival.business_id, rival.booking_id)
    assert still is not None
    assert still.holds_time


async def test_a_reopened_booking_goes_on_as_if_it_had_never_ended(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Cancel(actor=CUSTOMER))
    closed = (await booking.handle.describe()).run_id
    await booking.until_closed()
    offered = await booking.give_with_start(Override(actor=ADMIN, status=Status.ASSIGNED))
    assert (await booking.handle.describe()).run_id != closed
    accepted = await booking.give(Accept(actor=ADMIN))
    await booking.skip_to(accepted.starts_at)
    reminded = await booking.until_messages("reminder", 4)
    assert {message["state"] for message in reminded} == {"sent"}
    assert accepted.version == offered.version + 1
    await check_invariants(booking)
