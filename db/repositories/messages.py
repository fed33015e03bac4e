"""Messages about bookings, each under a key that makes it one however often it is written."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, row_or_none, rows
from domain.events import BOOKING_REMINDER_DUE, SCHEMA_VERSION, SOURCE
from domain.lifecycle import Role, Status
from runtime.ids import new_id
from runtime.json import to_json_text


@dataclass(frozen=True, slots=True)
class Line:
    """A message to write: `template` has the places %1$s business, %2$s reference, %3$s service, %4$s when."""

    id: UUID
    key: str
    kind: str
    audience: str
    template: str


_ADD = text("""
INSERT INTO messages (id, business_id, booking_id, key, kind, audience, channel, state, body)
SELECT line.id, b.business_id, b.id, line.key, line.kind, line.audience, :channel, 'sent',
       format(line.template, bs.name, b.reference, s.name,
              to_char(b.starts_at AT TIME ZONE b.timezone, 'FMDay, FMDD FMMonth YYYY "at" HH24:MI'))
FROM bookings b
JOIN services s ON s.id = b.service_id
JOIN businesses bs ON bs.id = b.business_id
CROSS JOIN jsonb_to_recordset(CAST(:lines AS jsonb))
    AS line(id uuid, key text, kind text, audience text, template text)
WHERE b.business_id = :business_id AND b.id = :booking_id
ON CONFLICT (business_id, key) DO NOTHING
RETURNING key
""")


async def add(
    conn: AsyncConnection, business_id: UUID, booking_id: UUID, *, channel: str, lines: Sequence[Line]
) -> list[str]:
    """Write messages that are not there yet; the keys of those that were written."""
    parameters = {
        "business_id": business_id,
        "booking_id": booking_id,
        "channel": channel,
        "lines": to_json_text([asdict(line) for line in lines]),
    }
    return [row["key"] for row in await rows(conn, _ADD, parameters)]


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


def new_line(key: str, kind: str, audience: str, template: str) -> Line:
    """A line with an id of its own."""
    return Line(id=new_id(), key=key, kind=kind, audience=audience, template=template)
