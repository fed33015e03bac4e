"""What recovery, the audit and the purges ask for. They serve all tenants, so these statements name none.

The look-ups return ids, and each id comes with its tenant.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.event_emission import HOLD_COLUMNS, hold_events
from db.repositories.rows import Row, execute, row, rows
from domain.steps import BookingRef

_UNSTARTED = text("""
SELECT id AS booking_id, business_id FROM bookings
WHERE version = 1 AND id > CAST(:after AS uuid)
  AND created_at NOT BETWEEN statement_timestamp() - CAST(:grace AS interval) AND statement_timestamp()
ORDER BY id LIMIT :limit
""")

_COUNT_UNSTARTED = text(
    "SELECT count(*) AS waiting FROM (SELECT 1 FROM bookings WHERE version = 1 LIMIT :limit) capped"
)

_OPEN_AFTER = text("""
SELECT id AS booking_id, business_id FROM bookings
WHERE status NOT IN ('completed', 'cancelled') AND version > 1
  AND (business_id, id) > (CAST(:business_id AS uuid), CAST(:booking_id AS uuid))
ORDER BY business_id, id LIMIT :limit
""")

_STILL_OPEN = text("""
SELECT id AS booking_id, business_id FROM bookings
WHERE id = ANY(CAST(:ids AS uuid[])) AND status NOT IN ('completed', 'cancelled')
""")

_COMPARABLE = text("""
SELECT id AS booking_id, business_id, status, version, provider_id, starts_at, needs_attention, updated_at,
       updated_at BETWEEN statement_timestamp() - interval '30 seconds'
                      AND statement_timestamp() + interval '30 seconds' AS has_just_changed
FROM bookings WHERE id = ANY(CAST(:ids AS uuid[]))
""")

FIRST_ID = UUID(int=0)
FIRST_REF = BookingRef(booking_id=FIRST_ID, business_id=FIRST_ID)


async def list_unstarted(conn: AsyncConnection, *, grace: timedelta, after: UUID, limit: int) -> list[BookingRef]:
    """Bookings older than `grace` whose workflow has not taken its first step, by id, which is by age.

    A booking of the future, from an API process whose clock is ahead, is listed at once.
    """
    parameters = {"grace": grace, "after": after, "limit": limit}
    return [BookingRef(**row) for row in await rows(conn, _UNSTARTED, parameters)]


async def count_unstarted(conn: AsyncConnection, *, up_to: int) -> int:
    """How many bookings wait for their first step, `up_to` at most."""
    return int((await row(conn, _COUNT_UNSTARTED, {"limit": up_to}))["waiting"])


async def list_open_after(conn: AsyncConnection, *, after: BookingRef, limit: int) -> list[BookingRef]:
    """The next open bookings after this one, by business and id."""
    parameters = {"business_id": after.business_id, "booking_id": after.booking_id, "limit": limit}
    return [BookingRef(**row) for row in await rows(conn, _OPEN_AFTER, parameters)]


async def list_still_open(conn: AsyncConnection, ids: list[UUID]) -> list[BookingRef]:
    """Those of these bookings that have not ended."""
    return [BookingRef(**row) for row in await rows(conn, _STILL_OPEN, {"ids": ids})]


async def list_comparable(conn: AsyncConnection, ids: Sequence[UUID]) -> Sequence[Row]:
    """The columns of these bookings that their workflows show as well."""
    return await rows(conn, _COMPARABLE, {"ids": list(ids)})


# The limit is written out: a query plan that does not know how few rows are wanted reads the whole table.
_PURGE_HOLDS = text(f"""
WITH over AS (
    SELECT id FROM reservations WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED
), freed AS (
    DELETE FROM reservations WHERE id IN (SELECT id FROM over)
), expired AS (
    UPDATE holds SET expiry_told = true
    WHERE id IN (
        SELECT id FROM holds
        WHERE booking_id IS NULL AND NOT expiry_told AND expires_at <= statement_timestamp()
        ORDER BY expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED)
    RETURNING {HOLD_COLUMNS}
), told AS (
    {hold_events("expired", "expired")}
), old AS (
    SELECT id FROM holds
    WHERE (expiry_told OR booking_id IS NOT NULL) AND expires_at <= CAST(:kept_since AS timestamptz)
    ORDER BY expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED
)
DELETE FROM holds WHERE id IN (SELECT id FROM old)
""")  # noqa: S608


async def purge_holds(conn: AsyncConnection, *, kept_since: datetime) -> None:
    """Delete the reservations of holds that ran out, tell of these, and delete those from before `kept_since`.

    Up to 10000 of each. Nothing depends on it: their time has been free since they ran out.
    """
    await execute(conn, _PURGE_HOLDS, {"kept_since": kept_since})


_UNSENT_MESSAGES = text("""
SELECT id FROM account_requests
WHERE sent_at IS NULL AND expires_at > statement_timestamp()
  AND created_at NOT BETWEEN statement_timestamp() - CAST(:grace AS interval) AND statement_timestamp()
  AND id > CAST(:after AS uuid)
ORDER BY id LIMIT :limit
""")


async def list_unsent_messages(conn: AsyncConnection, *, grace: timedelta, after: UUID, limit: int) -> list[UUID]:
    """Requests for an account or a password whose message was not sent, by id, which is by age."""
    parameters = {"grace": grace, "after": after, "limit": limit}
    return [row["id"] for row in await rows(conn, _UNSENT_MESSAGES, parameters)]


# No more than 10000 of each at once: the next round finds the rest. Rows that are locked are left for it too.
_PURGES = tuple(
    text(statement)
    for statement in (
        """
DELETE FROM stream_tickets WHERE ticket_hash IN (
    SELECT ticket_hash FROM stream_tickets WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED
)
""",
        """
DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE expires_at <= statement_timestamp() - interval '1 day'
    ORDER BY expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED
)
""",
        """
DELETE FROM refresh_tokens WHERE token_hash IN (
    SELECT token_hash FROM refresh_tokens WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED
)
""",
        """
DELETE FROM account_requests WHERE id IN (
    SELECT id FROM account_requests WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED
)
""",
        """
DELETE FROM login_attempts WHERE subject IN (
    SELECT subject FROM login_attempts
    WHERE last_at < statement_timestamp() - interval '1 hour' AND free_at <= statement_timestamp()
    ORDER BY last_at LIMIT 10000 FOR UPDATE SKIP LOCKED
)
""",
        """
DELETE FROM idempotency_keys WHERE (scope, key) IN (
    SELECT scope, key FROM idempotency_keys WHERE created_at < statement_timestamp() - interval '24 hours'
    ORDER BY created_at LIMIT 10000 FOR UPDATE SKIP LOCKED
)
""",
        """
DELETE FROM rate_counters WHERE subject IN (
    SELECT subject FROM rate_counters
    WHERE minute < CAST(extract(epoch FROM statement_timestamp()) AS bigint) / 60 - 60
    LIMIT 10000 FOR UPDATE SKIP LOCKED
)
""",
        """
DELETE FROM inbound_events WHERE (integration_id, event_id) IN (
    SELECT integration_id, event_id FROM inbound_events
    WHERE received_at < statement_timestamp() - interval '90 days'
    ORDER BY received_at LIMIT 10000 FOR UPDATE SKIP LOCKED
)
""",
    )
)


async def purge_identity(conn: AsyncConnection) -> None:
    """Delete expired sessions, tokens, requests, counters, answers to idempotency keys and vendors' events.

    Nothing depends on it: none of them counts any more. On a connection that commits each statement.
    """
    for statement in _PURGES:
        await execute(conn, statement, {})
