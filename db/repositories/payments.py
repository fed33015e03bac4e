"""Payments of bookings: their rows, and the events about them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import effect_planning
from db.repositories.event_emission import insert_events
from db.repositories.rows import Row, execute, row, row_or_none, rows
from domain.effects import EffectKind, Planned, Port, SequenceKey, Vendor
from domain.errors import NothingToPayError, TooManyPaymentTriesError
from domain.lifecycle import Role
from domain.payments import PAYMENT_SOURCE, Collect, Payment, PaymentEvent, PaymentState
from domain.steps import BookingRef
from runtime.json import to_json_text

_ADD = text("""
INSERT INTO payments (
    booking_id, business_id, vendor, collect, amount_minor, currency, state, method_encrypted, tries)
VALUES (
    :booking_id, :business_id, :vendor, :collect, :amount, :currency, 'awaiting', CAST(:method AS text), :tries)
""")


@dataclass(frozen=True, slots=True)
class NewPayment:
    """The payment of a new booking."""

    booking_id: UUID
    vendor: Vendor
    collect: Collect
    amount: int
    """In the currency's minor unit."""
    currency: str
    method_encrypted: str | None = field(default=None, repr=False)


async def add(conn: AsyncConnection, business_id: UUID, new: NewPayment) -> None:
    """Store the payment, and plan its authorisation if there is a method. Within the booking's transaction."""
    tries = 0 if new.method_encrypted is None else 1
    parameters = {
        "booking_id": new.booking_id,
        "business_id": business_id,
        "vendor": new.vendor,
        "collect": new.collect,
        "amount": new.amount,
        "currency": new.currency,
        "method": new.method_encrypted,
        "tries": tries,
    }
    await execute(conn, _ADD, parameters)
    if tries:
        await effect_planning.plan(conn, business_id, new.booking_id, [authorization(new.booking_id, tries)])


def authorization(booking_id: UUID, number: int) -> Planned:
    """The effect that tries a method; each try has its own key."""
    kind = EffectKind.AUTHORIZE_PAYMENT
    key = f"{booking_id}/{kind}/{number}"
    return Planned(
        kind=kind, port=Port.PAYMENTS, key=key, sequence_key=SequenceKey.PAYMENT, subject={"try": number}
    )


# --- the customer's actions -----------------------------------------------------------------------------------

# No step of the booking commits meanwhile: its end is either seen here or plans its effects after this.
_LOCK_BOOKING = text("""
SELECT id FROM bookings
WHERE business_id = :business_id AND id = :booking_id AND payment = 'awaiting'
  AND status NOT IN ('completed', 'cancelled')
FOR SHARE
""")

# One that only waits for its next attempt would keep the next try waiting as long. What it did at the gateway, if
# anything, that try finds.
_GIVE_UP = text(f"""
UPDATE effects SET state = 'obsolete', last_error = 'superseded', next_attempt_at = NULL,
    done_at = statement_timestamp()
WHERE business_id = :business_id AND booking_id = :booking_id AND kind = '{EffectKind.AUTHORIZE_PAYMENT}'
  AND state = 'retrying'
""")  # noqa: S608

_TRY = text(f"""
UPDATE payments p SET
    tries = tries + 1, state = 'awaiting', method_encrypted = :method, gateway_ref = NULL, action_encrypted = NULL,
    failure = NULL, keep_minor = NULL, updated_at = clock_timestamp(),
    captured_minor = CASE WHEN state = 'refunded' THEN 0 ELSE captured_minor END,
    refunded_minor = CASE WHEN state = 'refunded' THEN 0 ELSE refunded_minor END
WHERE business_id = :business_id AND booking_id = :booking_id AND tries < :most
  AND state IN ('awaiting', 'action_required', 'declined', 'released', 'refunded')
  AND NOT EXISTS (
      SELECT 1 FROM effects e
      WHERE e.business_id = p.business_id AND e.booking_id = p.booking_id
        AND e.kind = '{EffectKind.AUTHORIZE_PAYMENT}' AND e.state IN ('pending', 'running', 'retrying'))
RETURNING tries
""")  # noqa: S608

MOST_TRIES: Final = 10
"""Methods per booking: testing stolen cards needs more."""


async def try_method(conn: AsyncConnection, business_id: UUID, booking_id: UUID, method_encrypted: str) -> None:
    """Plan a try of another method.

    Raises:
        NothingToPayError: the booking waits for no payment, or a method is being tried now.
        TooManyPaymentTriesError: `MOST_TRIES` is reached.
    """
    place = {"business_id": business_id, "booking_id": booking_id}
    known = None
    if await row_or_none(conn, _LOCK_BOOKING, place) is not None:
        known = await row_or_none(conn, _LOCK, place)
    if known is None:
        raise NothingToPayError
    await execute(conn, _GIVE_UP, place)
    found = await row_or_none(conn, _TRY, place | {"method": method_encrypted, "most": MOST_TRIES})
    if found is None:
        raise TooManyPaymentTriesError if known["tries"] >= MOST_TRIES else NothingToPayError
    await effect_planning.plan(conn, business_id, booking_id, [authorization(booking_id, found["tries"])])


_FIND = text("""
SELECT p.*, b.status, b.payment AS gate, b.price_minor, i.settings AS gateway_settings
FROM payments p
JOIN bookings b ON b.business_id = p.business_id AND b.id = p.booking_id
LEFT JOIN integrations i ON i.business_id = p.business_id AND i.vendor = p.vendor
WHERE p.business_id = :business_id AND p.booking_id = :booking_id
""")


async def find(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> Row | None:
    """A booking's payment, with the booking's status and price and the gateway's settings."""
    return await row_or_none(conn, _FIND, {"business_id": business_id, "booking_id": booking_id})


def as_payment(found: Row) -> Payment:
    """A row as a `Payment`, without the encrypted browser action."""
    return Payment(
        state=PaymentState(found["state"]),
        tries=found["tries"],
        amount=found["amount_minor"],
        captured=found["captured_minor"],
        refunded=found["refunded_minor"],
        keep=found["keep_minor"],
        gateway_ref=found["gateway_ref"],
        failure=found["failure"],
    )


# --- the gateway's state --------------------------------------------------------------------------------------

_LOCK = text("""
SELECT * FROM payments WHERE business_id = :business_id AND booking_id = :booking_id FOR NO KEY UPDATE
""")

_SAVE = text("""
UPDATE payments SET
    state = CAST(:state AS varchar), tries = :tries, gateway_ref = CAST(:gateway_ref AS varchar),
    failure = CAST(:failure AS varchar), action_encrypted = CAST(:action AS text),
    captured_minor = :captured, refunded_minor = :refunded, keep_minor = CAST(:keep AS integer),
    authorized_at = CASE CAST(:state AS varchar)
        WHEN 'authorized' THEN coalesce(authorized_at, statement_timestamp()) ELSE authorized_at END,
    method_encrypted = CASE
        WHEN CAST(:state AS varchar) IN ('captured', 'released', 'refunded') THEN NULL ELSE method_encrypted END,
    updated_at = clock_timestamp()
WHERE business_id = :business_id AND booking_id = :booking_id
""")

_NOTE_PAYER = text("""
UPDATE payments SET payer_ref = coalesce(payer_ref, :payer_ref)
WHERE business_id = :business_id AND booking_id = :booking_id
RETURNING payer_ref
""")


async def record_payer(conn: AsyncConnection, business_id: UUID, booking_id: UUID, payer_ref: str) -> str:
    """Store the gateway's payer before anybody is charged; returns the stored one."""
    parameters = {"business_id": business_id, "booking_id": booking_id, "payer_ref": payer_ref}
    return str((await row(conn, _NOTE_PAYER, parameters))["payer_ref"])


async def lock(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> Row:
    """The payment, locked until the transaction ends."""
    return await row(conn, _LOCK, {"business_id": business_id, "booking_id": booking_id})


async def save(
    conn: AsyncConnection, business_id: UUID, booking_id: UUID, payment: Payment, action_encrypted: str | None
) -> None:
    """Write a payment's state. The method is deleted once nothing more can be charged."""
    parameters = {
        "business_id": business_id,
        "booking_id": booking_id,
        "state": payment.state,
        "tries": payment.tries,
        "gateway_ref": payment.gateway_ref,
        "failure": payment.failure,
        "action": action_encrypted,
        "captured": payment.captured,
        "refunded": payment.refunded,
        "keep": payment.keep,
    }
    await execute(conn, _SAVE, parameters)


_EVENT = text(
    insert_events("""
    SELECT CAST(:id AS uuid), p.business_id, CAST(:type AS text), CAST(:source AS text),
           CAST(p.booking_id AS text), now(), CAST(NULL AS text), CAST(:actor AS jsonb),
           jsonb_build_object('bookingId', p.booking_id, 'customerId', b.customer_id,
                              'amountMinor', CAST(:amount AS integer), 'currency', p.currency, 'vendor', p.vendor,
                              'gatewayRef', p.gateway_ref)
    FROM payments p JOIN bookings b ON b.business_id = p.business_id AND b.id = p.booking_id
    WHERE p.business_id = :business_id AND p.booking_id = :booking_id
""")
)


async def add_events(
    conn: AsyncConnection, business_id: UUID, booking_id: UUID, after: Payment, events: Sequence[PaymentEvent]
) -> None:
    """Add the events of a payment's change; repeated events are added once."""
    for event in events:
        name = f"{booking_id}/{event.type}/{after.gateway_ref}/{after.tries}/{after.captured}/{after.refunded}"
        parameters = {
            "id": uuid5(NAMESPACE_URL, name),
            "business_id": business_id,
            "booking_id": booking_id,
            "type": event.type,
            "source": PAYMENT_SOURCE,
            "actor": to_json_text({"role": Role.SYSTEM}),
            "amount": event.amount,
        }
        await execute(conn, _EVENT, parameters)


# --- what the booking's workflow has not been told --------------------------------------------------------------

_UNNOTIFIED = """
SELECT p.booking_id, p.business_id FROM {where}
JOIN bookings b ON b.business_id = p.business_id AND b.id = p.booking_id
WHERE {which} AND b.payment = 'awaiting' AND b.status NOT IN ('completed', 'cancelled')
"""
_UNNOTIFIED_OF = text(
    _UNNOTIFIED.format(
        where="effects e JOIN payments p ON p.business_id = e.business_id AND p.booking_id = e.booking_id",
        which="e.business_id = :business_id AND e.id = :effect_id AND p.state IN ('authorized', 'captured')",
    )
)
_ALL_UNNOTIFIED = text(_UNNOTIFIED.format(where="payments p", which="p.state = 'authorized'") + "LIMIT :limit")


async def find_unnotified(conn: AsyncConnection, business_id: UUID, effect_id: UUID) -> BookingRef | None:
    """The booking of a payment effect, if it still waits for a payment that is there."""
    found = await row_or_none(conn, _UNNOTIFIED_OF, {"business_id": business_id, "effect_id": effect_id})
    return None if found is None else BookingRef(**dict(found))


async def list_unnotified(conn: AsyncConnection, *, limit: int) -> list[BookingRef]:
    """Bookings of all tenants that still wait for a payment that is there."""
    return [BookingRef(**dict(found)) for found in await rows(conn, _ALL_UNNOTIFIED, {"limit": limit})]
