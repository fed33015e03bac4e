"""Offers: how long a provider has to answer, and who accepts automatically."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.lifecycle import Status
from domain.policies import Intake, Policy
from tests.support.factories import add_provider, make_tenant
from tests.support.workflows.live import Live


async def test_an_offer_that_nobody_answers_expires_and_the_next_provider_is_asked(
    live: Live, engine: AsyncEngine
) -> None:
    tenant = await make_tenant(engine, policy=Policy(offer_timeout_minutes=15))
    booking = await live(tenant, provider="ana")
    await booking.until_status(Status.ASSIGNED)
    await booking.skip(timedelta(minutes=15))
    expired = await booking.until_status(Status.REJECTED)
    assert (await booking.steps())[-1] == ("rejected", "offer_expired")
    assert await booking.timers("offer_expires") == [pytest.approx(15 * 60, abs=0.5)]
    assert expired.refused_provider_ids == (tenant.providers["ana"],)
    assert await booking.reservation() is None

    await booking.skip(timedelta(seconds=2))
    offered = await booking.until_status(Status.ASSIGNED)
    assert (offered.provider_id, offered.attempt) == (tenant.providers["ben"], 2)
    assert await booking.reservation() == (tenant.providers["ben"], offered.starts_at)


async def test_a_business_may_accept_for_its_providers(live: Live, engine: AsyncEngine) -> None:
    tenant = await make_tenant(engine, policy=Policy(auto_accept=True))
    booking = await live(tenant, provider="ana")
    state = await booking.until_status(Status.ACCEPTED)
    assert await booking.steps() == [("pending", None), ("assigned", None), ("accepted", "auto_accepted")]
    assert state.accepted_once


@pytest.mark.parametrize(
    ("business", "provider", "status"),
    [(False, True, Status.ACCEPTED), (True, False, Status.ASSIGNED)],
    ids=["who accepts everything", "who wants to be asked"],
)
async def test_a_provider_s_own_setting_goes_before_the_business_s(
    live: Live, engine: AsyncEngine, *, business: bool, provider: bool, status: Status
) -> None:
    policy = Policy(intake=Intake.DISPATCH, auto_accept=business)
    tenant = await make_tenant(engine, policy=policy, providers={})
    async with engine.begin() as conn:
        dee = await add_provider(conn, tenant, "dee", auto_accept=provider)
    booking = await live(tenant, provider=None)
    await booking.until(lambda state: state.version > 1)
    state = await booking.until_quiet()
    assert (state.status, state.provider_id) == (status, dee)
