"""Events written by the thousand, for tests of those who read them."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.events import add_events, place_all
from tests.support.factories import Tenant

_LAST = text("SELECT last FROM event_positions WHERE business_id = :business_id")


async def write_events(engine: AsyncEngine, tenant: Tenant, count: int, *, about: UUID) -> int:
    """Write so many events about a booking and place them in the log; the last position."""
    async with engine.begin() as conn:
        await add_events(conn, tenant.business_id, "scheduling.booking.accepted", count, booking_id=about)
    await place_all(engine)
    async with engine.connect() as conn:
        return int((await conn.execute(_LAST, {"business_id": tenant.business_id})).scalar_one())
