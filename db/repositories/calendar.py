"""The calendar: who is free, and whose time is taken. PostgreSQL refuses overlaps, never a check in code."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, row_or_none, rows
from runtime.ids import new_id


@dataclass(frozen=True, slots=True)
class Wanted:
    """A stretch of somebody's time that a booking needs."""

    starts_at: datetime
    ends_at: datetime
    buffer_before_minutes: int
    buffer_after_minutes: int
    timezone: str
    """IANA zone whose wall clock the hours are kept in."""
    required_skills: list[str]

    def taken_from(self) -> datetime:
        return self.starts_at - timedelta(minutes=self.buffer_before_minutes)

    def taken_until(self) -> datetime:
        return self.ends_at + timedelta(minutes=self.buffer_after_minutes)


@dataclass(frozen=True, slots=True)
class Candidate:
    provider_id: UUID
    rating: float
    auto_accept: bool | None


# Hours are compared as minutes of the local day on which the appointment starts. A provider's own hours
# replace the business's altogether.
FREE = text("""
SELECT p.id AS provider_id, p.rating::float8 AS rating, p.auto_accept
FROM providers p
WHERE p.business_id = :business_id
  AND p.available
  AND p.skills @> CAST(:required_skills AS varchar[])
  AND (CAST(:provider_id AS uuid) IS NULL OR p.id = :provider_id)
  AND p.id <> ALL (CAST(:refused AS uuid[]))
  AND EXISTS (
      SELECT 1 FROM weekly_hours h
      WHERE h.business_id = :business_id AND h.weekday = :weekday
        AND h.opens_minute <= :opens AND h.closes_minute >= :closes
        AND h.provider_id IS NOT DISTINCT FROM (
            SELECT own.provider_id FROM weekly_hours own
            WHERE own.business_id = :business_id AND own.provider_id = p.id LIMIT 1))
  AND NOT EXISTS (
      SELECT 1 FROM reservations r
      WHERE r.provider_id = p.id
        AND r.during && tstzrange(:taken_from, :taken_until))
""")


async def list_free(
    conn: AsyncConnection,
    business_id: UUID,
    wanted: Wanted,
    *,
    provider_id: UUID | None = None,
    refused: tuple[UUID, ...] = (),
) -> list[Candidate]:
    """The providers who could take this now, in no order."""
    weekday, opens, closes = _local_minutes(wanted)
    parameters: dict[str, Any] = {
        "business_id": business_id,
        "required_skills": wanted.required_skills,
        "provider_id": provider_id,
        "refused": list(refused),
        "weekday": weekday,
        "opens": opens,
        "closes": closes,
        "taken_from": wanted.taken_from(),
        "taken_until": wanted.taken_until(),
    }
    return [Candidate(**row) for row in await rows(conn, FREE, parameters)]


_NAMED = text("""
SELECT id AS provider_id, rating::float8 AS rating, auto_accept FROM providers
WHERE business_id = :business_id AND id = :provider_id AND skills @> CAST(:required_skills AS varchar[])
""")


async def find_provider(
    conn: AsyncConnection, business_id: UUID, provider_id: UUID | None, required_skills: list[str]
) -> Candidate | None:
    """A provider of this business with these skills, free or not."""
    parameters = {
        "business_id": business_id,
        "provider_id": provider_id,
        "required_skills": required_skills,
    }
    row = await row_or_none(conn, _NAMED, parameters)
    return None if row is None else Candidate(**row)


def _local_minutes(wanted: Wanted) -> tuple[int, int, int]:
    """ISO weekday, and the first and last minute of the local day; past midnight counts on from 1440."""
    zone = ZoneInfo(wanted.timezone)
    start, end = wanted.starts_at.astimezone(zone), wanted.ends_at.astimezone(zone)
    days = (end.date() - start.date()).days
    return (
        start.isoweekday(),
        start.hour * 60 + start.minute,
        days * 1440 + end.hour * 60 + end.minute,
    )


# DO NOTHING instead of an error: a bare INSERT deadlocks under contention on one provider's time.
_RESERVE = text("""
INSERT INTO reservations (id, business_id, provider_id, booking_id, during)
VALUES (:id, :business_id, :provider_id, :booking_id, tstzrange(:taken_from, :taken_until))
ON CONFLICT DO NOTHING
RETURNING id
""")
_RELEASE = text("DELETE FROM reservations WHERE business_id = :business_id AND booking_id = :booking_id")


async def reserve(
    conn: AsyncConnection, business_id: UUID, *, provider_id: UUID, booking_id: UUID, wanted: Wanted
) -> bool:
    """Take a provider's time for a booking that has none reserved; False when it is taken already."""
    parameters = {
        "id": new_id(),
        "business_id": business_id,
        "provider_id": provider_id,
        "booking_id": booking_id,
        "taken_from": wanted.taken_from(),
        "taken_until": wanted.taken_until(),
    }
    return await row_or_none(conn, _RESERVE, parameters) is not None


async def release(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> None:
    """Give back whatever time the booking holds."""
    await execute(conn, _RELEASE, {"business_id": business_id, "booking_id": booking_id})
