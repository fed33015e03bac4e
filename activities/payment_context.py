"""One booking's payment during an effect: the stored payment with its gateway."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from activities.ports import ChargeRequest, DeclinedError, Gateway
from activities.vendor_calls import Call
from db.repositories import payments
from db.repositories.rows import Row
from domain.effects import VendorError
from domain.lifecycle import Status
from domain.payments import Charge, ChargeState, Payment

_INSUFFICIENT_BALANCE: Final = frozenset({"balance_insufficient", "insufficient_balance", "insufficient_funds"})
"""The business's own balance does not cover a refund yet; later payments raise it.

https://docs.stripe.com/refunds
"""


@dataclass(frozen=True, slots=True)
class PaymentContext:
    """A stored payment, with the gateway called through its business's account.

    Every method raises `VendorError` when it fails. Only `authorize` raises `DeclinedError`: anything else that a
    gateway declines is an error. Amounts are in the currency's minor unit.
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
        """All the gateway's charges of this booking."""
        if self.payer is None:
            return []
        return [_require_final(charge) for charge in await self.gateway.charges(self.call, self.payer)]

    async def authorize(self, request: ChargeRequest) -> Charge:
        """Authorise the amount.

        Raises:
            DeclinedError: the method was declined.
        """
        return _require_final(await self.gateway.authorize(self.call, request))

    async def capture(self, ref: str, amount: int) -> Charge:
        """Capture this part of the authorised amount."""
        with _declines_as_errors():
            return await self.gateway.capture(self.call, ref, amount)

    async def void(self, ref: str) -> None:
        """Release the authorisation."""
        with _declines_as_errors():
            await self.gateway.void(self.call, ref)

    async def void_open(self, charges: Sequence[Charge]) -> None:
        """Void all of these charges that are not final, so that nobody can continue them."""
        for charge in charges:
            if charge.state not in (ChargeState.VOID, ChargeState.CAPTURED):
                await self.void(charge.ref)

    async def refund(self, ref: str, amount: int) -> None:
        """Refund this amount. Too low a balance of the business's account is a temporary error."""
        with _declines_as_errors(temporary=_INSUFFICIENT_BALANCE):
            await self.gateway.refund(self.call, ref, amount)


def payment_context(found: Row, gateway: Gateway, call: Call) -> PaymentContext:
    """The payment in a row of `payments.find`."""
    return PaymentContext(
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


def _require_final(charge: Charge) -> Charge:
    """The charge. Raises a temporary error while the gateway is still processing it."""
    if charge.state is ChargeState.PROCESSING:
        raise VendorError("processing")
    return charge


@contextmanager
def _declines_as_errors(temporary: frozenset[str] = frozenset()) -> Iterator[None]:
    """Turn a decline into a `VendorError`; errors with one of the `temporary` codes are tried again."""
    try:
        yield
    except DeclinedError as declined:
        raise VendorError(declined.code, permanent=declined.code not in temporary) from None
    except VendorError as error:
        if error.permanent and error.code in temporary:
            raise VendorError(error.code) from None
        raise
