"""Notices: what is true at the moment of sending, and the record of what became of each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import row_or_none
from domain.events import BOOKING_REMINDER_DUE, SCHEMA_VERSION, SOURCE
from domain.lifecycle import Role, Status
from runtime.ids import new_id
from runtime.json import to_json_text


@dataclass(frozen=True, slots=True)
class Situation:
    """What a notice needs to know of its booking, read when it is about to be sent."""

    reference: str
    status: Status
    starts_at: datetime
    timezone: str
    service: str
    business: str
    provider_id: UUID | None
    customer_id: UUID


_SITUATION = text("""
SELECT b.reference, b.status, b.starts_at, b.timezone, s.name AS service, bs.name AS business,
       b.provider_id, b.customer_id
FROM bookings b
JOIN services s ON s.id = b.service_id
JOIN businesses bs ON bs.id = b.business_id
WHERE b.business_id = :business_id AND b.id = :booking_id
FOR SHARE OF b
""")


async def find_situation(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> Situation | None:
    """The booking as it is committed now; no step of it commits until the transaction ends."""
    row = await row_or_none(conn, _SITUATION, {"business_id": business_id, "booking_id": booking_id})
    return None if row is None else Situation(**{**row, "status": Status(row["status"])})


_CLAIM = text("""
INSERT INTO messages (id, business_id, booking_id, key, kind, audience, channel, state, body)
VALUES (:id, :business_id, :booking_id, :key, :kind, :audience, :channel, :state, :body)
ON CONFLICT (business_id, key) DO UPDATE SET state = excluded.state, body = excluded.body
WHERE messages.state = 'sending'
RETURNING id
""")


@dataclass(frozen=True, slots=True)
class MessageRecord:
    booking_id: UUID
    key: str
    kind: str
    audience: str
    channel: str
    state: str
    body: str


async def claim(conn: AsyncConnection, business_id: UUID, message: MessageRecord) -> bool:
    """Write down what is about to be done with a message; False when it was sent or skipped before."""
    parameters = {"id": new_id(), "business_id": business_id}
    for name in MessageRecord.__slots__:
        parameters[name] = getattr(message, name)
    return await row_or_none(conn, _CLAIM, parameters) is not None


_MARK_SENT = text("UPDATE messages SET state = 'sent' WHERE business_id = :business_id AND key = :key")


async def mark_sent(conn: AsyncConnection, business_id: UUID, key: str) -> None:
    """Write down that the channel took the message."""
    await conn.execute(_MARK_SENT, {"business_id": business_id, "key": key})


_REMINDER_EVENT = text("""
INSERT INTO events (id, business_id, type, source, subject, time, actor, data, schema_version)
VALUES (:id, :business_id, :type, :source, :subject, now(), CAST(:actor AS jsonb), CAST(:data AS jsonb),
        :schema_version)
ON CONFLICT (id) DO NOTHING
""")


async def add_reminder_event(
    conn: AsyncConnection, business_id: UUID, booking_id: UUID, *, event_id: UUID, situation: Situation
) -> None:
    """The event that a reminder is due; its id comes from the reminder, so that it is there once."""
    data: dict[str, Any] = {
        "bookingId": booking_id,
        "providerId": situation.provider_id,
        "customerId": situation.customer_id,
        "startTime": situation.starts_at,
    }
    await conn.execute(
        _REMINDER_EVENT,
        {
            "id": event_id,
            "business_id": business_id,
            "type": BOOKING_REMINDER_DUE,
            "source": SOURCE,
            "subject": str(booking_id),
            "actor": to_json_text({"role": Role.SYSTEM}),
            "data": to_json_text(data),
            "schema_version": SCHEMA_VERSION,
        },
    )
