"""Time off, in which nothing new is booked. `provider_id` None means the business as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, row, row_or_none, rows

_ADD = text("""
INSERT INTO time_off (id, business_id, provider_id, kind, starts_at, ends_at, note)
VALUES (:id, :business_id, :provider_id, :kind, :starts_at, :ends_at, :note)
RETURNING id, kind, starts_at, ends_at, note, created_at
""")
_LIST = text("""
SELECT id, kind, starts_at, ends_at, note, created_at FROM time_off
WHERE business_id = :business_id AND provider_id IS NOT DISTINCT FROM CAST(:provider_id AS uuid)
  AND ends_at > :from_ AND (CAST(:until AS timestamptz) IS NULL OR starts_at < :until)
  AND (CAST(:after_at AS timestamptz) IS NULL OR (starts_at, id) > (:after_at, CAST(:after_id AS uuid)))
ORDER BY starts_at, id LIMIT :limit
""")
_REMOVE = text("""
DELETE FROM time_off
WHERE business_id = :business_id AND provider_id IS NOT DISTINCT FROM CAST(:provider_id AS uuid) AND id = :id
RETURNING 1
""")
# No service takes more than a week, so the query reads one range of an index.
_CONFLICTS = text("""
SELECT count(*) AS conflicts FROM bookings
WHERE business_id = :business_id AND (CAST(:provider_id AS uuid) IS NULL OR provider_id = :provider_id)
  AND status NOT IN ('completed', 'cancelled') AND starts_at < :ends_at AND ends_at > :starts_at
  AND starts_at > CAST(:starts_at AS timestamptz) - interval '7 days'
""")


async def add(
    conn: AsyncConnection,
    business_id: UUID,
    provider_id: UUID | None,
    *,
    id_: UUID,
    kind: str,
    starts_at: datetime,
    ends_at: datetime,
    note: str,
) -> Row:
    """A new time off, as stored."""
    parameters = {
        "id": id_,
        "business_id": business_id,
        "provider_id": provider_id,
        "kind": kind,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "note": note,
    }
    return await row(conn, _ADD, parameters)


@dataclass(frozen=True, slots=True)
class Window:
    """A page of what overlaps `from_` to `until` (none: no end), after the row with this start and id."""

    from_: datetime
    until: datetime | None
    limit: int
    after: tuple[datetime, UUID] | None = None


async def list_page(
    conn: AsyncConnection, business_id: UUID, provider_id: UUID | None, window: Window
) -> Sequence[Row]:
    """The time off of the provider, or of the whole business, by start."""
    after_at, after_id = window.after or (None, None)
    parameters = {
        "business_id": business_id,
        "provider_id": provider_id,
        "from_": window.from_,
        "until": window.until,
        "after_at": after_at,
        "after_id": after_id,
        "limit": window.limit,
    }
    return await rows(conn, _LIST, parameters)


async def remove(conn: AsyncConnection, business_id: UUID, provider_id: UUID | None, time_off_id: UUID) -> bool:
    """Delete the time off with this id; whether there was one."""
    parameters = {"business_id": business_id, "provider_id": provider_id, "id": time_off_id}
    return await row_or_none(conn, _REMOVE, parameters) is not None


async def count_conflicts(
    conn: AsyncConnection, business_id: UUID, provider_id: UUID | None, starts_at: datetime, ends_at: datetime
) -> int:
    """The number of open bookings in this time, of the provider or the whole business."""
    parameters = {
        "business_id": business_id,
        "provider_id": provider_id,
        "starts_at": starts_at,
        "ends_at": ends_at,
    }
    return int((await row(conn, _CONFLICTS, parameters))["conflicts"])
