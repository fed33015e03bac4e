"""Invariants of the database that must hold after any crash."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_GAPS = text("""
SELECT b.id FROM bookings b JOIN booking_history h ON h.booking_id = b.id
WHERE b.id = ANY(CAST(:ids AS uuid[]))
GROUP BY b.id, b.version
HAVING count(*) <> b.version OR min(h.sequence) <> 1 OR max(h.sequence) <> b.version
""")
_EVENTS = text("""
SELECT b.id FROM bookings b
LEFT JOIN events e ON e.subject = b.id::text AND e.type <> 'scheduling.booking.reminder.due'
WHERE b.id = ANY(CAST(:ids AS uuid[]))
GROUP BY b.id, b.version HAVING count(e.id) <> b.version
""")
_STEPS = text("""
SELECT booking_id, old_status, new_status FROM booking_history
WHERE booking_id = ANY(CAST(:ids AS uuid[])) AND kind = 'transition'
""")
_OVERLAPS = text("""
SELECT count(*) FROM reservations a JOIN reservations b
ON a.provider_id = b.provider_id AND a.id < b.id AND a.during && b.during
""")
_HELD = text("""
SELECT b.id FROM bookings b LEFT JOIN reservations r ON r.booking_id = b.id
WHERE b.id = ANY(CAST(:ids AS uuid[]))
  AND (r.id IS NOT NULL) <> (b.status IN ('pending', 'assigned', 'accepted', 'in_progress', 'completed'))
""")

# Repeated here to find mistakes in the product's table.
LEGAL_TRANSITIONS = {
    ("pending", "assigned"),
    ("pending", "cancelled"),
    ("assigned", "accepted"),
    ("assigned", "rejected"),
    ("assigned", "cancelled"),
    ("accepted", "in_progress"),
    ("accepted", "cancelled"),
    ("in_progress", "completed"),
    ("in_progress", "no_show"),
    ("in_progress", "cancelled"),
    ("rejected", "assigned"),
    ("rejected", "cancelled"),
    ("no_show", "assigned"),
    ("no_show", "cancelled"),
}


async def assert_consistent(engine: AsyncEngine, booking_ids: Sequence[str]) -> None:
    """Check: gapless and legal histories, one event per step, no overlaps, time held exactly when it should be."""
    parameters: dict[str, Any] = {"ids": list(booking_ids)}
    async with engine.connect() as conn:
        assert not (await conn.execute(_GAPS, parameters)).all()
        assert not (await conn.execute(_EVENTS, parameters)).all()
        steps = {(row.old_status, row.new_status) for row in await conn.execute(_STEPS, parameters)}
        assert steps <= LEGAL_TRANSITIONS
        assert (await conn.execute(_OVERLAPS)).scalar_one() == 0
        assert not (await conn.execute(_HELD, parameters)).all()
