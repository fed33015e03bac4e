"""All tables, so that `Base.metadata` is complete for migrations."""

from db.models.base import Base
from db.models.catalogue import Provider, Service
from db.models.customers import Consent, Customer
from db.models.external import ExternalSource, ExternalTime
from db.models.identity import AccountRequest, AccountToken, ApiKey, LoginAttempts, RefreshToken, Session
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
from db.models.tenancy import Business, BusinessOrigin, Membership, User
from db.models.traffic import AuditEntry, RateCounter

__all__ = [
    "AccountRequest",
    "AccountToken",
    "ApiKey",
    "AuditEntry",
    "Base",
    "Booking",
    "BookingHistory",
    "Business",
    "BusinessOrigin",
    "Consent",
    "Customer",
    "DateException",
    "Event",
    "ExternalSource",
    "ExternalTime",
    "Hold",
    "IdempotencyKey",
    "LoginAttempts",
    "Membership",
    "Message",
    "Provider",
    "RateCounter",
    "RefreshToken",
    "Remark",
    "Reservation",
    "Service",
    "ServiceArea",
    "Session",
    "TimeOff",
    "User",
    "WeeklyHours",
]
