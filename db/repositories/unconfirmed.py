"""Commands whose step is committed while nobody has confirmed yet that the booking's workflow knows it.

A command's step is committed before the workflow task that makes its update durable. If Temporal dies in between,
the step is stored and the workflow does not know it. So each such step adds a row here, in its own transaction.
Whoever gets Temporal's answer removes it, and the worker tells the workflow of what is left.

Listing serves all tenants, and each id comes with its tenant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, rows
from domain.steps import BookingRef


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A booking with steps that its workflow may not know."""

    ref: BookingRef
    version: int
    """Of the last such step."""


CONFIRM = """
DELETE FROM unconfirmed_commands
WHERE business_id = :business_id AND booking_id = :booking_id AND sequence <= CAST(:confirmed_version AS integer)
"""
"""Part of a statement: the workflow knows the booking at this version; none confirms nothing."""

_CONFIRM = text(CONFIRM)

_LIST = text("""
SELECT booking_id, business_id, max(sequence) AS version
FROM unconfirmed_commands
WHERE recorded_at < clock_timestamp() - CAST(:age AS interval)
GROUP BY booking_id, business_id
ORDER BY min(recorded_at) LIMIT :limit
""")


async def confirm(conn: AsyncConnection, business_id: UUID, booking_id: UUID, version: int) -> None:
    """Note that the booking's workflow knows it at this version, and so every step before."""
    parameters = {"business_id": business_id, "booking_id": booking_id, "confirmed_version": version}
    await execute(conn, _CONFIRM, parameters)


async def list_unconfirmed(conn: AsyncConnection, *, age: timedelta, limit: int) -> Sequence[Unconfirmed]:
    """Bookings with a step older than `age` that nobody has confirmed, the longest waiting first."""
    return [
        Unconfirmed(BookingRef(booking_id=found["booking_id"], business_id=found["business_id"]), found["version"])
        for found in await rows(conn, _LIST, {"age": age, "limit": limit})
    ]
