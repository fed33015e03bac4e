"""The stretch of time that slots are asked for."""

import re
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from domain.availability import Interval
from domain.errors import InvalidRequestError
from domain.times import Moment
from domain.zones import begins, epoch

MAX_DAYS: Final = 62

_DAY: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _bare_date(value: Any) -> Any:
    # Left to itself, the shape takes a moment at midnight, of whatever zone, for the date alone.
    if not _DAY.fullmatch(str(value)):
        raise ValueError("a date is written as 2027-03-31")
    return value


DayOrMoment = Annotated[
    Annotated[date, BeforeValidator(_bare_date)] | Moment,
    Field(union_mode="left_to_right", description="A date, or a moment with an offset."),
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
    if last - first > timedelta(days=MAX_DAYS, hours=1).total_seconds():  # an hour for a clock that is put back
        raise InvalidRequestError(f"Ask for {MAX_DAYS} days at most at a time.")
    return first, last


def _instant(value: date | datetime, zone: ZoneInfo) -> int:
    if isinstance(value, datetime):
        return epoch(value)
    if value.year not in _YEARS:
        raise InvalidRequestError(f"The year must lie between {_YEARS.start} and {_YEARS.stop}.")
    return begins(value, 0, zone)
