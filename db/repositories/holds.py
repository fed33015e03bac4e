"""Holds: one provider's time, kept for one caller for some minutes. PostgreSQL says when they have run out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.calendar import TAKE_TIME, Appointment
from db.repositories.rows import Row, row, row_or_none
from domain.assignment import Choice
from domain.promises import Promise


@dataclass(frozen=True, slots=True)
class NewHold:
    held_by: UUID
    choice: Choice
    minutes: int
    limit: int
    """How many holds the caller may have at once with this business."""
    promise: Promise | None = None
    """What it costs; none: what it costs when it is booked."""


@dataclass(frozen=True, slots=True)
class Placed:
    """How it went; `hold` is None when the time was taken, or when there are as many holds as may be."""

    within_limit: bool
    hold: Row | None


# An advisory lock on the caller (`take_turns`) makes the count exact.
_PLACE = text(f"""
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
    RETURNING id, business_id, service_id, provider_id, starts_at, ends_at, expires_at, promise::text
)
SELECT EXISTS (SELECT 1 FROM few) AS within_limit, hold.* FROM (SELECT 1) AS one LEFT JOIN hold ON true
""")  # noqa: S608 - our own text


async def place(conn: AsyncConnection, business_id: UUID, wanted: Appointment, new: NewHold) -> Placed:
    """Hold the chosen provider's time.

    Must run inside a transaction in which the caller's turn was taken, see `turn_of`.
    """
    parameters: dict[str, Any] = wanted.reservation(new.choice.provider_id) | {
        "business_id": business_id,
        "reserved_for": None,
        "service_id": wanted.terms.service_id,
        "starts_at": wanted.starts_at,
        "ends_at": wanted.ends_at,
        "held_by": new.held_by,
        "choice": new.choice.model_dump_json(),
        "promise": None if new.promise is None else new.promise.model_dump_json(),
        "minutes": new.minutes,
        "limit": new.limit,
    }
    placed = await row(conn, _PLACE, parameters)
    return Placed(placed["within_limit"], placed if placed["id"] is not None else None)


def turn_of(user_id: UUID) -> str:
    """The turn in which one caller's holds are counted."""
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
    """The live hold that the caller has of this very appointment already."""
    parameters = {
        "business_id": business_id,
        "held_by": user_id,
        "service_id": service_id,
        "starts_at": starts_at,
    }
    return await row_or_none(conn, _FIND_SAME, parameters)


_OWNER = text("SELECT business_id FROM holds WHERE id = :id")


async def find_owner(conn: AsyncConnection, hold_id: UUID) -> UUID | None:
    """With which business it is, for that business's audit log and nobody else; none where there is no such."""
    found = await row_or_none(conn, _OWNER, {"id": hold_id})
    return None if found is None else found["business_id"]


async def find_own(conn: AsyncConnection, user_id: UUID, hold_id: UUID) -> Row | None:
    """A hold of this caller's, live or not."""
    return await row_or_none(conn, _FIND, {"id": hold_id, "held_by": user_id})


# The reservation first, then the hold, as whoever redeems it does: in one order nobody waits for each other.
_RELEASE = text("""
WITH freed AS (
    DELETE FROM reservations
    WHERE booking_id IS NULL
      AND id IN (SELECT id FROM holds WHERE id = :id AND held_by = :held_by AND booking_id IS NULL)
    RETURNING 1
)
DELETE FROM holds
WHERE id = :id AND held_by = :held_by AND booking_id IS NULL AND (SELECT count(*) FROM freed) >= 0
RETURNING business_id
""")


async def release_own(conn: AsyncConnection, user_id: UUID, hold_id: UUID) -> UUID | None:
    """Give a hold of this caller's back; with which business it was.

    None: nothing happened, because it has become a booking or is not there.
    """
    released = await row_or_none(conn, _RELEASE, {"id": hold_id, "held_by": user_id})
    return None if released is None else released["business_id"]


def choice_of(hold: Row) -> Choice:
    """Why the hold's provider was chosen."""
    return Choice.model_validate(orjson.loads(hold["choice"]))


def promise_of(hold: Row) -> Promise | None:
    """What its appointment costs; none of holds that an earlier version made: what it costs by now."""
    return None if hold["promise"] is None else Promise.model_validate_json(hold["promise"])
