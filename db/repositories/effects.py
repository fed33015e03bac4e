"""Effects as people see them, and what people do about one: have it retried, or do without it."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.event_emission import notification_events
from db.repositories.rows import Row, row_or_none, rows
from domain.effects import EffectState, Vendor

_COLUMNS = """id, booking_id, kind, vendor, target_id, key, state, attempts, due_at, handed_at, first_attempt_at,
       last_attempt_at, next_attempt_at, last_error, vendor_ref, done_at, created_at"""

_OF_BOOKING = text(f"""
SELECT {_COLUMNS} FROM effects WHERE business_id = :business_id AND booking_id = :booking_id ORDER BY id
""")  # noqa: S608

_FIND = text(f"SELECT {_COLUMNS} FROM effects WHERE business_id = :business_id AND id = :effect_id")  # noqa: S608

_PAGE = f"""
SELECT {_COLUMNS} FROM effects
WHERE business_id = :business_id AND {{state}}
  AND (CAST(:vendor AS text) IS NULL OR vendor = :vendor)
  AND (CAST(:target_id AS uuid) IS NULL OR target_id = CAST(:target_id AS uuid))
  AND (CAST(:before AS uuid) IS NULL OR id < CAST(:before AS uuid))
ORDER BY id DESC LIMIT :limit
"""  # noqa: S608
# A statement for each state: PostgreSQL uses a partial index only when the statement names the state.
_PAGES = {state: text(_PAGE.format(state=f"state = '{state}'")) for state in EffectState} | {
    None: text(_PAGE.format(state="true"))
}

NEW_ROUND: Final = """state = 'pending', round = round + 1, tries = 0, handed_at = NULL, next_attempt_at = NULL,
    done_at = NULL, due_at = statement_timestamp()"""
"""Part of an update: a new round of attempts begins at once, whatever the rounds before came to."""

_RETRY = text(f"""
UPDATE effects SET {NEW_ROUND}
WHERE business_id = :business_id AND id = :effect_id AND state IN ('retrying', 'failed', 'skipped', 'obsolete')
RETURNING {_COLUMNS}
""")  # noqa: S608

# A message that is skipped while it waits to be sent fails by that; one that has failed has told so.
_SKIP = text(f"""
WITH skipped AS (
    UPDATE effects SET state = 'skipped', next_attempt_at = NULL, done_at = statement_timestamp()
    WHERE business_id = :business_id AND id = :effect_id AND state IN ('pending', 'retrying', 'failed')
    RETURNING *
), unsent AS (
    SELECT m.id, m.business_id, m.booking_id, m.kind, m.audience, m.channel, 'suppressed' AS state,
           'skipped' AS error
    FROM messages m JOIN skipped s ON m.business_id = s.business_id AND 'message/' || m.key = s.key
    WHERE m.state = 'queued'
), told AS (
    {notification_events("unsent")}
)
SELECT {_COLUMNS} FROM skipped
""")  # noqa: S608


async def list_of_booking(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> Sequence[Row]:
    """Every effect of a booking, in the order in which they were planned."""
    return await rows(conn, _OF_BOOKING, {"business_id": business_id, "booking_id": booking_id})


async def list_page(
    conn: AsyncConnection,
    business_id: UUID,
    *,
    limit: int,
    state: EffectState | None = None,
    vendor: Vendor | None = None,
    target_id: UUID | None = None,
    before: UUID | None = None,
) -> Sequence[Row]:
    """A business's effects, the newest first, behind the one with the id `before`."""
    parameters = {
        "business_id": business_id,
        "vendor": vendor,
        "target_id": target_id,
        "before": before,
        "limit": limit,
    }
    return await rows(conn, _PAGES[state], parameters)


async def find(conn: AsyncConnection, business_id: UUID, effect_id: UUID) -> Row | None:
    """One effect."""
    return await row_or_none(conn, _FIND, {"business_id": business_id, "effect_id": effect_id})


async def retry(conn: AsyncConnection, business_id: UUID, effect_id: UUID) -> Row | None:
    """Begin another round of attempts at once; none when it is done, pending or being attempted."""
    return await row_or_none(conn, _RETRY, {"business_id": business_id, "effect_id": effect_id})


async def skip(conn: AsyncConnection, business_id: UUID, effect_id: UUID) -> Row | None:
    """Skip the effect; none when it has ended, or is being attempted.

    The next effect of its sequence must not begin while a vendor is working on this one.
    """
    return await row_or_none(conn, _SKIP, {"business_id": business_id, "effect_id": effect_id})
