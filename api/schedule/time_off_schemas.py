"""Shapes of time off: by moments, or by whole days of the calendar on the wall."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, model_validator

from api.schedule.schemas import Day
from api.shapes import In, Text
from domain.times import Moment
from domain.zones import begins, moment


class TimeOffKind(StrEnum):
    TIME_OFF = "time_off"
    """A person is away."""
    BLOCK = "block"
    """Time is kept free for something else."""


class TimeOffIn(In):
    """Time in which nothing new is booked, from `starts_at` to `ends_at` or over whole days."""

    kind: TimeOffKind = TimeOffKind.TIME_OFF
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    first_date: Day | None = None
    last_date: Day | None = None
    note: Annotated[Text, Field(max_length=200)] = ""

    @model_validator(mode="after")
    def _begin_and_end(self) -> Self:
        moments, days = (self.starts_at, self.ends_at), (self.first_date, self.last_date)
        whole = [pair for pair in (moments, days) if None not in pair]
        if len(whole) != 1 or [*moments, *days].count(None) != 2:  # noqa: PLR2004 - the other pair
            raise ValueError("give either starts_at and ends_at, or first_date and last_date")
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("ends_at must lie after starts_at")
        if self.first_date and self.last_date and self.last_date < self.first_date:
            raise ValueError("last_date lies before first_date")
        return self

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From when until when, the end excluded; days are those of the zone."""
        if self.starts_at is not None and self.ends_at is not None:
            return self.starts_at, self.ends_at
        assert self.first_date is not None
        assert self.last_date is not None
        after = self.last_date + timedelta(days=1)
        return moment(begins(self.first_date, 0, zone)), moment(begins(after, 0, zone))


class TimeOffOut(BaseModel):
    id: UUID
    kind: TimeOffKind
    starts_at: datetime
    ends_at: datetime
    note: str
    created_at: datetime


class TimeOffCreated(TimeOffOut):
    conflicts: int
    """Bookings that are not over and lie in this time. They stay as they are."""


class TimeOffPage(BaseModel):
    items: list[TimeOffOut]
    next_cursor: str | None
