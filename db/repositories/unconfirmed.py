"""Commands whose step is committed, and of which nobody has heard yet that their workflow knows the step.

A command's step is committed before the workflow task that makes its update durable. If Temporal dies in between,
the step is stored and the workflow does not know it. So each such step leaves a row here, in its own transaction.
Whoever hears Temporal's answer removes the row. What is left is told to the workflow.

The look-ups serve all tenants, and each id comes with its tenant.
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
    is_open: bool
    """Whether the booking goes on."""


CONFIRM = """
DELETE FROM unconfirmed_commands
WHERE booking_id = :booking_id AND sequence <= CAST(:confirmed_version AS integer)
"""
"""Part of a statement: the workflow knows the booking at this version; none: it is not known what it knows."""

_CONFIRM = text(CONFIRM)

_LIST = text("""
SELECT u.booking_id, u.business_id, max(u.sequence) AS version,
       b.status NOT IN ('completed', 'cancelled') AS is_open
FROM unconfirmed_commands u JOIN bookings b ON b.id = u.booking_id
WHERE u.recorded_at < clock_timestamp() - CAST(:age AS interval)
GROUP BY u.booking_id, u.business_id, b.status
ORDER BY min(u.recorded_at) LIMIT :limit
""")


async def confirm(conn: AsyncConnection, booking_id: UUID, version: int) -> None:
    """Note that the booking's workflow knows it at this version, and so every step before."""
    await execute(conn, _CONFIRM, {"booking_id": booking_id, "confirmed_version": version})


async def list_unconfirmed(conn: AsyncConnection, *, age: timedelta, limit: int) -> Sequence[Unconfirmed]:
    """Bookings with a step older than `age` that nobody has confirmed, the longest waiting first."""
    return [
        Unconfirmed(
            BookingRef(booking_id=found["booking_id"], business_id=found["business_id"]),
            found["version"],
            found["is_open"],
        )
        for found in await rows(conn, _LIST, {"age": age, "limit": limit})
    ]
