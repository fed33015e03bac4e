"""All tables, so that `Base.metadata` is complete for migrations."""

from db.models.attachments import Attachment
from db.models.base import Base
from db.models.catalogue import Provider, Service
from db.models.customers import Consent, Customer
from db.models.effects import Effect, Finding, InboundEvent, Integration, WebhookEndpoint
from db.models.external_calendars import ExternalSource, ExternalTime
from db.models.identity import AccountRequest, AccountToken, ApiKey, LoginAttempts, RefreshToken, Session
from db.models.messages import Message, MessageTemplate
from db.models.operations import AuditEntry, Lease, RateCounter, StreamTicket
from db.models.payments import Payment
from db.models.schedule import DateException, ServiceArea, TimeOff, WeeklyHours
from db.models.scheduling import (
    Booking,
    BookingHistory,
    Event,
    EventPosition,
    Hold,
    IdempotencyKey,
    Remark,
    Reservation,
    UnconfirmedCommand,
)
from db.models.tenancy import Business, BusinessOrigin, InstallationMail, Membership, User

__all__ = [
    "AccountRequest",
    "AccountToken",
    "ApiKey",
    "Attachment",
    "AuditEntry",
    "Base",
    "Booking",
    "BookingHistory",
    "Business",
    "BusinessOrigin",
    "Consent",
    "Customer",
    "DateException",
    "Effect",
    "Event",
    "EventPosition",
    "ExternalSource",
    "ExternalTime",
    "Finding",
    "Hold",
    "IdempotencyKey",
    "InboundEvent",
    "InstallationMail",
    "Integration",
    "Lease",
    "LoginAttempts",
    "Membership",
    "Message",
    "MessageTemplate",
    "Payment",
    "Provider",
    "RateCounter",
    "RefreshToken",
    "Remark",
    "Reservation",
    "Service",
    "ServiceArea",
    "Session",
    "StreamTicket",
    "TimeOff",
    "UnconfirmedCommand",
    "User",
    "WebhookEndpoint",
    "WeeklyHours",
]
