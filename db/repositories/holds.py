"""Holds: one provider's time, reserved for one caller for some minutes. PostgreSQL decides when they expire."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.event_emission import HOLD_COLUMNS, hold_events
from db.repositories.reservations import TAKE_TIME, Appointment
from db.repositories.rows import Row, row, row_or_none
from domain.assignment import Choice
from domain.promises import Promise


class Insertion(StrEnum):
    """Why a hold was not inserted."""

    TOO_MANY = "too_many"
    TIME_TAKEN = "time_taken"


# The caller's lock makes the count exact.
_INSERT = text(f"""
WITH few AS (
    SELECT 1 FROM (
        SELECT count(*) AS held FROM holds
        WHERE held_by = :held_by AND business_id = :business_id AND booking_id IS NULL
          AND expires_at > statement_timestamp()) counted
    WHERE held < :limit
), until AS (
    SELECT statement_timestamp() + make_interval(mins => :minutes) AS moment FROM few
), {TAKE_TIME.format(after="until").replace("CAST(:reserved_until AS timestamptz)", "until.moment")},
hold AS (
    INSERT INTO holds (
        id, business_id, service_id, provider_id, starts_at, ends_at, held_by, choice, promise, expires_at)
    SELECT :reservation_id, :business_id, :service_id, :provider_id, :starts_at, :ends_at, :held_by,
           CAST(:choice AS jsonb), CAST(:promise AS jsonb), until.moment
    FROM until WHERE EXISTS (SELECT 1 FROM slot)
    RETURNING {HOLD_COLUMNS}, promise::text
), told AS (
    {hold_events("created", "hold")}
)
SELECT EXISTS (SELECT 1 FROM few) AS within_limit, hold.* FROM (SELECT 1) AS one LEFT JOIN hold ON true
""")  # noqa: S608 - our own text


async def insert(
    conn: AsyncConnection,
    business_id: UUID,
    appointment: Appointment,
    *,
    held_by: UUID,
    choice: Choice,
    promise: Promise | None,
    minutes: int,
    limit: int,
    correlation_id: str | None = None,
) -> Insertion | Row:
    """Hold the chosen provider's time for `minutes`; the new row, or why there is none.

    Run it inside a transaction that has the lock `lock_name(held_by)`. `limit` is the number of holds that the
    caller may have with this business at once.
    """
    parameters: dict[str, Any] = appointment.reservation(choice.provider_id) | {
        "business_id": business_id,
        "reserved_for": None,
        "service_id": appointment.rules.service_id,
        "starts_at": appointment.starts_at,
        "ends_at": appointment.ends_at,
        "held_by": held_by,
        "choice": choice.model_dump_json(),
        "promise": None if promise is None else promise.model_dump_json(),
        "minutes": minutes,
        "limit": limit,
        "correlation_id": correlation_id,
    }
    found = await row(conn, _INSERT, parameters)
    if not found["within_limit"]:
        return Insertion.TOO_MANY
    return Insertion.TIME_TAKEN if found["id"] is None else found


def lock_name(user_id: UUID) -> str:
    """The lock under which one caller's holds are counted."""
    return f"holds/{user_id}"


_COLUMNS = """id, business_id, service_id, provider_id, starts_at, ends_at, expires_at, booking_id, choice::text,
       promise::text, expires_at > statement_timestamp() AND booking_id IS NULL AS is_live"""
_FIND = text(f"SELECT {_COLUMNS} FROM holds WHERE id = :id AND held_by = :held_by")  # noqa: S608 - our own text
_FIND_SAME = text(f"""
SELECT {_COLUMNS} FROM holds
WHERE held_by = :held_by AND business_id = :business_id AND service_id = :service_id AND starts_at = :starts_at
  AND booking_id IS NULL AND expires_at > statement_timestamp()
ORDER BY expires_at DESC LIMIT 1
""")  # noqa: S608 - our own text


async def find_same(
    conn: AsyncConnection, business_id: UUID, user_id: UUID, service_id: UUID, starts_at: datetime
) -> Row | None:
    """The live hold that the caller already has of this appointment."""
    parameters = {
        "business_id": business_id,
        "held_by": user_id,
        "service_id": service_id,
        "starts_at": starts_at,
    }
    return await row_or_none(conn, _FIND_SAME, parameters)


_OWNER = text("SELECT business_id FROM holds WHERE id = :id")


async def find_owner(conn: AsyncConnection, hold_id: UUID) -> UUID | None:
    """The hold's business, for that business's audit log only; none when there is no such hold."""
    found = await row_or_none(conn, _OWNER, {"id": hold_id})
    return None if found is None else found["business_id"]


async def find_own(conn: AsyncConnection, user_id: UUID, hold_id: UUID) -> Row | None:
    """A hold of this caller, live or not."""
    return await row_or_none(conn, _FIND, {"id": hold_id, "held_by": user_id})


# The reservation first, then the hold, as redeeming does: the same order prevents deadlocks.
_RELEASE = text(f"""
WITH freed AS (
    DELETE FROM reservations
    WHERE booking_id IS NULL
      AND id IN (SELECT id FROM holds WHERE id = :id AND held_by = :held_by AND booking_id IS NULL)
    RETURNING 1
), released AS (
    DELETE FROM holds
    WHERE id = :id AND held_by = :held_by AND booking_id IS NULL AND (SELECT count(*) FROM freed) >= 0
    RETURNING {HOLD_COLUMNS}
), live AS (
    SELECT * FROM released WHERE NOT expiry_told
), told AS (
    {hold_events("released", "live")}
)
SELECT business_id FROM released
""")  # noqa: S608 - our own text


async def release_own(
    conn: AsyncConnection, user_id: UUID, hold_id: UUID, *, correlation_id: str | None = None
) -> UUID | None:
    """Delete a hold of this caller and return its business.

    None: nothing happened, because the hold has become a booking or does not exist.
    """
    parameters = {"id": hold_id, "held_by": user_id, "correlation_id": correlation_id}
    released = await row_or_none(conn, _RELEASE, parameters)
    return None if released is None else released["business_id"]


def choice_of(hold: Row) -> Choice:
    """Why the hold's provider was chosen."""
    return Choice.model_validate(orjson.loads(hold["choice"]))


def promise_of(hold: Row) -> Promise | None:
    """What its appointment costs; none for holds of an earlier version, which cost the present price."""
    return None if hold["promise"] is None else Promise.model_validate_json(hold["promise"])
