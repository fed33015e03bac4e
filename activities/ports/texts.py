"""Text messages to people about their bookings."""

from dataclasses import dataclass, field
from typing import Protocol

from activities.ports.vendors import Call


@dataclass(frozen=True, slots=True)
class Text:
    """A text message, ready to be sent."""

    to: str = field(repr=False)
    """E.164."""
    body: str = field(repr=False)


class Texter(Protocol):
    """Sends text messages by one vendor."""

    async def send(self, call: Call, text: Text) -> str | None:
        """Send it, or find that an attempt before this one has; what the vendor calls it.

        Raises:
            RecipientOptedOutError: they have told the vendor to stop.
            VendorError: it could not be sent.
        """


class RecipientOptedOutError(Exception):
    """The vendor knows that they want no more texts from this sender."""
