"""Messages about bookings, each under a key that makes it one however often it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, row_or_none, rows
from domain.events import BOOKING_REMINDER_DUE, SCHEMA_VERSION, SOURCE
from domain.lifecycle import Role, Status
from domain.notices import TOLD_BY_SMS, Notice
from runtime.json import to_json_text

# One message a notice and channel, and the effect that sends it. What has no vendor goes to the console, which is
# these rows: there is nothing left to send then.
_ADD = text("""
WITH notice AS (
    SELECT * FROM ROWS FROM (
        jsonb_to_recordset(CAST(:notices AS jsonb))
            AS (key text, kind text, audience text, minutes_before integer, starts_at timestamptz, by_sms boolean)
    ) WITH ORDINALITY AS n(key, kind, audience, minutes_before, starts_at, by_sms, place)
), sender AS (
    SELECT 'email' AS channel, coalesce(i.vendor, :installation) AS vendor, i.id AS target_id
    FROM (SELECT 1) AS one
    LEFT JOIN integrations i ON i.business_id = :business_id AND i.port = 'email' AND i.enabled
    UNION ALL
    SELECT 'sms', i.vendor, i.id FROM integrations i
    WHERE i.business_id = :business_id AND i.port = 'sms' AND i.enabled
), message AS (
    INSERT INTO messages (
        id, business_id, booking_id, key, kind, audience, channel, state, minutes_before, starts_at)
    SELECT uuidv7(), :business_id, :booking_id,
           CASE s.channel WHEN 'sms' THEN n.key || '/sms' ELSE n.key END, n.kind, n.audience,
           CASE s.vendor WHEN 'console' THEN s.vendor ELSE s.channel END,
           CASE s.vendor WHEN 'console' THEN 'sent' ELSE 'queued' END, n.minutes_before, n.starts_at
    FROM notice n JOIN sender s ON s.channel = 'email' OR n.by_sms
    ORDER BY n.place
    ON CONFLICT (business_id, key) DO NOTHING
    RETURNING id, key, channel
), effect AS (
    INSERT INTO effects (id, business_id, booking_id, kind, vendor, target_id, key, subject)
    SELECT uuidv7(), :business_id, :booking_id, 'send_' || m.channel, s.vendor, s.target_id, 'message/' || m.key,
           jsonb_build_object('message_id', m.id)
    FROM message m JOIN sender s ON s.channel = m.channel
    ON CONFLICT (business_id, key) DO NOTHING
)
SELECT key, channel FROM message
""")


@dataclass(frozen=True, slots=True)
class Written:
    key: str
    channel: str


async def add(
    conn: AsyncConnection, business_id: UUID, booking_id: UUID, notices: Sequence[Notice], *, installation: str
) -> list[Written]:
    """Write the messages that notices lead to, with the effects that send them; those that are new.

    `installation` is the vendor of e-mails where the business has none of its own: `smtp` or `console`.
    """
    lines = [notice.model_dump(mode="json") | {"by_sms": notice.kind in TOLD_BY_SMS} for notice in notices]
    parameters = {
        "business_id": business_id,
        "booking_id": booking_id,
        "notices": to_json_text(lines),
        "installation": installation,
    }
    return [Written(**found) for found in await rows(conn, _ADD, parameters)]


@dataclass(frozen=True, slots=True)
class Appointment:
    """What a reminder needs to know of its booking."""

    status: Status
    starts_at: datetime


_APPOINTMENT = text("""
SELECT status, starts_at FROM bookings WHERE business_id = :business_id AND id = :booking_id FOR SHARE
""")


async def find_appointment(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> Appointment | None:
    """The booking as it is committed now; no step of it commits until the transaction ends."""
    row = await row_or_none(conn, _APPOINTMENT, {"business_id": business_id, "booking_id": booking_id})
    return None if row is None else Appointment(Status(row["status"]), row["starts_at"])


_REMINDER_EVENT = text("""
INSERT INTO events (id, business_id, type, source, subject, time, actor, data, schema_version)
SELECT :id, business_id, :type, :source, id::text, now(), CAST(:actor AS jsonb),
       jsonb_build_object('bookingId', id, 'providerId', provider_id, 'customerId', customer_id,
                          'startTime', starts_at),
       :schema_version
FROM bookings WHERE business_id = :business_id AND id = :booking_id
ON CONFLICT (id) DO NOTHING
""")


async def add_reminder_event(
    conn: AsyncConnection, business_id: UUID, booking_id: UUID, *, event_id: UUID
) -> None:
    """The event that a reminder is due; its id comes from the reminder, so that it is there once."""
    parameters = {
        "id": event_id,
        "business_id": business_id,
        "booking_id": booking_id,
        "type": BOOKING_REMINDER_DUE,
        "source": SOURCE,
        "actor": to_json_text({"role": Role.SYSTEM}),
        "schema_version": SCHEMA_VERSION,
    }
    await execute(conn, _REMINDER_EVENT, parameters)
