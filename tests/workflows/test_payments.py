"""A booking that needs a payment: it waits, goes on when paid, and ends otherwise."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain import names
from domain.commands import Accept, Assign
from domain.lifecycle import Status
from domain.payments import PaymentGate
from domain.policies import Policy
from tests.support.factories import Tenant, make_tenant
from tests.support.workflows.live import ADMIN, Live, LiveBooking

UNPAID = PaymentGate.AWAITING


@pytest.fixture
async def unpaid(live: Live, tenant: Tenant) -> LiveBooking:
    """A booking whose customer was asked to pay."""
    booking = await live(tenant, payment=UNPAID)
    await booking.until(lambda state: state.version == 2)
    return booking


async def kinds(booking: LiveBooking) -> list[str]:
    return [row["kind"] for row in await booking.history()]


async def test_nobody_is_offered_it_before_and_somebody_at_once_behind_the_payment(unpaid: LiveBooking) -> None:
    assert (await unpaid.until_quiet()).status is Status.PENDING
    [received] = await unpaid.until_messages("received", 1)
    assert received["audience"] == "customer"
    await unpaid.handle.signal(names.PAYMENT_AUTHORIZED)
    offered = await unpaid.until_status(Status.ASSIGNED)
    assert offered.payment is PaymentGate.AUTHORIZED
    assert await kinds(unpaid) == ["created", "payment_asked", "paid", "transition"]
    assert [event["type"].rpartition(".")[2] for event in await unpaid.events()] == [
        "created",
        "payment_asked",
        "paid",
        "assigned",
    ]


async def test_a_payment_that_is_told_of_again_changes_nothing(unpaid: LiveBooking) -> None:
    for _ in range(3):
        await unpaid.handle.signal(names.PAYMENT_AUTHORIZED)
    await unpaid.until_status(Status.ASSIGNED)
    await unpaid.handle.signal(names.PAYMENT_AUTHORIZED)
    await unpaid.give(Accept(actor=ADMIN))
    await unpaid.until_quiet()
    assert (await kinds(unpaid)).count("paid") == 1


async def test_what_is_not_paid_in_time_is_cancelled_and_its_time_is_free(live: Live, engine: AsyncEngine) -> None:
    tenant = await make_tenant(engine, policy=Policy(payment_minutes=20, reminder_minutes=()))
    booking = await live(tenant, payment=UNPAID)
    waiting = await booking.until(lambda state: state.version == 2)
    expires_at = waiting.planned_from + timedelta(minutes=20)
    await booking.skip_to(expires_at)
    await booking.until_status(Status.CANCELLED)
    assert (await booking.steps())[-1] == ("cancelled", "payment_expired")
    [until] = await booking.timers_until("payment_expires")
    assert abs(until - expires_at) <= timedelta(seconds=1)
    assert await booking.reservation() is None


async def test_the_desk_may_go_ahead_without_the_payment_which_is_noted_when_it_comes(
    unpaid: LiveBooking, tenant: Tenant
) -> None:
    await unpaid.give(Assign(actor=ADMIN, provider_id=tenant.providers["ben"]))
    accepted = await unpaid.give(Accept(actor=ADMIN))
    assert accepted.payment is UNPAID
    await unpaid.handle.signal(names.PAYMENT_AUTHORIZED)
    paid = await unpaid.until(lambda state: state.payment is PaymentGate.AUTHORIZED)
    assert (paid.status, paid.version) == (Status.ACCEPTED, accepted.version + 1)
