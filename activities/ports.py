"""What the activities need of the outside world. Adapters are wired in by `worker/registry.py` alone."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message, rendered. Recipients are ids: the adapter looks up the address when it sends."""

    key: str
    business_id: UUID
    booking_id: UUID
    kind: str
    audience: str
    body: str


class MessagePort(Protocol):
    """Takes messages to people."""

    channel: str
    """Name under which the message is recorded (`console`, later `email`, `sms`)."""

    async def send(self, message: OutgoingMessage) -> None:
        """Send it; sending the same key again must not reach anybody twice where the channel can tell."""
