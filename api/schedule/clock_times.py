"""Local times as the API writes them: "HH:MM", weekdays by name, dates as "2026-12-25"."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from api.shapes import In
from domain.text_patterns import TextPattern
from domain.zones import MINUTES_A_DAY

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
    """The local time so many minutes after midnight; 24:00 at the end of the day."""
    hour, minutes = divmod(minute if minute <= MINUTES_A_DAY else minute - MINUTES_A_DAY, 60)
    return f"{hour:02}:{minutes:02}"


def _minute(reading: str) -> int:
    hour, minutes = reading.split(":")
    return int(hour) * 60 + int(minutes)


def _iso_date(value: Any) -> Any:
    # By default Pydantic reads a bare number as seconds since 1970.
    is_spelled = isinstance(value, str) and len(value) == len("2026-12-25") and value[4] == value[7] == "-"
    if not (is_spelled or isinstance(value, date)):
        raise ValueError("not a date; write it as 2026-12-25")
    return value


def _in_range(value: date) -> date:
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"the year must lie between {_FIRST_YEAR} and {_LAST_YEAR}")
    return value


Day = Annotated[date, BeforeValidator(_iso_date), AfterValidator(_in_range)]
"""A local date."""


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
        """The reverse."""
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
        """The reverse."""
        return list(Weekday)[number - 1]


def spelled(opens: int, closes: int) -> str:
    """An interval in minutes after midnight, as "08:00-18:00"."""
    return f"{clock(opens)}-{clock(closes)}"
