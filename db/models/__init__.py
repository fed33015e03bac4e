"""All tables, so that `Base.metadata` is complete for migrations."""

from db.models.base import Base
from db.models.catalogue import Customer, Provider, Service, WeeklyHours
from db.models.scheduling import Booking, BookingHistory, Event, IdempotencyKey, Message, Remark, Reservation
from db.models.tenancy import Business, Membership, User

__all__ = [
    "Base",
    "Booking",
    "BookingHistory",
    "Business",
    "Customer",
    "Event",
    "IdempotencyKey",
    "Membership",
    "Message",
    "Provider",
    "Remark",
    "Reservation",
    "Service",
    "User",
    "WeeklyHours",
]
