"""All tables, so that `Base.metadata` is complete for migrations."""

from db.models.base import Base
from db.models.catalogue import Provider, Service
from db.models.customers import Consent, Customer
from db.models.external import ExternalSource, ExternalTime
from db.models.schedule import DateException, ServiceArea, TimeOff, WeeklyHours
from db.models.scheduling import (
    Booking,
    BookingHistory,
    Event,
    Hold,
    IdempotencyKey,
    Message,
    Remark,
    Reservation,
)
from db.models.tenancy import Business, Membership, User

__all__ = [
    "Base",
    "Booking",
    "BookingHistory",
    "Business",
    "Consent",
    "Customer",
    "DateException",
    "Event",
    "ExternalSource",
    "ExternalTime",
    "Hold",
    "IdempotencyKey",
    "Membership",
    "Message",
    "Provider",
    "Remark",
    "Reservation",
    "Service",
    "ServiceArea",
    "TimeOff",
    "User",
    "WeeklyHours",
]
