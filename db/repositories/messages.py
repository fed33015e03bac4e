"""Messages about bookings. The key of a message makes it one, however often it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.effect_planning import insert_effects
from db.repositories.event_emission import insert_events, notification_events
from db.repositories.rows import Row, execute, row_or_none, rows
from domain.effects import EffectKind
from domain.events import BOOKING_REMINDER_DUE, SOURCE
from domain.lifecycle import Role, Status
from domain.messages import MessageState
from domain.notifications import TOLD_BY_SMS, Notice
from runtime.json import to_json_text

_SEND = f"""
    SELECT CAST(:business_id AS uuid), CAST(:booking_id AS uuid),
           CASE m.channel WHEN 'sms' THEN '{EffectKind.SEND_SMS}' ELSE '{EffectKind.SEND_EMAIL}' END, s.vendor,
           s.target_id, 'message/' || m.key, CAST(NULL AS varchar), jsonb_build_object('message_id', m.id)
    FROM message m JOIN sender s ON s.channel = m.channel
"""  # noqa: S608

# A message for each notice and channel, and the effect that sends it. Without a vendor the message goes to the
# console, which means that it stays in its row: then there is nothing to send.
_ADD = text(f"""
WITH notice AS (
    SELECT * FROM ROWS FROM (
        jsonb_to_recordset(CAST(:notices AS jsonb))
            AS (key text, kind text, audience text, minutes_before integer, starts_at timestamptz,
                booking_version integer, provider_id uuid, by_sms boolean)
    ) WITH ORDINALITY AS n(key, kind, audience, minutes_before, starts_at, booking_version, provider_id, by_sms,
                           place)
), sender AS (
    SELECT 'email' AS channel, coalesce(i.vendor, :installation) AS vendor, i.id AS target_id
    FROM (SELECT 1) AS one
    LEFT JOIN integrations i ON i.business_id = :business_id AND i.port = 'email' AND i.enabled
    UNION ALL
    SELECT 'sms', i.vendor, i.id FROM integrations i
    WHERE i.business_id = :business_id AND i.port = 'sms' AND i.enabled
), message AS (
    INSERT INTO messages (
        id, business_id, booking_id, key, kind, audience, channel, state, minutes_before, starts_at,
        booking_version, provider_id)
    SELECT uuidv7(), :business_id, :booking_id,
           CASE s.channel WHEN 'sms' THEN n.key || '/sms' ELSE n.key END, n.kind, n.audience,
           CASE s.vendor WHEN 'console' THEN s.vendor ELSE s.channel END,
           CASE s.vendor WHEN 'console' THEN 'sent' ELSE 'queued' END, n.minutes_before, n.starts_at,
           n.booking_version, n.provider_id
    FROM notice n JOIN sender s ON s.channel = 'email' OR n.by_sms
    ORDER BY n.place
    ON CONFLICT (business_id, key) DO NOTHING
    RETURNING *
), told AS (
    {notification_events("message", correlation_id="CAST(:correlation_id AS text)")}
), effect AS (
    {insert_effects(_SEND)})
SELECT key, channel FROM message
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class AddedMessage:
    key: str
    channel: str


async def add(
    conn: AsyncConnection,
    business_id: UUID,
    booking_id: UUID,
    notices: Sequence[Notice],
    *,
    installation: str,
    correlation_id: str | None = None,
) -> list[AddedMessage]:
    """Write the messages of these notices, and plan the effects that send them; the new messages.

    `installation` is the e-mail vendor for businesses without their own: `smtp` or `console`. `correlation_id` is
    that of the step which they tell of.
    """
    lines = [notice.model_dump(mode="json") | {"by_sms": notice.kind in TOLD_BY_SMS} for notice in notices]
    parameters = {
        "business_id": business_id,
        "booking_id": booking_id,
        "notices": to_json_text(lines),
        "installation": installation,
        "correlation_id": correlation_id,
    }
    return [AddedMessage(**found) for found in await rows(conn, _ADD, parameters)]


@dataclass(frozen=True, slots=True)
class Appointment:
    """What a reminder depends on."""

    status: Status
    starts_at: datetime


_APPOINTMENT = text("""
SELECT status, starts_at FROM bookings WHERE business_id = :business_id AND id = :booking_id FOR SHARE
""")


async def find_appointment(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> Appointment | None:
    """The booking as it is committed now. No step of it commits until the transaction ends."""
    row = await row_or_none(conn, _APPOINTMENT, {"business_id": business_id, "booking_id": booking_id})
    return None if row is None else Appointment(Status(row["status"]), row["starts_at"])


_REMINDER_EVENT = text(
    insert_events("""
    SELECT CAST(:id AS uuid), business_id, CAST(:type AS text), CAST(:source AS text), CAST(id AS text), now(),
           CAST(NULL AS text), CAST(:actor AS jsonb),
           jsonb_build_object('bookingId', id, 'providerId', provider_id, 'customerId', customer_id,
                              'startTime', starts_at)
    FROM bookings WHERE business_id = :business_id AND id = :booking_id
""")
)


async def add_reminder_event(
    conn: AsyncConnection, business_id: UUID, booking_id: UUID, *, event_id: UUID
) -> None:
    """Write the event that a reminder is due. Its id comes from the reminder, so that it is written once."""
    parameters = {
        "id": event_id,
        "business_id": business_id,
        "booking_id": booking_id,
        "type": BOOKING_REMINDER_DUE,
        "source": SOURCE,
        "actor": to_json_text({"role": Role.SYSTEM}),
    }
    await execute(conn, _REMINDER_EVENT, parameters)


# --- results --------------------------------------------------------------------------------------------------

# The vendor may have reported meanwhile what comes after `sent`, about this very message.
_NOTE_SENT = text(f"""
WITH message AS (
UPDATE messages
SET state = CASE WHEN further THEN state ELSE 'sent' END,
    state_at = CASE WHEN further THEN state_at ELSE clock_timestamp() END,
    error = CASE WHEN further THEN error END,
    language = :language, subject = CAST(:subject AS text), body = :body,
    vendor_ref = coalesce(CAST(:vendor_ref AS text), vendor_ref)
FROM (SELECT m.id AS this, m.state IN ('delivered', 'opened', 'bounced')
             OR (m.state = 'failed' AND m.vendor_ref = CAST(:vendor_ref AS text)) IS TRUE AS further
      FROM messages m WHERE m.business_id = :business_id AND m.id = :message_id) AS now
WHERE business_id = :business_id AND id = this
RETURNING messages.*, old.state <> new.state AS is_news
), news AS (
    SELECT * FROM message WHERE is_news
)
{notification_events("news")}
""")  # noqa: S608

_NOTE_UNSENT = text(f"""
WITH message AS (
    UPDATE messages SET state = :state, state_at = clock_timestamp(), error = :error
    WHERE business_id = :business_id AND id = :message_id AND state IN ('queued', 'failed', 'suppressed')
    RETURNING messages.*, old.state <> new.state AS is_news
), news AS (
    SELECT * FROM message WHERE is_news
)
{notification_events("news")}
""")  # noqa: S608

_OF_BOOKING = text("""
SELECT m.id, m.kind, m.audience, m.channel, m.state_at, m.minutes_before, m.starts_at, m.language, m.subject,
       m.body, m.created_at,
       CASE WHEN skipped THEN 'suppressed' ELSE m.state END AS state,
       CASE WHEN skipped THEN 'skipped' ELSE m.error END AS error
FROM messages m
LEFT JOIN effects e ON e.business_id = m.business_id AND e.key = 'message/' || m.key
CROSS JOIN LATERAL (SELECT m.state = 'queued' AND e.state = 'skipped' AS skipped) AS somebody
WHERE m.business_id = :business_id AND m.booking_id = :booking_id ORDER BY m.id
""")


_DRAFT = text("""
UPDATE messages SET language = :language, body = :body WHERE business_id = :business_id AND id = :message_id
""")


@dataclass(frozen=True, slots=True)
class SentContent:
    """The content that was sent."""

    language: str
    subject: str | None
    body: str


async def draft(conn: AsyncConnection, business_id: UUID, message_id: UUID, *, language: str, body: str) -> None:
    """Store the words that are about to be sent, so that a later attempt sends the same."""
    parameters = {"business_id": business_id, "message_id": message_id, "language": language, "body": body}
    await execute(conn, _DRAFT, parameters)


async def record_sent(
    conn: AsyncConnection, business_id: UUID, message_id: UUID, words: SentContent, vendor_ref: str | None
) -> None:
    """Record that the vendor has accepted the message. What it has reported meanwhile stays."""
    parameters = {
        "business_id": business_id,
        "message_id": message_id,
        "language": words.language,
        "subject": words.subject,
        "body": words.body,
        "vendor_ref": vendor_ref,
    }
    await execute(conn, _NOTE_SENT, parameters)


async def record_unsent(
    conn: AsyncConnection, business_id: UUID, message_id: UUID, state: MessageState, error: str
) -> None:
    """Record that the message is not sent: `failed` or `suppressed`, with a code."""
    parameters = {"business_id": business_id, "message_id": message_id, "state": state, "error": error}
    await execute(conn, _NOTE_UNSENT, parameters)


async def list_of_booking(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> Sequence[Row]:
    """All messages about a booking, the oldest first."""
    return await rows(conn, _OF_BOOKING, {"business_id": business_id, "booking_id": booking_id})
