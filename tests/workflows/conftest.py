"""Bookings with their workflows, whose clocks the test moves."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import TimeSkipper

from tests.support.factories import Tenant
from tests.support.replayer import replay
from tests.support.workflows.live import Live, LiveBooking


@pytest.fixture
async def live(engine: AsyncEngine, skipper: TimeSkipper, worker: None) -> AsyncIterator[Live]:
    """Makes bookings with their workflows.

    After the test each history is replayed, as by a worker that takes the booking over; what is open is ended.
    """
    made: list[LiveBooking] = []

    async def make(tenant: Tenant, **particulars: Any) -> LiveBooking:
        booking = await LiveBooking.begin(engine, skipper, tenant, **particulars)
        made.append(booking)
        return booking

    yield make
    await asyncio.gather(*(_end(booking) for booking in made))


async def _end(booking: LiveBooking) -> None:
    await replay(await booking.handle.fetch_history())
    description = await booking.handle.describe()
    if description.close_time is None:
        await booking.handle.cancel()
