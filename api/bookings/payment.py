"""What a new booking is to be paid with, and when the business cannot take that."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from api.bookings.guests import invalid
from api.bookings.schemas import PaymentMethodIn
from api.deps import AppState
from db.repositories import payments
from db.repositories.catalogue import Offering
from db.repositories.payments import NewPayment
from domain.effects import Vendor
from domain.errors import PaymentUnavailableError
from domain.payments import Collect, amount_due, can_take
from runtime.secrets import Secrets, SecretsKeyMissingError


@dataclass(frozen=True, slots=True)
class Due:
    """What a booking of the service costs through Holdfast."""

    vendor: Vendor
    collect: Collect
    amount: int
    """In the currency's minor unit."""
    currency: str
    method_encrypted: str | None = field(repr=False)


def due_of(app: AppState, offering: Offering, method: PaymentMethodIn | None) -> Due | None:
    """What is to be paid, with the method if there is one already; none where nothing is asked for.

    Raises:
        PaymentUnavailableError: the business has no gateway, or one that does not take such an amount.
        InvalidRequestError: a method was given for what costs nothing here.
    """
    amount = amount_due(offering.payment_mode, offering.price_minor, offering.deposit_minor)
    if not amount:
        if method is not None:
            raise invalid("/body/payment", "this service asks for no payment")
        return None
    gateway = offering.gateway
    if gateway is None or not can_take(gateway, amount, offering.currency):
        raise PaymentUnavailableError
    encrypted = None if method is None else encrypted_method(app, method)
    return Due(gateway, offering.collect, amount, offering.currency, encrypted)


def encrypted_method(app: AppState, method: PaymentMethodIn) -> str:
    """The gateway's token, as it is kept.

    Raises:
        PaymentUnavailableError: there is no key to keep it by.
    """
    try:
        return Secrets(app.settings.secrets_key).encrypt(method.method)
    except SecretsKeyMissingError as error:
        raise PaymentUnavailableError from error


async def add(conn: AsyncConnection, business_id: UUID, booking_id: UUID, due: Due) -> None:
    """Store it with its booking, in the same transaction, and have a method tried."""
    new = NewPayment(
        booking_id=booking_id,
        vendor=due.vendor,
        collect=due.collect,
        amount=due.amount,
        currency=due.currency,
        method_encrypted=due.method_encrypted,
    )
    await payments.add(conn, business_id, new)
