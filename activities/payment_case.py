"""A payment that is being worked on: as it is stored, and what its gateway does with it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from activities.ports.payments import DeclinedError, Gateway, Order
from activities.ports.vendors import Call
from db.repositories import payments
from db.repositories.rows import Row
from domain.effects import VendorError
from domain.lifecycle import Status
from domain.payments import Charge, ChargeState, Payment

_LOW_ON_MONEY: Final = frozenset({"balance_insufficient", "insufficient_balance", "insufficient_funds"})
"""The business's own balance does not cover a refund; payments to come fill it.

https://docs.stripe.com/refunds
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A payment as it is stored, and the gateway as its business reaches it.

    Every method raises `VendorError` when it could not be done. Only `authorize` says that a method was declined:
    what else a gateway declines is a refusal.
    """

    booking_id: UUID
    business_id: UUID
    stored: Payment
    status: Status
    price: int
    currency: str
    payer: str | None
    method_encrypted: str | None = field(repr=False)
    gateway: Gateway = field(repr=False)
    call: Call = field(repr=False)

    async def charges(self) -> list[Charge]:
        """All that the gateway has of this booking."""
        if self.payer is None:
            return []
        return [_decided(charge) for charge in await self.gateway.charges(self.call, self.payer)]

    async def authorize(self, order: Order) -> Charge:
        """Have the money promised.

        Raises:
            DeclinedError: this method pays nothing.
        """
        return _decided(await self.gateway.authorize(self.call, order))

    async def capture(self, ref: str, amount: int) -> Charge:
        """Take the money, in the currency's minor unit."""
        with _refusals():
            return await self.gateway.capture(self.call, ref, amount)

    async def void(self, ref: str) -> None:
        """Let go what was promised."""
        with _refusals():
            await self.gateway.void(self.call, ref)

    async def void_open(self, charges: Sequence[Charge]) -> None:
        """Let nobody go on with any of these tries."""
        for charge in charges:
            if charge.state not in (ChargeState.VOID, ChargeState.CAPTURED):
                await self.void(charge.ref)

    async def refund(self, ref: str, amount: int) -> None:
        """Give back so much, in the currency's minor unit. That the business has too little there may pass."""
        with _refusals(passing=_LOW_ON_MONEY):
            await self.gateway.refund(self.call, ref, amount)


def case_of(found: Row, gateway: Gateway, call: Call) -> Case:
    """The payment in a row of `payments.find`."""
    return Case(
        booking_id=found["booking_id"],
        business_id=found["business_id"],
        stored=payments.as_payment(found),
        status=Status(found["status"]),
        price=found["price_minor"],
        currency=found["currency"],
        payer=found["payer_ref"],
        method_encrypted=found["method_encrypted"],
        gateway=gateway,
        call=call,
    )


def _decided(charge: Charge) -> Charge:
    """The same; wait for a gateway that has not made up its mind."""
    if charge.state is ChargeState.PROCESSING:
        raise VendorError("processing")
    return charge


@contextmanager
def _refusals(passing: frozenset[str] = frozenset()) -> Iterator[None]:
    """Make a refusal of what was declined; one whose code is among `passing` is tried again."""
    try:
        yield
    except DeclinedError as declined:
        raise VendorError(declined.code, permanent=declined.code not in passing) from None
    except VendorError as error:
        if error.permanent and error.code in passing:
            raise VendorError(error.code) from None
        raise
