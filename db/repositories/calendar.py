"""The calendar: whose time is taken. PostgreSQL refuses overlaps and seats that are not there, never code."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, row_or_none
from domain.assignment import Candidate
from domain.search import BookingRules
from runtime.ids import new_id


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment that needs somebody's time."""

    starts_at: datetime
    terms: BookingRules

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.terms.duration_minutes)

    def taken_from(self) -> datetime:
        return self.starts_at - timedelta(minutes=self.terms.buffer_before_minutes)

    def taken_until(self) -> datetime:
        return self.ends_at + timedelta(minutes=self.terms.buffer_after_minutes)

    def reservation(self, provider_id: UUID | None) -> dict[str, Any]:
        """The parameters of `TAKE_TIME`, but for who takes it and until when."""
        reservation_id, group = new_id(), self.terms.capacity > 1
        return {
            "reservation_id": reservation_id,
            "provider_id": provider_id,
            "taken_from": self.taken_from(),
            "taken_until": self.taken_until(),
            "session_id": self._session_with(provider_id) if group and provider_id else reservation_id,
            "session_service_id": self.terms.service_id if group else None,
            "capacity": self.terms.capacity,
        }

    def _session_with(self, provider_id: UUID) -> UUID:
        """The id of the session that everybody shares who wants just this time of this provider."""
        return uuid5(
            self.terms.service_id,
            f"{provider_id}/{self.taken_from().timestamp()}/{self.taken_until().timestamp()}",
        )


# The seat is the lowest that nobody has; for an appointment alone it is the only one. Whoever asks for seats must
# have queued for the session (`take_turns`), or two would pick the same one. Holds that have run out are swept out
# of the way first, in one order for all: of two who had swept one each, either insert would wait for the other.
# DO NOTHING instead of an error: a bare INSERT deadlocks under contention on one provider's time.
TAKE_TIME: Final = """
expired AS (
    DELETE FROM reservations WHERE id IN (
        SELECT id FROM reservations
        WHERE provider_id = CAST(:provider_id AS uuid) AND during && tstzrange(:taken_from, :taken_until)
          AND expires_at <= statement_timestamp()
        ORDER BY id FOR UPDATE)
    RETURNING 1
), slot AS (
    INSERT INTO reservations (
        id, business_id, provider_id, booking_id, during, session_id, service_id, seat, capacity, expires_at)
    SELECT :reservation_id, :business_id, CAST(:provider_id AS uuid), CAST(:reserved_for AS uuid),
           tstzrange(:taken_from, :taken_until), :session_id, CAST(:session_service_id AS uuid), seat, :capacity,
           CAST(:reserved_until AS timestamptz)
    FROM {after}, generate_series(1, :capacity) AS seats(seat)
    WHERE CAST(:provider_id AS uuid) IS NOT NULL
      AND (SELECT count(*) FROM expired) >= 0
      AND NOT EXISTS (
          SELECT 1 FROM reservations r
          WHERE r.session_id = :session_id AND r.seat = seats.seat
            AND (r.expires_at IS NULL OR r.expires_at > statement_timestamp()))
    ORDER BY seat LIMIT 1
    ON CONFLICT DO NOTHING RETURNING 1
)"""

_RESERVE = text(f"WITH {TAKE_TIME.format(after='(SELECT 1) AS one')} SELECT 1 FROM slot")  # noqa: S608 - our own text
_RELEASE = text("DELETE FROM reservations WHERE business_id = :business_id AND booking_id = :booking_id")


async def reserve(
    conn: AsyncConnection, business_id: UUID, *, provider_id: UUID, booking_id: UUID, wanted: Appointment
) -> bool:
    """Take a provider's time for a booking that has none reserved; False when it is taken already."""
    parameters = wanted.reservation(provider_id) | {
        "business_id": business_id,
        "reserved_for": booking_id,
        "reserved_until": None,
    }
    return await row_or_none(conn, _RESERVE, parameters) is not None


async def release(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> None:
    """Give back whatever time the booking holds."""
    await execute(conn, _RELEASE, {"business_id": business_id, "booking_id": booking_id})


_TAKE_TURNS = text("""
SELECT pg_advisory_xact_lock(hashtextextended(turn, 0)) FROM unnest(CAST(:turns AS text[])) AS turn
""")


async def take_turns(conn: AsyncConnection, business_id: UUID, turns: Iterable[str]) -> None:
    """Queue, until the transaction ends, behind everybody who decides on the same things of this business."""
    ordered = sorted(f"{business_id}/{turn}" for turn in turns)  # one order for all, or two wait for each other
    if ordered:
        await execute(conn, _TAKE_TURNS, {"turns": ordered})


_NAMED = text("""
SELECT id AS provider_id, rating::float8 AS rating, auto_accept FROM providers
WHERE business_id = :business_id AND id = :provider_id AND skills @> CAST(:required_skills AS varchar[])
""")


async def find_provider(
    conn: AsyncConnection, business_id: UUID, provider_id: UUID | None, required_skills: Iterable[str]
) -> Candidate | None:
    """A provider of this business with these skills, free or not."""
    parameters = {
        "business_id": business_id,
        "provider_id": provider_id,
        "required_skills": list(required_skills),
    }
    row = await row_or_none(conn, _NAMED, parameters)
    return None if row is None else Candidate(**row)


# The moment at which the turn is taken, not at which somebody asked: who asked first may come second in the queue.
_MARK_TURN = text("""
UPDATE providers SET last_assigned_at = clock_timestamp() WHERE business_id = :business_id AND id = :provider_id
""")


async def mark_turn(conn: AsyncConnection, business_id: UUID, provider_id: UUID) -> None:
    """Remember that it was this provider's turn."""
    await execute(conn, _MARK_TURN, {"business_id": business_id, "provider_id": provider_id})
