"""A booking with a problem is flagged for the desk and goes on."""

from domain import names
from domain.booking import BookingState
from domain.commands import Accept, Cancel, Start
from domain.lifecycle import Status
from domain.steps import Reason
from tests.support.factories import Tenant
from tests.support.workflows.invariants import check_invariants
from tests.support.workflows.live import ADMIN, Live, LiveBooking


async def flag(booking: LiveBooking, reason: str = Reason.DIFFERS_AT_VENDOR) -> BookingState:
    await booking.handle.signal(names.FLAG_SIGNAL, reason)
    return await booking.until(lambda state: state.needs_attention)


async def test_a_flag_is_a_step_of_the_system_and_the_booking_goes_on(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Accept(actor=ADMIN))
    flagged = await flag(booking)
    assert flagged.status is Status.ACCEPTED
    last = (await booking.history())[-1]
    assert (last["reason"], last["actor_role"]) == (Reason.DIFFERS_AT_VENDOR, "system")
    started = await booking.give(Start(actor=ADMIN))
    assert (started.status, started.needs_attention) == (Status.IN_PROGRESS, False)
    await check_invariants(booking)


async def test_a_booking_that_is_flagged_is_not_flagged_again(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    before = await flag(booking)
    await booking.handle.signal(names.FLAG_SIGNAL, Reason.DIFFERS_AT_VENDOR)
    accepted = await booking.give(Accept(actor=ADMIN))  # behind the signal: it has been heard by then
    assert accepted.version == before.version + 1
    await check_invariants(booking)


async def test_what_somebody_types_is_not_kept(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await flag(booking, "Casey called, +1 518 555 0100")
    assert (await booking.steps())[-1] == ("assigned", Reason.FLAGGED)


async def test_a_flag_does_not_keep_a_booking_from_ending(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.handle.signal(names.FLAG_SIGNAL)
    await booking.give(Cancel(actor=ADMIN))
    assert (await booking.until_closed()).status is Status.CANCELLED
    await check_invariants(booking)
