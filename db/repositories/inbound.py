"""Inbound events of vendors: which have been taken, and what they change for messages and customers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.event_emission import notification_events
from db.repositories.rows import row_or_none, rows
from domain.notifications import Audience
from runtime.json import to_json_text

# In the order of their ids, so that two deliveries of the same events cannot deadlock.
_NOTE = text("""
INSERT INTO inbound_events (integration_id, event_id, business_id, type)
SELECT DISTINCT ON (told.id)
       CAST(:integration_id AS uuid), told.id, CAST(:business_id AS uuid), left(told.type, 100)
FROM jsonb_to_recordset(CAST(:told AS jsonb)) AS told(id text, type text)
ORDER BY told.id
ON CONFLICT (integration_id, event_id) DO NOTHING
RETURNING event_id
""")


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """An event of a vendor."""

    id: str
    type: str


async def note(
    conn: AsyncConnection, business_id: UUID, integration_id: UUID, events: Sequence[InboundEvent]
) -> set[str]:
    """Record events as taken; the ids of those that are new. Within the transaction that handles them."""
    parameters = {
        "business_id": business_id,
        "integration_id": integration_id,
        "told": to_json_text([{"id": one.id, "type": one.type} for one in events]),
    }
    return {found["event_id"] for found in await rows(conn, _NOTE, parameters)}


# A message only moves forward, in whatever order the vendor's events arrive. `bounced` and `failed` are final: a
# mail system may accept an e-mail and send it back later. A vendor does not change a message that was never sent.
# But where we gave up without an answer, the vendor knows better.
_RANKS = "WHEN 'queued' THEN 0 WHEN 'sent' THEN 1 WHEN 'delivered' THEN 2 WHEN 'opened' THEN 3 ELSE 9 END"
_MOVE = text(f"""
WITH told AS (
    SELECT m.id, m.booking_id, m.audience FROM messages m
    WHERE m.business_id = :business_id AND m.channel = :channel
      AND (m.key = :key OR (CAST(:key AS text) IS NULL AND m.vendor_ref = :vendor_ref))
    ORDER BY m.id LIMIT 1
), moved AS (
    UPDATE messages m
    SET state = :state, state_at = clock_timestamp(), error = CAST(:error AS text),
        vendor_ref = coalesce(m.vendor_ref, CAST(:vendor_ref AS text))
    FROM told
    WHERE m.business_id = :business_id AND m.id = told.id
      AND CASE WHEN m.state = 'failed' AND m.vendor_ref IS NULL THEN 0 ELSE CASE m.state {_RANKS} END
          < CASE CAST(:state AS text) {_RANKS}
    RETURNING m.*
), event AS (
    {notification_events("moved")}
)
SELECT b.customer_id, told.audience FROM told
JOIN bookings b ON b.business_id = :business_id AND b.id = told.booking_id
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a vendor says about a message."""

    channel: str
    """`email` or `sms`."""
    state: str
    """`sent`, `delivered`, `opened`, `bounced` or `failed`."""
    key: str | None
    """The message's key, where the vendor returns it."""
    vendor_ref: str | None
    error: str | None = None
    """A code."""


async def move_message(conn: AsyncConnection, business_id: UUID, told: Delivery) -> UUID | None:
    """Adopt what a vendor says about a message of the business; the customer, if the message was for them.

    What is older than what we know changes nothing, and neither does what is about no message of ours.
    """
    found = await row_or_none(conn, _MOVE, asdict(told) | {"business_id": business_id})
    return found["customer_id"] if found is not None and found["audience"] == Audience.CUSTOMER else None


_CUSTOMERS_AT = text("""
SELECT id FROM customers WHERE business_id = :business_id AND phone = :phone ORDER BY id FOR NO KEY UPDATE
""")


async def lock_customers_at(conn: AsyncConnection, business_id: UUID, phone: str) -> list[UUID]:
    """The business's customers with this number (E.164), whose consents nobody else writes in the meantime."""
    found = await rows(conn, _CUSTOMERS_AT, {"business_id": business_id, "phone": phone})
    return [one["id"] for one in found]
