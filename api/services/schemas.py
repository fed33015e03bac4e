"""Shapes of services on the wire."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from api.businesses.keys import OwnCode
from api.businesses.schemas import ABSENT
from api.shapes import CurrencyCode, Flag, In, Line, Money, Skills, Text
from db.repositories.rows import Row
from domain.payments import Collect, PaymentMode

Description = Annotated[Text, Field(max_length=2000)]
Duration = Annotated[int, Field(strict=True, ge=1, le=7 * 24 * 60)]
Buffer = Annotated[int, Field(strict=True, ge=0, le=24 * 60)]
Capacity = Annotated[
    int, Field(strict=True, ge=1, le=1000, description="Seats; more than one makes it a group session.")
]
SlotStep = Annotated[int, Field(strict=True, ge=1, le=24 * 60)]
Notice = Annotated[
    int, Field(strict=True, ge=0, le=365 * 24 * 60, description="It is booked at least so long before.")
]
Horizon = Annotated[int, Field(strict=True, ge=1, le=3650)]
Deposit = Annotated[int, Field(strict=True, ge=1, le=2_000_000_000, description="In the currency's minor unit.")]
DailyLimit = Annotated[int, Field(strict=True, ge=1, le=10_000)]


def _whole(value: Any) -> Any:
    # Left to itself, the shape takes 35.00 for 35: a price a hundred times too low.
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a whole number of the currency's minor unit: 3500 for 35.00")  # noqa: TRY004 - a shape's
    return value


class PriceIn(In):
    amount_minor: Annotated[int, Field(strict=True, ge=0, le=2_000_000_000), BeforeValidator(_whole)]
    currency: CurrencyCode | None = None
    """None: the business's for a new service, the same as before for another."""


def deposit_problem(mode: PaymentMode, deposit: int | None, price: int) -> str | None:
    """What is wrong with a deposit, if anything."""
    if (mode is PaymentMode.DEPOSIT) != (deposit is not None):
        return "deposit_minor: goes with payment_mode deposit, and with no other"
    return "deposit_minor: is more than the price" if deposit is not None and deposit > price else None


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
    payment_mode: PaymentMode = PaymentMode.NONE
    """What of the price is paid through Holdfast; more than nothing needs a payment gateway when it is booked."""
    payment_at: Collect = Collect.BOOKING
    """When it is captured: once somebody has accepted, or at the end."""
    deposit_minor: Deposit | None = None
    """Of a `deposit`, and of nothing else."""
    active: Flag = True

    @model_validator(mode="after")
    def _deposit_fits(self) -> Self:
        if (wrong := deposit_problem(self.payment_mode, self.deposit_minor, self.price.amount_minor)) is not None:
            raise ValueError(wrong)
        return self


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
    payment_mode: PaymentMode = ABSENT
    payment_at: Collect = ABSENT
    deposit_minor: Deposit | None = ABSENT
    """Another mode than `deposit` forgets it."""
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
    payment_mode: PaymentMode
    payment_at: Collect
    deposit_minor: int | None
    """In the currency's minor unit."""
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
