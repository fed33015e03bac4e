"""Hours on the wire: times of day as "HH:MM" on the wall's clock, weekdays and dates by name.

The shapes check themselves, whoever reads them: a set of hours that overlaps is not a value of these types.
"""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from api.shapes import Flag, In, Text
from domain.hours import ExceptionKind, Weekly, first_overlap, overlap_in_week
from domain.text_patterns import TextPattern
from domain.zones import MINUTES_A_DAY

_MOST_RULES: Final = 200
_MOST_INTERVALS: Final = 24
_FIRST_YEAR, _LAST_YEAR = 1970, 2199

TimeOfDay = Annotated[
    str,
    Field(examples=["08:00"]),
    TextPattern("^([01][0-9]|2[0-3]):[0-5][0-9]$", "must be a time of the day's 24 hours, as 08:00"),
]
EndTime = Annotated[
    str,
    Field(examples=["18:00"]),
    TextPattern(
        "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
        "must be a time of the day's 24 hours, as 18:00; 24:00 ends the day",
    ),
]


def clock(minute: int) -> str:
    """What the clock on the wall reads so many minutes after midnight; 24:00 at the end of the day."""
    hour, minutes = divmod(minute if minute <= MINUTES_A_DAY else minute - MINUTES_A_DAY, 60)
    return f"{hour:02}:{minutes:02}"


def _minute(reading: str) -> int:
    hour, minutes = reading.split(":")
    return int(hour) * 60 + int(minutes)


def _iso_date(value: Any) -> Any:
    # A bare number is left to itself for seconds since 1970.
    is_spelled = isinstance(value, str) and len(value) == len("2026-12-25") and value[4] == value[7] == "-"
    if not (is_spelled or isinstance(value, date)):
        raise ValueError("not a date; write it as 2026-12-25")
    return value


def _in_range(value: date) -> date:
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"the year must lie between {_FIRST_YEAR} and {_LAST_YEAR}")
    return value


Day = Annotated[date, BeforeValidator(_iso_date), AfterValidator(_in_range)]
"""A date on the calendar on the wall."""


class OpenHours(In):
    """From opening to closing on the wall's clock; 22:00 to 02:00 goes on over midnight, 24:00 ends the day."""

    opens: TimeOfDay
    closes: EndTime

    @model_validator(mode="after")
    def _take_time(self) -> Self:
        if self.opens == self.closes:
            raise ValueError("opens and closes are the same; all day is 00:00 to 24:00")
        return self

    def minutes(self) -> tuple[int, int]:
        """Minutes after the day's midnight; past 1440 it is the morning of the next day."""
        opens, closes = _minute(self.opens), _minute(self.closes)
        return opens, closes if closes > opens else closes + MINUTES_A_DAY

    @classmethod
    def of_minutes(cls, opens: int, closes: int) -> "OpenHours":
        """The other way round."""
        return OpenHours.model_construct(opens=clock(opens), closes=clock(closes))


class Weekday(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"

    @property
    def number(self) -> int:
        """ISO: 1 is Monday."""
        return list(Weekday).index(self) + 1

    @classmethod
    def numbered(cls, number: int) -> "Weekday":
        """The other way round."""
        return list(Weekday)[number - 1]


class WeeklyIn(OpenHours):
    """The same hours on one weekday or several; hours over midnight belong to the day on which they begin."""

    day: Weekday | None = None
    days: Annotated[list[Weekday], Field(max_length=7, default_factory=list)]

    @model_validator(mode="after")
    def _name_days(self) -> Self:
        if (self.day is None) == (not self.days):
            raise ValueError("give either day or days")
        return self

    def rules(self) -> list[Weekly]:
        """A rule for each of the days."""
        days = self.days if self.day is None else [self.day]
        return [Weekly(day.number, *self.minutes()) for day in days]


class HoursIn(In):
    """All hours of the week; none for a provider: the business's."""

    weekly: Annotated[list[WeeklyIn], Field(max_length=_MOST_RULES)]

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if len(rules := self.rules()) > _MOST_RULES:
            raise ValueError(f"a week may have {_MOST_RULES} intervals at most")
        if (overlap := overlap_in_week(rules)) is not None:
            one, other = (_named(rule) for rule in overlap)
            raise ValueError(f"{one} and {other} overlap")
        return self

    def rules(self) -> list[Weekly]:
        """One rule for each interval of each day."""
        return [rule for weekly in self.weekly for rule in weekly.rules()]


class WeeklyOut(BaseModel):
    day: Weekday
    opens: TimeOfDay
    closes: EndTime

    @classmethod
    def of_rule(cls, rule: Weekly) -> Self:
        return cls(day=Weekday.numbered(rule.weekday), opens=clock(rule.opens), closes=clock(rule.closes))


class BusinessHours(BaseModel):
    timezone: str
    """IANA zone of the wall's clock."""
    weekly: list[WeeklyOut]


class ProviderHours(BusinessHours):
    own: bool
    """False: the provider keeps the business's hours, and these are they."""


class ExceptionIn(In):
    """What a date has instead of the weekly hours: `closed`, other `hours`; or `extra` ones beside them.

    A holiday is a date on which the business is closed, with a name, and most come back `yearly`.
    """

    kind: ExceptionKind
    intervals: Annotated[list[OpenHours], Field(max_length=_MOST_INTERVALS, default_factory=list)]
    name: Annotated[Text, Field(max_length=200)] = ""
    yearly: Flag = False

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if (self.kind is ExceptionKind.CLOSED) == bool(self.intervals):
            needs = "has no" if self.intervals else "needs"
            raise ValueError(f"'{self.kind}' {needs} intervals")
        if (overlap := first_overlap(self.minutes())) is not None:
            one, other = (_spelled(*interval) for interval in overlap)
            raise ValueError(f"{one} and {other} overlap")
        return self

    def minutes(self) -> list[tuple[int, int]]:
        """The intervals in minutes after the date's midnight, in order."""
        return sorted(interval.minutes() for interval in self.intervals)


class ExceptionOut(BaseModel):
    date: date
    kind: ExceptionKind
    intervals: list[OpenHours]
    name: str
    yearly: bool


class Exceptions(BaseModel):
    items: list[ExceptionOut]


def open_hours(intervals: Iterable[tuple[int, int]]) -> list[OpenHours]:
    """Intervals in minutes, as they are shown."""
    return [OpenHours.of_minutes(*interval) for interval in intervals]


def _named(rule: Weekly) -> str:
    return f"{Weekday.numbered(rule.weekday)} {_spelled(rule.opens, rule.closes)}"


def _spelled(opens: int, closes: int) -> str:
    return f"{clock(opens)}-{clock(closes)}"
