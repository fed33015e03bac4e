"""What a business is moved as: sections of flat rows, the same in JSON and in CSV.

A row is the whole thing: a member that is left out has its default, also where something is stored already.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Generic, Self, TypeVar

from pydantic import BaseModel, Field, field_validator, model_validator

from api.consents import ConsentText, Source
from api.providers import ProviderIn
from api.schedule.areas import AreaIn
from api.schedule.clock_times import Day, EndTime, OpenHours, TimeOfDay, Weekday
from api.schedule.time_off import LONGEST, TimeOffKind
from api.services import ServiceIn
from api.shapes import ABSENT, Code, CurrencyCode, Email, Flag, In, Line, Locale, Phone, Text, Zone
from domain.customers import Purpose
from domain.hours import ExceptionKind
from domain.times import Moment

VERSION: Final = 1
_MOST_CONSENTS: Final = 20

Note = Annotated[Text, Field(max_length=200)]


class Section(StrEnum):
    """What a business has many of, in the order in which it is brought in."""

    SERVICES = "services"
    PROVIDERS = "providers"
    HOURS = "hours"
    EXCEPTIONS = "exceptions"
    TIME_OFF = "time_off"
    AREAS = "areas"
    CUSTOMERS = "customers"


class Separator(StrEnum):
    """What stands between the cells of a CSV."""

    COMMA = "comma"
    SEMICOLON = "semicolon"
    TAB = "tab"


class BusinessRow(In):
    """Settings; what is left out stays as it is. Slug and status are not moved."""

    name: Line = ABSENT
    timezone: Zone = ABSENT
    currency: CurrencyCode = ABSENT
    locale: Locale = ABSENT
    guest_bookings: Flag = ABSENT
    policy: dict[str, Any] = ABSENT
    """Merged member by member into the policy (RFC 7396)."""


class ProviderRow(ProviderIn):
    @field_validator("user_id", mode="before")
    @classmethod
    def _no_user(cls, _value: Any) -> None:
        raise ValueError("users are not imported; link them afterwards")


class HoursRow(OpenHours):
    provider: Code | None = None
    """Whose; none: the business's. The same in every section."""
    day: Weekday

    def columns(self) -> dict[str, Any]:
        """As stored, but for whose it is; the same of the rows below."""
        opens, closes = self.minutes()
        return {"weekday": self.day.number, "opens_minute": opens, "closes_minute": closes}


class ExceptionRow(In):
    """One interval of a date, or a date that is closed; several intervals are several rows."""

    provider: Code | None = None
    date: Day
    kind: ExceptionKind
    opens: TimeOfDay | None = None
    closes: EndTime | None = None
    name: Note = ""
    yearly: Flag = False

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        ends = [end for end in (self.opens, self.closes) if end is not None]
        if len(ends) != (0 if self.kind is ExceptionKind.CLOSED else 2):
            needs = "has neither" if ends and self.kind is ExceptionKind.CLOSED else "needs both"
            raise ValueError(f"'{self.kind}' {needs} opens and closes")
        self.minutes()
        return self

    def minutes(self) -> tuple[int, int] | None:
        """The interval in minutes after the date's midnight; none when it is closed."""
        if self.opens is None or self.closes is None:
            return None
        if self.opens == self.closes:
            raise ValueError("opens and closes are the same; all day is 00:00 to 24:00")
        return OpenHours(opens=self.opens, closes=self.closes).minutes()

    def columns(self) -> dict[str, Any]:
        opens, closes = self.minutes() or (None, None)
        columns = {"date": self.date, "yearly": self.yearly, "kind": self.kind, "name": self.name}
        return columns | {"opens_minute": opens, "closes_minute": closes}


class TimeOffRow(In):
    provider: Code | None = None
    kind: TimeOffKind = TimeOffKind.TIME_OFF
    starts_at: Moment
    ends_at: Moment
    note: Note = ""

    @model_validator(mode="after")
    def _take_time(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise ValueError("ends_at must lie after starts_at")
        if self.ends_at - self.starts_at > LONGEST:
            raise ValueError(f"a time off may last {LONGEST.days} days at most")
        return self

    def columns(self) -> dict[str, Any]:
        return self.model_dump(exclude={"provider"})


class AreaRow(AreaIn):
    provider: Code | None = None

    def columns(self) -> dict[str, Any]:
        area = self.area()
        return {"kind": area.kind, "first": area.first, "last": area.last}


class ConsentRow(In):
    """One word of a customer's. Unlike elsewhere the text may be empty: what bookings noted has none."""

    purpose: Purpose
    granted: Flag
    source: Source = "import"
    text: ConsentText = ""
    given_at: Moment | None = None
    """When, if not now."""


class CustomerRow(In):
    name: Line
    email: Email | None = None
    phone: Phone | None = None
    sms_opt_in: Flag = False
    """True is a consent for `sms`, of somebody of whom nothing is known about that. False takes nothing back."""
    consents: Annotated[list[ConsentRow], Field(max_length=_MOST_CONSENTS, default_factory=list)]

    @model_validator(mode="after")
    def _require_distinct_dates(self) -> Self:
        said: defaultdict[Purpose, list[datetime | None]] = defaultdict(list)
        for consent in self.consents:
            said[consent.purpose].append(consent.given_at)
        if any(len(times) > 1 and (None in times or len(set(times)) < len(times)) for times in said.values()):
            raise ValueError("several consents for one purpose each need a given_at of their own")
        return self


RowT = TypeVar("RowT", bound=In)
RowT_co = TypeVar("RowT_co", bound=In, covariant=True)


@dataclass(frozen=True, slots=True)
class Numbered(Generic[RowT_co]):
    """A row, and which one of its section it is, from 1."""

    number: int
    row: RowT_co


WithOwner = HoursRow | ExceptionRow | TimeOffRow | AreaRow
"""A row that is the business's or a provider's."""

COLUMNS: Final[dict[Section, tuple[str, ...]]] = {
    Section.SERVICES: (
        "code",
        "name",
        "description",
        "duration_minutes",
        "buffer_before_minutes",
        "buffer_after_minutes",
        "price_minor",
        "currency",
        "capacity",
        "slot_step_minutes",
        "min_notice_minutes",
        "horizon_days",
        "daily_limit",
        "required_skills",
        "payment_mode",
        "payment_at",
        "deposit_minor",
        "active",
    ),
    Section.PROVIDERS: tuple(name for name in ProviderIn.model_fields if name != "user_id"),
    Section.HOURS: ("provider", "day", "opens", "closes"),
    Section.EXCEPTIONS: tuple(ExceptionRow.model_fields),
    Section.TIME_OFF: tuple(TimeOffRow.model_fields),
    Section.AREAS: ("provider", "kind", "code", "from", "to"),
    Section.CUSTOMERS: tuple(name for name in CustomerRow.model_fields if name != "consents"),
}
"""What a section's CSV has: the members of its rows, a service's price in two of them."""

MODELS: Final[dict[Section, type[In]]] = {
    Section.SERVICES: ServiceIn,
    Section.PROVIDERS: ProviderRow,
    Section.HOURS: HoursRow,
    Section.EXCEPTIONS: ExceptionRow,
    Section.TIME_OFF: TimeOffRow,
    Section.AREAS: AreaRow,
    Section.CUSTOMERS: CustomerRow,
}


class Tally(BaseModel):
    """How many rows made something new, changed something, or said what was there already."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    """Stored rows that a replaced set no longer has."""


class Report(BaseModel):
    dry_run: bool
    """Everything was done and taken back."""
    counts: dict[str, Tally]
    """By section, and `business`: those that were sent."""
    separator: Separator | None = None
    """Of CSV: what was taken for what separates its cells."""
