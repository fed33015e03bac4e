"""Moments: always with an offset, always in UTC, always within what every part of the system can hold."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2200
_PLUS_LOST: Final = re.compile(r"(.*[0-9]{2}:[0-9]{2}(?:[:.][0-9.]+)?) ([0-9]{2}:?[0-9]{2})")
_NUMBER: Final = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", re.IGNORECASE)


def _in_range(value: datetime) -> datetime:
    # Looked at twice: what lies in the range where it is written may lie outside in UTC.
    if _has_year_in_range(value) and _has_year_in_range(in_utc := value.astimezone(UTC)):
        return in_utc
    raise ValueError(f"the year must lie between {_FIRST_YEAR} and {_LAST_YEAR}")


def _has_year_in_range(value: datetime) -> bool:
    return _FIRST_YEAR <= value.year < _LAST_YEAR


def _spelled_out(value: object) -> object:
    # Left to itself, the shape takes a bare number for seconds since 1970: 20261130 would be a day in August 1970.
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value.strip())):
        raise ValueError("a moment is written with its offset, as 2027-03-31T09:00:00+02:00")
    return value


def _with_plus(value: object) -> object:
    # A + in a URL's query is a blank (WHATWG URL, application/x-www-form-urlencoded). Behind a time of day there
    # can be none, so that one before an offset was a plus.
    if isinstance(value, str) and (found := _PLUS_LOST.fullmatch(value)):
        return f"{found[1]}+{found[2]}"
    return value


StrictMoment = Annotated[AwareDatetime, AfterValidator(_in_range)]
"""The same for shapes that are strict, and take no bare number for a moment anyhow."""

Moment = Annotated[AwareDatetime, BeforeValidator(_spelled_out), AfterValidator(_in_range)]
"""A moment as people give it: converted to UTC, and far from where arithmetic on it would overflow."""

MomentInUrl = Annotated[Moment, BeforeValidator(_with_plus)]
"""The same in a query, where a + that was not written as %2B arrives as a blank."""
