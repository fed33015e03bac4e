"""Reservations of providers' time. PostgreSQL refuses overlaps and missing seats, no check in code does."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, row_or_none
from domain.slots import BookingRules
from runtime.ids import new_id


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment that needs a provider's time."""

    starts_at: datetime
    rules: BookingRules

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.rules.duration_minutes)

    def taken_from(self) -> datetime:
        return self.starts_at - timedelta(minutes=self.rules.buffer_before_minutes)

    def taken_until(self) -> datetime:
        return self.ends_at + timedelta(minutes=self.rules.buffer_after_minutes)

    def reservation(self, provider_id: UUID | None) -> dict[str, Any]:
        """The parameters of `TAKE_TIME`, except for `business_id`, `reserved_for` and `reserved_until`."""
        reservation_id, group = new_id(), self.rules.capacity > 1
        return {
            "reservation_id": reservation_id,
            "provider_id": provider_id,
            "taken_from": self.taken_from(),
            "taken_until": self.taken_until(),
            "session_id": self._session_with(provider_id) if group and provider_id else reservation_id,
            "session_service_id": self.rules.service_id if group else None,
            "capacity": self.rules.capacity,
        }

    def _session_with(self, provider_id: UUID) -> UUID:
        """The id of the group session: the same for every appointment at exactly this time with this provider."""
        return uuid5(
            self.rules.service_id,
            f"{provider_id}/{self.taken_from().timestamp()}/{self.taken_until().timestamp()}",
        )


# Takes the lowest free seat; an appointment without a group has one seat. A caller that takes a seat must hold the
# session's lock (`locks.lock`), or two would pick the same seat. Expired holds are deleted first, all in the same
# order: two transactions that had deleted one each would wait for each other's insert.
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
    conn: AsyncConnection, business_id: UUID, *, provider_id: UUID, booking_id: UUID, appointment: Appointment
) -> bool:
    """Reserve a provider's time for a booking that has no reservation; False when the time is taken."""
    parameters = appointment.reservation(provider_id) | {
        "business_id": business_id,
        "reserved_for": booking_id,
        "reserved_until": None,
    }
    return await row_or_none(conn, _RESERVE, parameters) is not None


async def release(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> None:
    """Delete the booking's reservation, if it has one."""
    await execute(conn, _RELEASE, {"business_id": business_id, "booking_id": booking_id})
