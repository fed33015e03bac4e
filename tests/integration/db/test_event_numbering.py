"""How often a worker numbers events: often while they come, seldom while they do not."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.events import add_event, place_all
from tests.support.factories import Tenant
from worker.event_log import EventNumbering


async def test_after_an_event_more_are_expected_for_a_while(engine: AsyncEngine, tenant: Tenant) -> None:
    await place_all(engine)
    numbering = EventNumbering(engine)
    assert not await numbering.run_round()
    async with asyncio.timeout(10):
        while not numbering._awake_until:  # another worker of the run may be faster
            async with engine.begin() as conn:
                await add_event(
                    conn, tenant.business_id, "scheduling.booking.accepted", booking_id=tenant.service_id
                )
            expected = await numbering.run_round()
    assert expected
    assert await numbering.run_round(), "nothing was new, but it may be soon"
