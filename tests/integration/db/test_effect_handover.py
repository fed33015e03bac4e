"""Which effects are handed over next: fairly, up to the limit, and each sequence in order."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.models import Effect
from db.repositories import effect_attempts, effect_handover, effect_planning
from domain.effects import DueEffect, EffectKind, Planned, Port, SequenceKey, Vendor
from tests.support.factories import Tenant, make_booking, make_tenant


@pytest.fixture
async def conn(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that is rolled back: no worker sees what is planned in it."""
    async with engine.connect() as conn:
        await conn.begin()
        yield conn
        await conn.rollback()


async def _plan(conn: AsyncConnection, tenant: Tenant, count: int, vendor: Vendor = Vendor.GA4) -> None:
    for number in range(count):
        one = Planned(kind=EffectKind.REPORT_CONVERSION, port=Port.ANALYTICS, key=f"{vendor}/{number}")
        await effect_planning.plan_with(conn, tenant.business_id, None, one, vendor=vendor, target_id=None)


async def _next(conn: AsyncConnection, *tenants: Tenant, limit: int = 1000) -> list[DueEffect]:
    """Those of these tenants: others' may be due as well."""
    ids = {tenant.business_id for tenant in tenants}
    return [one for one in await effect_handover.list_to_hand_over(conn, limit=limit) if one.business_id in ids]


async def test_a_business_with_much_due_stands_in_front_of_nobody(
    conn: AsyncConnection, engine: AsyncEngine
) -> None:
    busy, other = await make_tenant(engine), await make_tenant(engine)
    await _plan(conn, busy, 60)
    await _plan(conn, other, 2)
    order = [one.business_id for one in await _next(conn, busy, other)]
    assert other.business_id in order[:2]
    assert Counter(order) == {busy.business_id: effect_attempts.AT_ONCE, other.business_id: 2}


async def test_what_is_under_way_with_a_vendor_takes_its_room_and_no_other_vendor_s(
    conn: AsyncConnection, tenant: Tenant
) -> None:
    await _plan(conn, tenant, effect_attempts.AT_ONCE)
    await effect_handover.mark_handed(conn, [one.ref for one in await _next(conn, tenant)])
    await _plan(conn, tenant, 30, Vendor.META)
    assert Counter(one.vendor for one in await _next(conn, tenant)) == {Vendor.META: effect_attempts.AT_ONCE}
    ended = update(Effect).where(Effect.business_id == tenant.business_id, Effect.vendor == Vendor.GA4)
    await conn.execute(ended.values(state="done"))
    await _plan(conn, tenant, 30)
    found = Counter(one.vendor for one in await _next(conn, tenant))
    assert found == {Vendor.META: effect_attempts.AT_ONCE, Vendor.GA4: 30 - effect_attempts.AT_ONCE}


async def test_the_next_of_a_sequence_waits_for_the_one_before_it_to_end(
    conn: AsyncConnection, engine: AsyncEngine, tenant: Tenant
) -> None:
    booking = (await make_booking(engine, tenant)).booking_id
    for kind in (EffectKind.CREATE_JOB, EffectKind.UPDATE_JOB, EffectKind.CANCEL_JOB):
        one = Planned(kind=kind, port=Port.JOBS, key=kind, sequence_key=SequenceKey.JOB)
        vendor = Vendor.SERVICETITAN
        await effect_planning.plan_with(conn, tenant.business_id, booking, one, vendor=vendor, target_id=None)
    for kind, state in ((EffectKind.CREATE_JOB, "done"), (EffectKind.UPDATE_JOB, "failed")):
        assert [one.kind for one in await _next(conn, tenant)] == [kind]
        this = update(Effect).where(Effect.business_id == tenant.business_id, Effect.kind == kind)
        await conn.execute(this.values(state="retrying"))
        assert await _next(conn, tenant) == []
        await conn.execute(this.values(state=state))
    assert [one.kind for one in await _next(conn, tenant)] == [EffectKind.CANCEL_JOB]


async def test_what_this_version_does_not_know_is_left_alone(conn: AsyncConnection, tenant: Tenant) -> None:
    await _plan(conn, tenant, 2)
    first = (await _next(conn, tenant))[0]
    await conn.execute(update(Effect).where(Effect.id == first.effect_id).values(kind="of_tomorrow"))
    assert len(await _next(conn, tenant)) == 1
