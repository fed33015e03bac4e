"""Values that the commands share: the requested appointment, and the key of a request."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class AppointmentRequest:
    """A requested appointment; business and service by id, or by slug and code."""

    business: str
    service: str
    starts_at: datetime
    provider_id: UUID | None = None
    preferred_provider_id: UUID | None = None
    postal_code: str | None = None


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The idempotency key of a request: `digest` is the hash of its body, `scope` names caller and operation."""

    scope: str
    key: str
    digest: str
