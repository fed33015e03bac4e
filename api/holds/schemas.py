"""Shapes of holds on the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.shapes import In, Money, Text
from domain.times import Moment


class HoldIn(In):
    """Time to keep; ids may be slugs and codes."""

    business_id: Annotated[Text, Field(min_length=1, max_length=63)]
    service_id: Annotated[Text, Field(min_length=1, max_length=63)]
    starts_at: Moment
    provider_id: UUID | None = None
    preferred_provider_id: UUID | None = None
    postal_code: Annotated[Text, Field(max_length=20)] | None = None


class HoldOut(BaseModel):
    id: UUID
    business_id: UUID
    service_id: UUID
    provider_id: UUID
    starts_at: datetime
    ends_at: datetime
    expires_at: datetime
    status: Literal["held", "booked", "expired"]
    booking_id: UUID | None
    """The booking that it became."""
    price: Money | None
    """What a booking by this hold costs, whatever the service costs by then."""
