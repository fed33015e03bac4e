"""A business's policies. A booking stores the snapshot that it was made under, so every field has a default."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from domain.assignment import AssignmentStrategy

Minutes = Annotated[int, Field(strict=True, ge=0, le=60 * 24 * 60)]


class Intake(StrEnum):
    """How a business takes bookings."""

    INSTANT = "instant"
    """A provider must be free, or the request is refused."""
    DISPATCH = "dispatch"
    """Always accepted; a provider is assigned afterwards."""


class CustomerNoShow(StrEnum):
    """What a customer's absence leads to."""

    CANCEL = "cancel"
    REVIEW = "review"
    """The booking is flagged and an admin decides."""


_LONGEST_WAIT = timedelta(days=7)
"""Upper limit of any backoff."""


class Backoff(BaseModel):
    """The waits between attempts: none before the first, then `base`, `base * factor`, `base * factor**2`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_seconds: float = Field(strict=True, default=2.0, gt=0, le=86_400)
    factor: float = Field(strict=True, default=2.0, ge=1, le=10)
    attempts: int = Field(strict=True, default=4, ge=1, le=20)

    def wait_before(self, attempt: int) -> timedelta:
        """The wait before attempt number `attempt` (from 1)."""
        if attempt <= 1:
            return timedelta()
        seconds = self.base_seconds * self.factor ** (attempt - 2)
        return timedelta(seconds=min(seconds, _LONGEST_WAIT.total_seconds()))


class Cancellation(BaseModel):
    """What a customer's cancellation costs: nothing before the window, then a share of the price."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_minutes: Minutes = 0
    """Cancelling is free until this long before the start."""
    fee_percent: int = Field(strict=True, default=0, ge=0, le=100)

    def fee_minor(self, price_minor: int) -> int:
        """The fee within the window, in the currency's minor unit, halves rounded up."""
        return (price_minor * self.fee_percent + 50) // 100


class Policy(BaseModel):
    """All that a business may decide about its bookings' lives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intake: Intake = Intake.INSTANT
    assignment: AssignmentStrategy = AssignmentStrategy.HIGHEST_RATING
    hold_minutes: Annotated[int, Field(strict=True, ge=1, le=60)] = 10
    """How long a slot is held for a customer who fills in the form."""
    cancellation: Cancellation = Cancellation()
    backoff: Backoff = Backoff()
    offer_timeout_minutes: Annotated[int, Field(strict=True, ge=1, le=60 * 24 * 30)] = 30
    auto_accept: StrictBool = False
    """Whether providers accept automatically; a provider's own setting takes precedence."""
    reminder_minutes: Annotated[tuple[Minutes, ...], Field(max_length=10)] = (24 * 60, 10)
    """When to remind, in minutes before the start."""
    expires_minutes_before: Minutes = 0
    """A booking that nobody accepted ends this long before its time."""
    overdue_minutes: Annotated[int, Field(strict=True, ge=1, le=60 * 24 * 60)] = 24 * 60
    """A booking that nobody finished is flagged this long after its end."""
    customer_no_show: CustomerNoShow = CustomerNoShow.CANCEL
    payment_minutes: Annotated[int, Field(strict=True, ge=1, le=24 * 60)] = 15
    """How long a booking waits for its payment."""
