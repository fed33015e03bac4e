"""Representative lives of bookings. Each yields one workflow history to store: its last run's."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import TimeSkipper

from domain import names
from domain.commands import Accept, Assign, Cancel, Complete, NoShow, Override, Reject, Reschedule, Start
from domain.lifecycle import Party, Status
from domain.payments import PaymentGate
from domain.policies import Policy
from domain.steps import Reason
from tests.support.factories import future, make_tenant
from tests.support.workflows.live import ADMIN, CUSTOMER, LiveBooking


@dataclass
class Stage:
    """The servers that the scenarios play on."""

    engine: AsyncEngine
    skipper: TimeSkipper

    async def offered(self, policy: Policy | None = None) -> LiveBooking:
        """A booking of a business of its own, offered to `ana`."""
        tenant = await make_tenant(self.engine, policy=policy)
        booking = await LiveBooking.begin(self.engine, self.skipper, tenant, provider="ana")
        await booking.until_status(Status.ASSIGNED)
        return booking

    async def unpaid(self) -> LiveBooking:
        """A booking that waits for its payment, its customer asked for it."""
        tenant = await make_tenant(self.engine)
        waiting = PaymentGate.AWAITING
        booking = await LiveBooking.begin(self.engine, self.skipper, tenant, provider="ana", payment=waiting)
        await booking.until(lambda state: state.version == 2)
        return booking


async def happy_path(stage: Stage) -> LiveBooking:
    booking = await stage.offered()
    for command in (Accept(actor=ADMIN), Start(actor=ADMIN), Complete(actor=ADMIN)):
        await booking.give(command)
    await booking.until_closed()
    return booking


async def accepted_automatically(stage: Stage) -> LiveBooking:
    tenant = await make_tenant(stage.engine, policy=Policy(auto_accept=True))
    booking = await LiveBooking.begin(stage.engine, stage.skipper, tenant)
    await booking.until_status(Status.ACCEPTED)
    return booking


async def rejected_until_nobody_is_left(stage: Stage) -> LiveBooking:
    booking = await stage.offered()
    for wait in (2, 4):
        await booking.until_status(Status.ASSIGNED)
        await booking.give(Reject(actor=ADMIN))
        await booking.skip(timedelta(seconds=wait))
    await booking.skip(timedelta(seconds=8))
    await booking.until(lambda state: state.needs_attention)
    return booking


async def offer_expired(stage: Stage) -> LiveBooking:
    booking = await stage.offered()
    await booking.skip(timedelta(minutes=30))
    await booking.until(lambda state: state.attempt == 2)
    return booking


async def provider_did_not_come(stage: Stage) -> LiveBooking:
    booking = await stage.offered()
    for command in (Accept(actor=ADMIN), Start(actor=ADMIN), NoShow(actor=ADMIN, party=Party.PROVIDER)):
        await booking.give(command)
    await booking.skip(timedelta(seconds=2))
    await booking.until_status(Status.ASSIGNED)
    return booking


async def customer_did_not_come(stage: Stage) -> LiveBooking:
    booking = await stage.offered()
    for command in (Accept(actor=ADMIN), Start(actor=ADMIN), NoShow(actor=ADMIN, party=Party.CUSTOMER)):
        await booking.give(command)
    await booking.until_closed()
    return booking


async def moved_and_reminded(stage: Stage) -> LiveBooking:
    booking = await stage.offered()
    await booking.give(Accept(actor=ADMIN))
    moved = await booking.give(Reschedule(actor=CUSTOMER, starts_at=future(96)))
    await booking.skip_to(moved.starts_at)
    await booking.until_messages("reminder", 4)
    await booking.skip_to(moved.ends_at + timedelta(days=1))
    await booking.until(lambda state: state.needs_attention)
    return booking


async def refusals_and_signals(stage: Stage) -> LiveBooking:
    booking = await stage.offered()
    await booking.handle.signal("reject")
    rejected = await booking.until_status(Status.REJECTED)
    assert rejected.provider_id is not None
    await booking.refusal_of(Accept(actor=ADMIN))
    await booking.give(Assign(actor=ADMIN, provider_id=rejected.provider_id))
    await booking.handle.signal("accept")
    await booking.handle.signal("accept")
    await booking.give(Cancel(actor=CUSTOMER))
    await booking.until_closed()
    return booking


async def reopened_by_an_override(stage: Stage) -> LiveBooking:
    booking = await stage.offered()
    await booking.give(Cancel(actor=CUSTOMER))
    await booking.until_closed()
    await booking.give_with_start(Override(actor=ADMIN, status=Status.PENDING))
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Accept(actor=ADMIN))
    return booking


async def cancelled_in_temporal(stage: Stage) -> LiveBooking:
    booking = await stage.offered()
    await booking.handle.cancel()
    await booking.until_closed()
    return booking


async def brought_back_after_a_terminate(stage: Stage) -> LiveBooking:
    booking = await stage.offered()
    await booking.handle.terminate("by mistake")
    await booking.until(lambda state: state.needs_attention)
    await booking.give(Accept(actor=ADMIN))
    return booking


async def reset_to_the_beginning(stage: Stage) -> LiveBooking:
    booking = await stage.offered()
    await booking.give(Accept(actor=ADMIN))
    await booking.reset()
    await booking.give(Start(actor=ADMIN))
    return booking


async def expired(stage: Stage) -> LiveBooking:
    booking = await stage.offered(Policy(offer_timeout_minutes=30 * 24 * 60, reminder_minutes=()))
    await booking.skip_to((await booking.stored()).starts_at)
    await booking.until_closed()
    return booking


async def flagged_from_outside(stage: Stage) -> LiveBooking:
    booking = await stage.offered()
    await booking.give(Accept(actor=ADMIN))
    for _ in range(2):
        await booking.handle.signal(names.FLAG_SIGNAL, Reason.DIFFERS_AT_VENDOR)
    await booking.until(lambda state: state.needs_attention)
    await booking.give(Start(actor=ADMIN))
    return booking


async def paid_for(stage: Stage) -> LiveBooking:
    booking = await stage.unpaid()
    await booking.handle.signal(names.PAYMENT_AUTHORIZED)
    await booking.until_status(Status.ASSIGNED)
    await booking.handle.signal(names.PAYMENT_AUTHORIZED)
    await booking.give(Accept(actor=ADMIN))
    return booking


async def never_paid_for(stage: Stage) -> LiveBooking:
    booking = await stage.unpaid()
    await booking.skip(timedelta(minutes=15))
    await booking.until_closed()
    return booking


Scenario = Callable[[Stage], Awaitable[LiveBooking]]

SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        happy_path,
        accepted_automatically,
        rejected_until_nobody_is_left,
        offer_expired,
        provider_did_not_come,
        customer_did_not_come,
        moved_and_reminded,
        refusals_and_signals,
        reopened_by_an_override,
        cancelled_in_temporal,
        brought_back_after_a_terminate,
        reset_to_the_beginning,
        expired,
        paid_for,
        never_paid_for,
        flagged_from_outside,
    )
}
