"""Payments of bookings, through a gateway that keeps the cards."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from activities.ports.vendors import Call
from domain.payments import Charge


@dataclass(frozen=True, slots=True)
class Order:
    """One try at a booking's payment. Amounts in the currency's minor unit."""

    booking_id: UUID
    number: int
    """Which try it is, from 1."""
    amount: int
    currency: str
    """ISO 4217."""
    payer: str
    """The gateway's id of whom it is charged to."""
    method: str = field(repr=False)
    """The gateway's token of the customer's card or account."""
    off_session: bool = False
    """The customer is not there, and agreed to it when an earlier try was made."""


class DeclinedError(Exception):
    """The method is none that pays; `code` is the gateway's, or `invalid_method`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Gateway(Protocol):
    """Takes, keeps and gives back money by one vendor.

    Whatever it is asked twice under the same call's key it does once, for as long as the vendor remembers keys;
    after that, `charges` tells what was done. Every method raises `VendorError` when it could not be done.
    """

    async def payer(self, call: Call, booking_id: UUID) -> str:
        """The gateway's id of whom this booking is charged to; made for it, and without anything personal."""

    async def charges(self, call: Call, payer: str) -> Sequence[Charge]:
        """Every try at payments of this payer, as it is now and without delay; the first first."""

    async def authorize(self, call: Call, order: Order) -> Charge:
        """Have the money promised, to be captured later.

        Raises:
            DeclinedError: this method pays nothing.
        """

    async def capture(self, call: Call, ref: str, amount: int) -> Charge:
        """Take the money, all that was promised or less; the rest is let go."""

    async def void(self, call: Call, ref: str) -> None:
        """Let go what was promised, and let nobody go on with that try."""

    async def refund(self, call: Call, ref: str, amount: int) -> None:
        """Give back so much of what was taken."""
