"""Bookings in a given status, which they reach by commands and keep."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.booking import Actor
from domain.commands import Accept, BookingCommand, Cancel, Complete, NoShow, Reject, Start
from domain.lifecycle import Party, Role, Status, is_terminal
from domain.policies import Backoff, CustomerNoShow, Intake, Policy
from tests.support.factories import Tenant, add_provider, make_tenant
from tests.support.workflows.live import Live, LiveBooking

_ADMIN = Actor(role=Role.ADMIN)

PATIENT = Policy(
    intake=Intake.DISPATCH,
    backoff=Backoff(base_seconds=24 * 3600),
    customer_no_show=CustomerNoShow.REVIEW,
)
"""Under this policy no booking moves by itself while a test lasts."""

_WAY: dict[Status, tuple[BookingCommand, ...]] = {
    Status.PENDING: (),
    Status.ASSIGNED: (),
    Status.ACCEPTED: (Accept(actor=_ADMIN),),
    Status.IN_PROGRESS: (Accept(actor=_ADMIN), Start(actor=_ADMIN)),
    Status.COMPLETED: (Accept(actor=_ADMIN), Start(actor=_ADMIN), Complete(actor=_ADMIN)),
    Status.REJECTED: (Reject(actor=_ADMIN),),
    Status.NO_SHOW: (Accept(actor=_ADMIN), Start(actor=_ADMIN), NoShow(actor=_ADMIN, party=Party.CUSTOMER)),
    Status.CANCELLED: (Cancel(actor=_ADMIN),),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A booking of a business with one provider, `ana`."""

    tenant: Tenant
    booking: LiveBooking


async def placed_in(status: Status, live: Live, engine: AsyncEngine) -> Placed:
    """A quiet booking in this status; its workflow has closed if the status is final."""
    waits = status is Status.PENDING
    tenant = await make_tenant(engine, policy=PATIENT, providers={} if waits else {"ana": 4.9})
    booking = await live(tenant, provider=None if waits else "ana")
    if waits:
        await booking.until(lambda state: state.attempt == 1)
        async with engine.begin() as conn:
            await add_provider(conn, tenant, "ana")
    else:
        await booking.until_status(Status.ASSIGNED)
    for command in _WAY[status]:
        await booking.give(command)
    if is_terminal(status):
        await booking.until_closed()
    return Placed(tenant, booking)
