"""Writing bookings: the insert of a new one, and the compare-and-set by which a step updates one."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.audit import ADD_AFTER, Entry, line_parameters
from db.repositories.event_emission import HOLD_COLUMNS, hold_events, insert_events
from db.repositories.idempotency import SETTLE, Answer, Key, answer_parameters
from db.repositories.reservations import TAKE_TIME, Appointment
from db.repositories.rows import Row, row, row_or_none
from domain.assignment import Choice
from domain.booking import Actor, BookingState
from domain.events import SOURCE, event_type
from domain.lifecycle import Status
from domain.steps import Step, StepKind
from runtime.ids import new_id
from runtime.json import to_json_text


class Insertion(StrEnum):
    """What came of an insert. Only after `BOOKED` may the transaction commit."""

    BOOKED = "booked"
    KEY_USED = "key_used"
    """The idempotency key has an answer."""
    TIME_TAKEN = "time_taken"
    REFERENCE_USED = "reference_used"


# One round trip. Each part inserts only if the part before it did; the first missing part is the reason, and the
# caller rolls back. DO NOTHING makes concurrent transactions wait for each other's commit instead of deadlocking.
_INSERT = """
WITH key AS ({settled}), {take}, free AS (
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
    {event}
), audited AS ({audited})
SELECT EXISTS (SELECT 1 FROM key) AS key_was_new, EXISTS (SELECT 1 FROM free) AS time_was_free,
       EXISTS (SELECT 1 FROM booking) AS booked
"""

# The time is reserved for this caller until the hold expires. It may expire at any moment, so the statement that
# uses the hold checks it.
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
    RETURNING {columns}
), told AS (
    {event}
)""".format(columns=HOLD_COLUMNS, event=hold_events("redeemed", "redeemed"))  # noqa: S608

_AUDITED = ADD_AFTER.format(after="booking")
_CREATED = insert_events("""
    SELECT CAST(:event_id AS uuid), CAST(:business_id AS uuid), CAST(:event_type AS text), CAST(:source AS text),
           CAST(:subject AS text), CAST(:now AS timestamptz), CAST(:correlation_id AS text), CAST(:actor AS jsonb),
           CAST(:event_data AS jsonb)
    FROM booking""")
_PARTS = {"settled": SETTLE, "audited": _AUDITED, "event": _CREATED}
INSERT = text(_INSERT.format(take=TAKE_TIME.format(after="key"), **_PARTS))
INSERT_HELD = text(_INSERT.format(take=_REDEEM, **_PARTS))


async def insert(
    conn: AsyncConnection,
    business_id: UUID,
    state: BookingState,
    *,
    appointment: Appointment,
    customer_id: UUID,
    timezone: str,
    price_minor: int,
    currency: str,
    actor: Actor,
    key: Key,
    answer: Answer,
    correlation_id: str | None = None,
    hold_id: UUID | None = None,
    choice: Choice | None = None,
    preferred_provider_id: UUID | None = None,
    address: dict[str, Any] | None = None,
    notes: str | None = None,
    contact: dict[str, Any] | None = None,
    attribution: dict[str, Any] | None = None,
    audit: Entry | None = None,
) -> Insertion:
    """Store a new booking with its reservation, idempotency key, history row 1, event and audit line.

    Run it inside a transaction and roll that back unless the result is `BOOKED`. With `state.provider_id` it
    reserves that provider's time, or takes it over from the hold; without one it reserves nothing. `answer`
    is the one to the request of `key`; `contact` is what the customer's record has otherwise.
    """
    parameters = {
        "business_id": business_id,
        "booking_id": state.booking_id,
        **appointment.reservation(state.provider_id),
        "reserved_for": state.booking_id,
        "reserved_until": None,
        "hold_id": hold_id,
        **answer_parameters(business_id, key, answer),
        "reference": state.reference,
        "service_id": state.service_id,
        "customer_id": customer_id,
        "starts_at": state.starts_at,
        "ends_at": state.ends_at,
        "buffer_before": appointment.rules.buffer_before_minutes,
        "buffer_after": appointment.rules.buffer_after_minutes,
        "timezone": timezone,
        "price_minor": price_minor,
        "currency": currency,
        "policy": state.policy.model_dump_json(),
        "auto_accept": state.auto_accept,
        "now": state.phase_since,
        "payment": state.payment,
        "preferred_provider_id": preferred_provider_id,
        "choice": None if choice is None else choice.model_dump_json(),
        "address": _json(address),
        "notes": notes,
        "contact": _json(contact),
        "attribution": _json(attribution),
        "correlation_id": correlation_id,
        **_created_event(state, customer_id, actor),
        **line_parameters(audit),
    }
    return _insertion(await row(conn, INSERT if hold_id is None else INSERT_HELD, parameters))


def _created_event(state: BookingState, customer_id: UUID, actor: Actor) -> dict[str, Any]:
    data = {
        "bookingId": state.booking_id,
        "providerId": state.provider_id,
        "customerId": customer_id,
        "startTime": state.starts_at,
        "endTime": state.ends_at,
        "status": state.status,
    }
    return {
        "event_id": new_id(),
        "event_type": event_type(StepKind.CREATED, Status.PENDING),
        "source": SOURCE,
        "subject": str(state.booking_id),
        "actor_role": actor.role,
        "actor_id": actor.user_id,
        "actor": actor.model_dump_json(),
        "event_data": _json(data),
    }


def _insertion(parts: Row) -> Insertion:
    if not parts["key_was_new"]:
        return Insertion.KEY_USED
    if not parts["time_was_free"]:
        return Insertion.TIME_TAKEN
    return Insertion.BOOKED if parts["booked"] else Insertion.REFERENCE_USED


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else to_json_text(value)


_LOCK = text("""
SELECT b.version, b.provider_id, b.buffer_before_minutes, b.buffer_after_minutes, b.customer_id,
       b.preferred_provider_id, b.address ->> 'postal_code' AS postal_code, bs.timezone AS business_timezone,
       s.required_skills, s.slot_step_minutes, s.min_notice_minutes, s.horizon_days, s.capacity, s.daily_limit
FROM bookings b JOIN services s ON s.id = b.service_id JOIN businesses bs ON bs.id = b.business_id
WHERE b.business_id = :business_id AND b.id = :booking_id
FOR NO KEY UPDATE OF b
""")


async def lock(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> Row | None:
    """The booking with its service's present rules; nobody else writes it until the transaction ends."""
    return await row_or_none(conn, _LOCK, {"business_id": business_id, "booking_id": booking_id})


_TRACES = text("""
SELECT coalesce(bool_or(sequence = :sequence AND step_key = :key), false) AS step_written,
       min(sequence) FILTER (WHERE command_id = CAST(:command_id AS text)) AS command_version,
       coalesce(array_agg(command_id) FILTER (WHERE sequence >= :sequence AND command_id IS NOT NULL), '{}')
           AS commands_ahead,
       coalesce(array_agg(sequence) FILTER (WHERE sequence >= :sequence AND command_id IS NOT NULL), '{}')
           AS versions_ahead
FROM booking_history WHERE business_id = :business_id AND booking_id = :booking_id
""")


async def find_traces(
    conn: AsyncConnection,
    business_id: UUID,
    booking_id: UUID,
    *,
    sequence: int,
    step_key: str = "",
    command_id: str | None = None,
) -> Row:
    """What the history has of a step at this sequence and of its command, and the commands from there on."""
    parameters = {
        "business_id": business_id,
        "booking_id": booking_id,
        "sequence": sequence,
        "key": step_key,
        "command_id": command_id,
    }
    return await row(conn, _TRACES, parameters)


_STEP_EVENT = """
    SELECT CAST(:event_id AS uuid), CAST(:business_id AS uuid), CAST(:event_type AS text), CAST(:source AS text),
           CAST(id AS text), CAST(:at AS timestamptz), CAST(:correlation_id AS text), CAST(:actor AS jsonb),
           jsonb_build_object(
               'bookingId', id, 'providerId', CAST(:provider_id AS uuid), 'customerId', customer_id,
               'startTime', CAST(:starts_at AS timestamptz), 'endTime', CAST(:ends_at AS timestamptz),
               'status', CAST(:status AS text))
           || jsonb_strip_nulls(jsonb_build_object('formerProviderId', left_provider_id))
    FROM booking"""

_WRITE = text(f"""
WITH booking AS (
    UPDATE bookings SET
        status = :status, version = :sequence, starts_at = :starts_at, ends_at = :ends_at,
        provider_id = CAST(:provider_id AS uuid), auto_accept = :auto_accept, phase_since = :phase_since,
        attempt = :attempt, next_attempt_at = CAST(:next_attempt_at AS timestamptz),
        refused_provider_ids = CAST(:refused_provider_ids AS uuid[]), accepted_once = :accepted_once,
        absent_party = :absent_party, needs_attention = :needs_attention, planned_from = :planned_from,
        payment = CAST(:payment AS varchar), fee_owed_since = CAST(:fee_owed_since AS timestamptz),
        choice = CASE WHEN CAST(:provider_id AS uuid) IS NOT NULL
                      THEN coalesce(CAST(:choice AS jsonb), choice) END,
        updated_at = :at
    WHERE business_id = :business_id AND id = :booking_id AND version = :sequence - 1
      AND NOT EXISTS (
          SELECT 1 FROM booking_history
          WHERE booking_id = :booking_id AND command_id = CAST(:command_id AS text))
    RETURNING id, customer_id, nullif(old.provider_id, new.provider_id) AS left_provider_id
), history AS (
    INSERT INTO booking_history (
        booking_id, sequence, business_id, kind, step_key, old_status, new_status, actor_role, actor_id,
        reason, provider_id, command_id, occurred_at)
    SELECT id, :sequence, :business_id, :kind, :key, :old_status, :status, :actor_role, CAST(:actor_id AS uuid),
        coalesce(
            (SELECT body FROM remarks WHERE business_id = :business_id AND id = CAST(:remark_id AS uuid)),
            CAST(:reason AS text)),
        CAST(:provider_id AS uuid), :command_id, :at
    FROM booking
), event AS (
    {insert_events(_STEP_EVENT)}
), unconfirmed AS (
    INSERT INTO unconfirmed_commands (booking_id, sequence, business_id)
    SELECT id, :sequence, :business_id FROM booking WHERE CAST(:command_id AS text) IS NOT NULL
)
SELECT id FROM booking
""")  # noqa: S608


async def write_step(
    conn: AsyncConnection, business_id: UUID, step: Step, state: BookingState, choice: Choice | None
) -> bool:
    """Update the booking to `state` and add history and event; False when its version is not the one before."""
    parameters = state.model_dump(
        exclude={"booking_id", "business_id", "service_id", "policy", "version", "holds_time", "reference"}
    ) | {
        "business_id": business_id,
        "booking_id": state.booking_id,
        "sequence": state.version,
        "key": step.key,
        "command_id": step.command_id,
        "refused_provider_ids": list(state.refused_provider_ids),
        "choice": None if choice is None else choice.model_dump_json(),
        "at": step.at,
        "kind": step.kind,
        "old_status": step.old_status,
        "actor_role": step.actor.role,
        "actor_id": step.actor.user_id,
        "actor": step.actor.model_dump_json(),
        "reason": step.reason,
        "remark_id": step.remark_id,
        "correlation_id": step.correlation_id,
        "event_id": new_id(),
        "event_type": event_type(step.kind, state.status),
        "source": SOURCE,
    }
    return await row_or_none(conn, _WRITE, parameters) is not None
