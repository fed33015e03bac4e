"""Shapes of customers and their consents on the wire."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from api.messages.schemas import Language
from api.shapes import Email, Flag, In, Line, Phone, Text, Zone
from domain.customers import Purpose
from domain.times import Moment

_MOST_AT_ONCE = 20

ConsentText = Annotated[Text, Field(max_length=4000)]
Source = Annotated[Text, Field(min_length=1, max_length=100)]


class ConsentIn(In):
    """What a customer agreed to (`granted`) or took back, in the words that they saw."""

    purpose: Purpose
    granted: Flag
    text: ConsentText = ""
    source: Source = "api"

    @model_validator(mode="after")
    def _say_to_what(self) -> Self:
        if self.granted and not self.text:
            raise ValueError("a consent that is granted needs the text that was agreed to")
        return self


class DatedConsentIn(ConsentIn):
    given_at: Moment | None = None
    """When, if not now."""


class CustomerIn(In):
    """Somebody who books. They are found again by e-mail or phone and made where they are new."""

    name: Line
    email: Email | None = None
    phone: Phone | None = None
    sms_opt_in: Flag = False
    consents: Annotated[list[ConsentIn], Field(max_length=_MOST_AT_ONCE, default_factory=list)]


class CustomerChange(In):
    """What is sent is changed; everything but the name may be null."""

    name: Line = ""
    email: Email | None = None
    phone: Phone | None = None
    locale: Language | None = None
    """The language to write to them in (BCP 47); null: the business's."""
    timezone: Zone | None = None
    """Where they live by the clock (IANA); null: as the booking has it."""


class CustomerSearch(In):
    """One of the two. A body, because addresses in a URL end up in logs."""

    email: Email | None = None
    phone: Phone | None = None

    @model_validator(mode="after")
    def _name_one(self) -> Self:
        if (self.email is None) == (self.phone is None):
            raise ValueError("give either email or phone")
        return self


class CustomerOut(BaseModel):
    id: UUID
    name: str
    email: str | None
    phone: str | None
    locale: str | None
    timezone: str | None
    sms_opt_in: bool
    has_account: bool
    """They log in and book for themselves; the account has an address of its own."""
    created_at: datetime


class Customers(BaseModel):
    items: list[CustomerOut]


class CustomerPage(Customers):
    next_cursor: str | None


class ConsentOut(BaseModel):
    id: UUID
    purpose: Purpose
    granted: bool
    source: str
    text: str
    given_at: datetime


class ConsentPage(BaseModel):
    current: dict[Purpose, ConsentOut]
    """The latest of each purpose: what counts."""
    items: list[ConsentOut]
    next_cursor: str | None
