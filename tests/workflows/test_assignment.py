"""Assignment: which provider is asked, when, and what happens when none is left."""

from datetime import timedelta
from itertools import pairwise

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.commands import Accept, Assign, NoShow, Reject, Start
from domain.lifecycle import Party, Status
from domain.policies import Backoff, Intake, Policy
from tests.support.factories import Tenant, add_provider, make_tenant
from tests.support.workflows.live import ADMIN, Live, LiveBooking


async def test_first_attempt_is_immediate_and_asks_the_provider_whose_time_is_held(
    live: Live, tenant: Tenant
) -> None:
    booking = await live(tenant, provider="ben")
    state = await booking.until_status(Status.ASSIGNED)
    assert state.provider_id == tenant.providers["ben"]
    assert state.attempt == 1


async def test_backoff_waits_exactly_2_4_and_8_seconds_then_flags(live: Live, engine: AsyncEngine) -> None:
    tenant = await make_tenant(engine, policy=Policy(intake=Intake.DISPATCH), providers={})
    booking = await live(tenant, provider=None)
    await booking.skip(timedelta(seconds=2 + 4 + 8))
    state = await booking.until(lambda state: state.needs_attention)
    assert (state.status, state.attempt) == (Status.PENDING, 4)
    # A timer is set a little after the attempt it counts from, on a busy machine up to a second
    timers = await booking.timers("next_attempt")
    assert all(planned / 2 < timer <= planned for timer, planned in zip(timers, (2, 4, 8), strict=True))
    attempts = [row["occurred_at"] for row in await booking.history() if row["kind"] == "attempt_failed"]
    waits = [(later - earlier).total_seconds() for earlier, later in pairwise(attempts)]
    assert all(waited >= planned for waited, planned in zip(waits, (2, 4, 8), strict=True))


async def test_refused_providers_are_not_asked_again(live: Live, engine: AsyncEngine) -> None:
    tenant = await make_tenant(engine, providers={"ana": 4.9, "ben": 4.7, "cho": 4.5})
    booking = await live(tenant)
    offered_to = []
    for wait in (2, 4, None):
        state = await booking.until_status(Status.ASSIGNED)
        offered_to.append(tenant.name_of(state.provider_id))
        after = await booking.give(Reject(actor=ADMIN))
        assert after.status is Status.REJECTED
        if wait is not None:
            await booking.skip(timedelta(seconds=wait))
    assert offered_to == ["ana", "ben", "cho"]
    await booking.skip(timedelta(seconds=8))
    state = await booking.until(lambda state: state.needs_attention)
    assert set(state.refused_provider_ids) == set(tenant.providers.values())


async def test_attempts_and_waits_are_the_business_s_settings(live: Live, engine: AsyncEngine) -> None:
    policy = Policy(intake=Intake.DISPATCH, backoff=Backoff(base_seconds=60, factor=3, attempts=3))
    tenant = await make_tenant(engine, policy=policy, providers={})
    booking = await live(tenant, provider=None)
    await booking.until(lambda state: state.attempt == 1)
    await booking.skip(timedelta(seconds=60 + 180))
    state = await booking.until(lambda state: state.needs_attention)
    assert state.attempt == 3


async def test_an_admin_s_assignment_ends_the_wait_and_begins_a_new_round(live: Live, engine: AsyncEngine) -> None:
    policy = Policy(intake=Intake.DISPATCH, backoff=Backoff(attempts=1))
    tenant = await make_tenant(engine, policy=policy, providers={})
    booking = await live(tenant, provider=None)
    await booking.until(lambda state: state.needs_attention)
    async with engine.begin() as conn:
        provider_id = await add_provider(conn, tenant, "dee")
    state = await booking.give(Assign(actor=ADMIN, provider_id=provider_id))
    assert (state.status, state.attempt, state.needs_attention) == (Status.ASSIGNED, 1, False)


async def test_a_provider_s_no_show_looks_for_another(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await _to_in_progress(booking)
    state = await booking.give(NoShow(actor=ADMIN, party=Party.PROVIDER))
    assert state.status is Status.NO_SHOW
    assert state.absent_party is Party.PROVIDER
    await booking.skip(timedelta(seconds=2))
    state = await booking.until_status(Status.ASSIGNED)
    assert state.provider_id == tenant.providers["ben"]


async def test_a_customer_s_no_show_ends_the_booking(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await _to_in_progress(booking)
    await booking.give(NoShow(actor=ADMIN, party=Party.CUSTOMER))
    await booking.until_status(Status.CANCELLED)
    steps = [(row["new_status"], row["reason"]) for row in await booking.history()]
    assert steps[-2:] == [("no_show", None), ("cancelled", "customer_no_show")]


async def _to_in_progress(booking: LiveBooking) -> None:
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Accept(actor=ADMIN))
    await booking.give(Start(actor=ADMIN))
