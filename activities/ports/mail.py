"""E-mails to people about their bookings."""

from dataclasses import dataclass, field
from typing import Protocol

from activities.ports.vendors import Call


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail, ready to be sent. Nothing of it may be said in a log but its ids."""

    message_id: str
    """The left part of `Message-ID` (RFC 5322), constant over all attempts: mail systems know doubles by it."""
    kind: str
    """What it is: `confirmed`, `reminder`, …"""
    to: str = field(repr=False)
    to_name: str = field(repr=False)
    sender_name: str
    """The business; its address is the integration's or the installation's."""
    reply_to: str | None = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    calendar: bytes | None = field(default=None, repr=False)
    """An iCalendar object (RFC 5545) to go with it."""
    calendar_method: str | None = None
    """Its METHOD: `REQUEST` or `CANCEL` (RFC 5546)."""


class Mailer(Protocol):
    """Sends e-mails by one vendor."""

    async def send(self, call: Call, mail: Mail) -> str | None:
        """Send it, or find that an attempt before this one has; what the vendor calls it.

        Raises:
            VendorError: it could not be sent.
        """
