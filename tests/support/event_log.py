"""Events written by the thousand, for tests of those who read them."""

import asyncio
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.repositories import events
from tests.support.factories import Tenant

_ADD = text("""
INSERT INTO events (id, business_id, type, source, subject, time, actor, data, schema_version)
SELECT gen_random_uuid(), :business_id, 'scheduling.booking.accepted', '/holdfast/scheduling',
       CAST(:booking AS text), now(), '{"role": "system"}',
       jsonb_build_object('bookingId', CAST(:booking AS text)), '1'
FROM generate_series(1, :count)
""")
_LAST = text("SELECT last FROM event_positions WHERE business_id = :business_id")
_LEFT = text("SELECT EXISTS (SELECT 1 FROM events WHERE position IS NULL)")


async def write_events(engine: AsyncEngine, tenant: Tenant, count: int, *, about: UUID) -> int:
    """Write so many events about a booking and place them in the log; the last position."""
    parameters = {"business_id": tenant.business_id, "booking": str(about), "count": count}
    async with engine.begin() as conn:
        await conn.execute(_ADD, parameters)
    async with asyncio.timeout(20), autocommit(engine) as conn:
        while (await conn.execute(_LEFT)).scalar_one():
            if await events.number_new(conn) == 0:
                await asyncio.sleep(0.01)
        return int((await conn.execute(_LAST, {"business_id": tenant.business_id})).scalar_one())
