"""The appointment that a customer requests, as bookings and holds share it."""

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
