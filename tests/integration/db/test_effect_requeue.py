"""Expired effects without a result are handed over again; waiting ones are not."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.repositories import effect_handover, effect_planning
from domain.effects import EffectKind, Planned, Port, Vendor
from tests.support.factories import Tenant

AGE = timedelta(seconds=30)


@pytest.mark.parametrize(
    ("state", "heard", "comes_back"),
    [
        ("pending", "handed_at = now() - interval '31 s'", True),
        ("pending", "handed_at = now() - interval '20 s'", False),
        ("running", "handed_at = now() - interval '2 h', lease_until = now() - interval '31 s'", True),
        ("running", "handed_at = now() - interval '2 h', lease_until = now() - interval '20 s'", False),
        ("running", "handed_at = now() - interval '2 h', lease_until = now() + interval '20 s'", False),
        ("running", "handed_at = now() - interval '2 h', last_attempt_at = now() - interval '91 s'", True),
        ("running", "handed_at = now() - interval '2 h', last_attempt_at = now() - interval '80 s'", False),
        ("retrying", "handed_at = now() - interval '9 h', next_attempt_at = now() + interval '30 h'", False),
        ("retrying", "handed_at = now() - interval '9 h', next_attempt_at = now() - interval '31 s'", True),
        ("done", "handed_at = now() - interval '9 h'", False),
    ],
)
async def test_what_is_lost_is_taken_back(
    engine: AsyncEngine, tenant: Tenant, state: str, heard: str, comes_back: bool
) -> None:
    planned = Planned(kind=EffectKind.CREATE_JOB, port=Port.JOBS, key="x")
    async with engine.connect() as conn:  # rolled back: the relay never sees it
        found = await effect_planning.plan_with(
            conn, tenant.business_id, None, planned, vendor=Vendor.SERVICETITAN, target_id=None
        )
        await conn.execute(text(f"UPDATE effects SET state = '{state}', {heard} WHERE id = '{found}'"))
        await effect_handover.requeue_expired(conn, age=AGE)
        query = text(f"SELECT handed_at IS NULL AND state = 'pending' FROM effects WHERE id = '{found}'")
        assert (await conn.execute(query)).scalar_one() is comes_back
        await conn.rollback()
