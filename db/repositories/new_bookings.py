"""Writing a booking for the first time: all that makes one, in one statement."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.audit import ADD_AFTER, Entry, line_parameters
from db.repositories.calendar import TAKE_TIME
from db.repositories.rows import row
from domain.assignment import Choice
from domain.booking import Actor, BookingState
from domain.events import SCHEMA_VERSION, SOURCE, event_type
from domain.lifecycle import Status
from domain.steps import StepKind
from runtime.ids import new_id
from runtime.json import to_json_text


@dataclass(frozen=True, slots=True)
class NewBooking:
    """A booking about to be created: the state its workflow starts from, and what only the database keeps."""

    state: BookingState
    reference: str
    customer_id: UUID
    actor: Actor
    correlation_id: str | None
    buffer_before_minutes: int
    buffer_after_minutes: int
    timezone: str
    price_minor: int
    currency: str
    reservation: dict[str, Any]
    """What `TAKE_TIME` needs."""
    idempotency_scope: str
    idempotency_key: str
    request_hash: str
    response: str
    hold_id: UUID | None = None
    """The hold that this booking redeems, in place of reserving anew."""
    choice: Choice | None = None
    preferred_provider_id: UUID | None = None
    address: dict[str, Any] | None = None
    notes: str | None = None
    contact: dict[str, Any] | None = field(default=None, repr=False)
    """What was typed for it and the customer's record has otherwise."""
    attribution: dict[str, Any] | None = None
    audit: Entry | None = None
    """The line of the audit log that is written with it."""


@dataclass(frozen=True, slots=True)
class Inserted:
    """How far the creation came. Only when `booked` holds may the transaction be committed."""

    key_was_new: bool
    time_was_free: bool
    booked: bool


# One round trip. Each part inserts only what the one before it let through; what is missing at the end tells
# why, and the caller rolls back. DO NOTHING makes rivals wait for each other's commit instead of deadlocking.
_INSERT = """
WITH key AS (
    INSERT INTO idempotency_keys (scope, key, business_id, request_hash, response)
    VALUES (:scope, :key, :business_id, :request_hash, :response)
    ON CONFLICT DO NOTHING RETURNING 1
), {take}, free AS (
    SELECT 1 FROM key WHERE CAST(:provider_id AS uuid) IS NULL OR EXISTS (SELECT 1 FROM slot)
), booking AS (
    INSERT INTO bookings (
        id, business_id, reference, service_id, provider_id, customer_id, status, version, starts_at, ends_at,
        buffer_before_minutes, buffer_after_minutes, timezone, price_minor, currency, policy, auto_accept,
        phase_since, attempt, next_attempt_at, accepted_once, needs_attention, planned_from,
        payment, preferred_provider_id, choice, address, notes, contact, attribution, created_at, updated_at)
    SELECT :booking_id, :business_id, :reference, :service_id, CAST(:provider_id AS uuid), :customer_id,
        'pending', 1, :starts_at, :ends_at, :buffer_before, :buffer_after, :timezone, :price_minor, :currency,
        CAST(:policy AS jsonb), :auto_accept, :now, 0, :now, false, false, :now,
        CAST(:payment AS varchar), CAST(:preferred_provider_id AS uuid), CAST(:choice AS jsonb),
        CAST(:address AS jsonb), :notes, CAST(:contact AS jsonb), CAST(:attribution AS jsonb), :now, :now
    FROM free
    ON CONFLICT DO NOTHING RETURNING 1
), history AS (
    INSERT INTO booking_history (
        booking_id, sequence, business_id, kind, step_key, new_status, actor_role, actor_id, provider_id,
        occurred_at)
    SELECT :booking_id, 1, :business_id, 'created', 'created', 'pending', :actor_role, CAST(:actor_id AS uuid),
        CAST(:provider_id AS uuid), :now
    FROM booking
), event AS (
    INSERT INTO events (
        id, business_id, type, source, subject, time, correlation_id, actor, data, schema_version)
    SELECT :event_id, :business_id, :event_type, :source, :subject, :now, :correlation_id,
        CAST(:actor AS jsonb), CAST(:event_data AS jsonb), :schema_version
    FROM booking
), audited AS ({audited})
SELECT EXISTS (SELECT 1 FROM key) AS key_was_new, EXISTS (SELECT 1 FROM free) AS time_was_free,
       EXISTS (SELECT 1 FROM booking) AS booked
"""

# The time is this caller's already, as long as the hold lasts. It may run out between any two requests, so it is
# here, in the statement that needs it, that it is looked at.
_REDEEM = """
slot AS (
    UPDATE reservations SET booking_id = CAST(:reserved_for AS uuid), expires_at = NULL
    WHERE business_id = :business_id AND id = CAST(:hold_id AS uuid) AND provider_id = CAST(:provider_id AS uuid)
      AND during = tstzrange(:taken_from, :taken_until)
      AND expires_at > statement_timestamp() AND EXISTS (SELECT 1 FROM key)
    RETURNING id
), redeemed AS (
    UPDATE holds SET booking_id = CAST(:reserved_for AS uuid)
    WHERE business_id = :business_id AND id IN (SELECT id FROM slot)
)"""

_AUDITED = ADD_AFTER.format(after="booking")
INSERT = text(_INSERT.format(take=TAKE_TIME.format(after="key"), audited=_AUDITED))
INSERT_HELD = text(_INSERT.format(take=_REDEEM, audited=_AUDITED))


async def insert(conn: AsyncConnection, business_id: UUID, new: NewBooking) -> Inserted:
    """Store a new booking with its reservation, idempotency key, history row 1, event and audit line.

    Must run inside a transaction, which must be rolled back unless the booking was `booked`. With
    `state.provider_id` the time of that provider is reserved, or taken over from a hold; without one nobody's is.
    """
    statement = INSERT if new.hold_id is None else INSERT_HELD
    return Inserted(**await row(conn, statement, _insert_parameters(business_id, new)))


def _insert_parameters(business_id: UUID, new: NewBooking) -> dict[str, Any]:
    state = new.state
    return {
        "business_id": business_id,
        "booking_id": state.booking_id,
        **new.reservation,
        "reserved_for": state.booking_id,
        "reserved_until": None,
        "hold_id": new.hold_id,
        "event_id": new_id(),
        "scope": new.idempotency_scope,
        "key": new.idempotency_key,
        "request_hash": new.request_hash,
        "response": new.response,
        "reference": new.reference,
        "service_id": state.service_id,
        "customer_id": new.customer_id,
        "starts_at": state.starts_at,
        "ends_at": state.ends_at,
        "buffer_before": new.buffer_before_minutes,
        "buffer_after": new.buffer_after_minutes,
        "timezone": new.timezone,
        "price_minor": new.price_minor,
        "currency": new.currency,
        "policy": state.policy.model_dump_json(),
        "auto_accept": state.auto_accept,
        "now": state.phase_since,
        "payment": state.payment,
        "preferred_provider_id": new.preferred_provider_id,
        "choice": None if new.choice is None else new.choice.model_dump_json(),
        "address": _json(new.address),
        "notes": new.notes,
        "contact": _json(new.contact),
        "attribution": _json(new.attribution),
        "actor_role": new.actor.role,
        "actor_id": new.actor.user_id,
        "event_type": event_type(StepKind.CREATED, Status.PENDING),
        "source": SOURCE,
        "subject": str(state.booking_id),
        "correlation_id": new.correlation_id,
        "actor": new.actor.model_dump_json(),
        "event_data": _json(
            {
                "bookingId": state.booking_id,
                "providerId": state.provider_id,
                "customerId": new.customer_id,
                "startTime": state.starts_at,
                "endTime": state.ends_at,
                "status": state.status,
            }
        ),
        "schema_version": SCHEMA_VERSION,
        **line_parameters(new.audit),
    }


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else to_json_text(value)
