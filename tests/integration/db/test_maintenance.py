"""Recovery finds lost starts by PostgreSQL's clock, whatever clock wrote the booking."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.repositories import maintenance
from tests.support.factories import Tenant, make_booking

_GRACE = timedelta(seconds=5)
_WRITTEN = text("UPDATE bookings SET created_at = clock_timestamp() + CAST(:later AS interval) WHERE id = :id")


@pytest.mark.parametrize(
    ("later", "is_found"),
    [
        (timedelta(seconds=-6), True),
        (timedelta(seconds=-1), False),
        (timedelta(hours=1), True),
        (timedelta(hours=-1), True),
    ],
    ids=["old enough", "just written", "an API's clock is ahead", "an API's clock is behind"],
)
async def test_a_booking_without_its_workflow_is_found(
    engine: AsyncEngine, tenant: Tenant, later: timedelta, is_found: bool
) -> None:
    state = await make_booking(engine, tenant)
    async with engine.connect() as conn, conn.begin() as written:
        await conn.execute(_WRITTEN, {"later": later, "id": state.booking_id})
        before = state.booking_id.int - 1
        found = await maintenance.list_unstarted(
            conn, grace=_GRACE, after=type(state.booking_id)(int=before), limit=1
        )
        await written.rollback()
    assert (state.booking_id in {ref.booking_id for ref in found}) is is_found
