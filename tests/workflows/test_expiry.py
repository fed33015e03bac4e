"""An unaccepted booking expires, and an unfinished one is flagged."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.commands import Accept, Override
from domain.lifecycle import Status
from domain.policies import Backoff, Intake, Policy
from tests.support.factories import make_tenant
from tests.support.workflows.live import ADMIN, Live

_LONG = 30 * 24 * 60
_ONE_TRY = Backoff(attempts=1)


async def test_a_booking_for_which_nobody_was_found_expires_at_its_start(live: Live, engine: AsyncEngine) -> None:
    policy = Policy(intake=Intake.DISPATCH, backoff=_ONE_TRY, reminder_minutes=())
    tenant = await make_tenant(engine, policy=policy, providers={})
    booking = await live(tenant, provider=None)
    waiting = await booking.until(lambda state: state.needs_attention)
    await booking.skip_to(waiting.starts_at)
    await booking.until_status(Status.CANCELLED)
    assert (await booking.steps())[-1] == ("cancelled", "expired")
    assert await booking.timers_until("booking_expires") == [waiting.starts_at]


async def test_an_offer_still_open_expires_with_the_booking_as_early_as_the_business_says(
    live: Live, engine: AsyncEngine
) -> None:
    policy = Policy(expires_minutes_before=120, offer_timeout_minutes=_LONG, reminder_minutes=())
    tenant = await make_tenant(engine, policy=policy)
    booking = await live(tenant)
    offered = await booking.until_status(Status.ASSIGNED)
    expires_at = offered.starts_at - timedelta(hours=2)
    await booking.skip_to(expires_at)
    await booking.until_status(Status.CANCELLED)
    assert (await booking.steps())[-1] == ("cancelled", "expired")
    assert await booking.timers_until("booking_expires") == [expires_at]
    assert await booking.reservation() is None


async def test_a_booking_that_somebody_accepted_never_expires_again(live: Live, engine: AsyncEngine) -> None:
    policy = Policy(backoff=_ONE_TRY, reminder_minutes=())
    tenant = await make_tenant(engine, policy=policy, providers={"ana": 4.9})
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Accept(actor=ADMIN))
    await booking.give(Override(actor=ADMIN, status=Status.REJECTED))
    waiting = await booking.until(lambda state: state.needs_attention)
    await booking.skip_to(waiting.ends_at + timedelta(days=2))
    assert await booking.until_quiet() == waiting
    assert await booking.timers("booking_expires") == []


async def test_an_appointment_that_nobody_finished_is_flagged_and_can_still_be_finished(
    live: Live, engine: AsyncEngine
) -> None:
    tenant = await make_tenant(engine, policy=Policy(overdue_minutes=90, reminder_minutes=()))
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    accepted = await booking.give(Accept(actor=ADMIN))
    await booking.skip_to(accepted.ends_at + timedelta(minutes=90))
    flagged = await booking.until(lambda state: state.needs_attention)
    assert flagged.status is Status.ACCEPTED
    assert (await booking.steps())[-1] == ("accepted", "overdue")
    assert await booking.timers_until("overdue") == [accepted.ends_at + timedelta(minutes=90)]
    finished = await booking.give(Override(actor=ADMIN, status=Status.COMPLETED))
    assert (finished.status, finished.needs_attention) == (Status.COMPLETED, False)
