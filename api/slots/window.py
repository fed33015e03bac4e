"""The window of time whose slots are requested."""

import re
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import Field, PlainValidator, TypeAdapter

from domain.availability import Interval
from domain.errors import InvalidRequestError
from domain.times import MomentInUrl
from domain.zones import begins, epoch

MAX_DAYS: Final = 62

_DAY: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


_moment: TypeAdapter[datetime] = TypeAdapter(MomentInUrl)


def _day_or_moment(value: Any) -> date | datetime:
    # One after the other: a union would read a moment at midnight, in any zone, as the date alone.
    try:
        return date.fromisoformat(value) if _DAY.fullmatch(value) else _moment.validate_python(value)
    except ValueError:
        raise ValueError(
            "write a date, as 2027-03-31, or a moment with its offset, as 2027-03-31T09:00:00Z "
            "(in a URL, + is %2B)"
        ) from None


DayOrMoment = Annotated[
    date | datetime,
    PlainValidator(_day_or_moment, json_schema_input_type=date | datetime),
    Field(description="A date, or a moment with an offset."),
]
_YEARS: Final = range(1970, 2200)


def window(from_: date | datetime, to: date | datetime, zone: ZoneInfo) -> Interval:
    """The instants from one to the other, a date standing for its midnight in the zone.

    Raises:
        InvalidRequestError: it is empty, or longer than `MAX_DAYS`.
    """
    first, last = _instant(from_, zone), _instant(to, zone)
    if first >= last:
        raise InvalidRequestError("`to` must lie after `from`.")
    if (
        last - first > timedelta(days=MAX_DAYS, hours=1).total_seconds()
    ):  # one hour more for a clock that is set back
        raise InvalidRequestError(f"Ask for {MAX_DAYS} days at most at a time.")
    return first, last


def _instant(value: date | datetime, zone: ZoneInfo) -> int:
    if isinstance(value, datetime):
        return epoch(value)
    if value.year not in _YEARS:
        raise InvalidRequestError(f"The year must lie between {_YEARS.start} and {_YEARS.stop}.")
    return begins(value, 0, zone)
