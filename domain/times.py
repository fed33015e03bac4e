"""Moments in input: with an offset, converted to UTC, within a range that every part of the system supports."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2200
_PLUS_LOST: Final = re.compile(r"(.*[0-9]{2}:[0-9]{2}(?:[:.][0-9.]+)?) ([0-9]{2}:?[0-9]{2})")
_NUMBER: Final = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", re.IGNORECASE)


def _in_range(value: datetime) -> datetime:
    # Checked twice: a value in range with its own offset may be out of range in UTC.
    if _has_year_in_range(value) and _has_year_in_range(in_utc := value.astimezone(UTC)):
        return in_utc
    raise ValueError(f"the year must lie between {_FIRST_YEAR} and {_LAST_YEAR}")


def _has_year_in_range(value: datetime) -> bool:
    return _FIRST_YEAR <= value.year < _LAST_YEAR


def _spelled_out(value: object) -> object:
    # Pydantic would take a bare number as seconds since 1970: 20261130 would be a day in August 1970.
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value.strip())):
        raise ValueError("a moment is written with its offset, as 2027-03-31T09:00:00+02:00")
    return value


def _with_plus(value: object) -> object:
    # A + in a URL's query means a space (WHATWG URL, application/x-www-form-urlencoded). A time of day is never
    # followed by a space, so a space before an offset was a plus.
    if isinstance(value, str) and (found := _PLUS_LOST.fullmatch(value)):
        return f"{found[1]}+{found[2]}"
    return value


StrictMoment = Annotated[AwareDatetime, AfterValidator(_in_range)]
"""For strict models, which accept no bare numbers anyway."""

Moment = Annotated[AwareDatetime, BeforeValidator(_spelled_out), AfterValidator(_in_range)]
"""A moment in input: converted to UTC, and far from where arithmetic on it would overflow."""

MomentInUrl = Annotated[Moment, BeforeValidator(_with_plus)]
"""A moment in a URL's query, where a + that was not written as %2B arrives as a space."""
