"""Telling whoever measures a business's advertising that a booking came of it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from activities.ports.vendors import Call
from domain.attribution import Attribution


@dataclass(frozen=True, slots=True)
class Conversion:
    """A booking that was accepted, of a customer who has agreed that this is told."""

    booking_id: UUID
    reference: str
    """Unique in the business; people use it, but it opens nothing."""
    happened_at: datetime
    booked_at: datetime
    value: Decimal
    """In the currency's own unit."""
    currency: str
    service: str
    """The code of what was booked."""
    customer_id: UUID
    may_personalise: bool
    """They have agreed to marketing as well."""
    attribution: Attribution = field(repr=False)
    name: str = field(repr=False)
    email: str | None = field(repr=False)
    phone: str | None = field(repr=False)
    """E.164."""


class Analytics(Protocol):
    """Reports to one vendor. People's data leave here as digests only."""

    async def report(self, call: Call, conversion: Conversion) -> str | None:
        """Report it; what the vendor calls it. Reported again, the vendor counts it once.

        Raises:
            ObsoleteError: `too_late`, or `no_click` when nothing ties it to an advertisement.
            VendorError: it could not be reported.
        """
