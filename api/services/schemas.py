"""Shapes of services on the wire."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field

from api.businesses.keys import OwnCode
from api.businesses.schemas import ABSENT
from api.shapes import CurrencyCode, Flag, In, Line, Money, Skills, Text
from db.repositories.rows import Row

Description = Annotated[Text, Field(max_length=2000)]
Duration = Annotated[int, Field(ge=1, le=7 * 24 * 60)]
Buffer = Annotated[int, Field(ge=0, le=24 * 60)]
Capacity = Annotated[int, Field(ge=1, le=1000, description="Seats; more than one makes it a group session.")]
SlotStep = Annotated[int, Field(ge=1, le=24 * 60)]
Notice = Annotated[int, Field(ge=0, le=365 * 24 * 60, description="It is booked at least so long before.")]
Horizon = Annotated[int, Field(ge=1, le=3650)]
DailyLimit = Annotated[int, Field(ge=1, le=10_000)]


def _whole(value: Any) -> Any:
    # Left to itself, the shape takes 35.00 for 35: a price a hundred times too low.
    if isinstance(value, float | bool) or (isinstance(value, str) and not value.strip().isdecimal()):
        raise ValueError("a whole number of the currency's minor unit: 3500 for 35.00")
    return value


class PriceIn(In):
    amount_minor: Annotated[int, Field(ge=0, le=2_000_000_000), BeforeValidator(_whole)]
    currency: CurrencyCode | None = None
    """None: the business's for a new service, the same as before for another."""


class ServiceIn(In):
    code: OwnCode | None = None
    """None: made from the name."""
    name: Line
    description: Description = ""
    duration_minutes: Duration
    buffer_before_minutes: Buffer = 0
    buffer_after_minutes: Buffer = 0
    price: PriceIn
    capacity: Capacity = 1
    slot_step_minutes: SlotStep = 15
    min_notice_minutes: Notice = 0
    horizon_days: Horizon | None = 365
    daily_limit: DailyLimit | None = None
    required_skills: Skills = Field(default_factory=list)
    active: Flag = True


class ServiceChange(In):
    code: OwnCode = ABSENT
    name: Line = ABSENT
    description: Description = ABSENT
    duration_minutes: Duration = ABSENT
    buffer_before_minutes: Buffer = ABSENT
    buffer_after_minutes: Buffer = ABSENT
    price: PriceIn = ABSENT
    capacity: Capacity = ABSENT
    slot_step_minutes: SlotStep = ABSENT
    min_notice_minutes: Notice = ABSENT
    horizon_days: Horizon | None = ABSENT
    daily_limit: DailyLimit | None = ABSENT
    required_skills: Skills = ABSENT
    active: Flag = ABSENT


class ServiceOut(BaseModel):
    id: UUID
    code: str
    name: str
    description: str
    duration_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    price: Money
    capacity: int
    slot_step_minutes: int
    """Appointments start at opening, and every so many minutes after it."""
    min_notice_minutes: int
    horizon_days: int | None
    """How far ahead it can be booked; null: however far."""
    daily_limit: int | None
    """Bookings that one local day takes; null: as many as there is time for."""
    required_skills: list[str]
    active: bool

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of `services`."""
        price = Money(amount_minor=row["price_minor"], currency=row["currency"])
        return cls(price=price, **{name: row[name] for name in cls.model_fields if name != "price"})


class Services(BaseModel):
    items: list[ServiceOut]


def columns(sent: dict[str, Any], currency: str) -> dict[str, Any]:
    """What was sent, by column; `currency` is that of a price that names none."""
    values = dict(sent)
    price = values.pop("price", None)
    if price is not None:
        values["price_minor"] = price["amount_minor"]
        values["currency"] = price.get("currency") or currency
    return values
