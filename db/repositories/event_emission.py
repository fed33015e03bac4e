"""Writing events: every row of `events` is inserted by a statement that this module made.

An event is written in the transaction of its cause. Its position among the business's events is given afterwards:
see `db.repositories.events`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute
from domain.booking import Actor
from domain.events import SCHEMA_VERSION
from runtime.json import to_json_text

BUSINESS_SOURCE: Final = "/holdfast/business"
NOTIFICATION_SOURCE: Final = "/holdfast/notifications"


def insert_events(selection: str) -> str:
    """The statement, or part of one, that writes an event for each row of a selection, in the selection's order.

    The selection yields `id`, `business_id`, `type`, `source`, `subject`, `time`, `correlation_id`, `actor` and
    `data`, in this order and in the columns' types. An event with an id that is there already changes nothing.
    """
    return f"""
INSERT INTO events (
    id, business_id, type, source, subject, time, correlation_id, actor, data, schema_version)
SELECT written.*, '{SCHEMA_VERSION}' FROM ({selection}) AS written
ON CONFLICT (id) DO NOTHING
"""  # noqa: S608


def notification_events(messages: str, *, correlation_id: str = "CAST(NULL AS text)") -> str:
    """The part that tells of messages in their new state; `messages` is a part with the message's columns.

    E-mails that only the console shows count as sent. What a vendor tells of opening is no event.
    `correlation_id` is an expression: the request whose step wrote the messages.
    """
    return insert_events(f"""
    SELECT uuidv7(), m.business_id,
           'notification.' || CASE m.channel WHEN 'sms' THEN 'sms' ELSE 'email' END || '.'
               || CASE m.state WHEN 'bounced' THEN 'failed' WHEN 'suppressed' THEN 'failed' ELSE m.state END,
           '{NOTIFICATION_SOURCE}', CAST(m.id AS text), clock_timestamp(), {correlation_id},
           jsonb_build_object('role', 'system'),
           jsonb_strip_nulls(jsonb_build_object(
               'messageId', m.id, 'bookingId', m.booking_id, 'kind', m.kind, 'audience', m.audience,
               'channel', CASE m.channel WHEN 'sms' THEN 'sms' ELSE 'email' END, 'reason', m.error))
    FROM {messages} AS m WHERE m.state <> 'opened'
""")  # noqa: S608


HOLD_COLUMNS: Final = (
    "id, business_id, service_id, provider_id, starts_at, ends_at, expires_at, held_by, booking_id, expiry_told"
)


def hold_events(type_: str, holds: str) -> str:
    """The part that tells of holds; `holds` is a part with `HOLD_COLUMNS`.

    Except when they expire, a request is the cause: the statement has its id as `:correlation_id`.
    """
    correlation_id, actor = (
        ("NULL", "jsonb_build_object('role', 'system')")
        if type_ == "expired"
        else (":correlation_id", "jsonb_build_object('role', 'customer', 'user_id', h.held_by)")
    )
    return insert_events(f"""
    SELECT uuidv7(), h.business_id, 'scheduling.hold.{type_}', '/holdfast/scheduling', CAST(h.id AS text),
           clock_timestamp(), CAST({correlation_id} AS text), {actor},
           jsonb_strip_nulls(jsonb_build_object(
               'holdId', h.id, 'serviceId', h.service_id, 'providerId', h.provider_id, 'startTime', h.starts_at,
               'endTime', h.ends_at, 'expiresAt', h.expires_at, 'bookingId', h.booking_id))
    FROM {holds} AS h
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class BusinessEvent:
    """Something that somebody changed in a business."""

    type: str
    subject: str
    """The id of what was changed."""
    data: dict[str, Any]


_EMIT = text(
    insert_events("""
    SELECT uuidv7(), CAST(:business_id AS uuid), told.type, CAST(:source AS text), told.subject, clock_timestamp(),
           CAST(:correlation_id AS text), CAST(:actor AS jsonb), told.data
    FROM ROWS FROM (
        jsonb_to_recordset(CAST(:events AS jsonb)) AS (type text, subject text, data jsonb)
    ) WITH ORDINALITY AS told (type, subject, data, place)
    ORDER BY told.place
""")
)


async def emit(
    conn: AsyncConnection,
    business_id: UUID,
    events: Sequence[BusinessEvent],
    *,
    actor: Actor,
    correlation_id: str | None,
) -> None:
    """Write events of a business in the transaction that changes it."""
    told = [{"type": event.type, "subject": event.subject, "data": event.data} for event in events]
    parameters = {
        "business_id": business_id,
        "source": BUSINESS_SOURCE,
        "correlation_id": correlation_id,
        "actor": actor.model_dump_json(),
        "events": to_json_text(told),
    }
    await execute(conn, _EMIT, parameters)
