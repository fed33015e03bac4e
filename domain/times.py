"""Moments: always with an offset, always in UTC, always within what every part of the system can hold."""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime

_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2200


def _in_range(value: datetime) -> datetime:
    if not _FIRST_YEAR <= value.year < _LAST_YEAR:
        raise ValueError(f"the year must lie between {_FIRST_YEAR} and {_LAST_YEAR}")
    return value.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_in_range)]
"""A moment as people give it: converted to UTC, and far from where arithmetic on it would overflow."""
