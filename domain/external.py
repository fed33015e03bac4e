"""Calendars that others keep: what such a source says of providers' time, and how old its word is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.times import StrictMoment

MAX_PROVIDERS: Final = 5_000
MAX_SPANS: Final = 50_000
"""Stretches of time that one answer may hold, over all providers."""


class OnStale(StrEnum):
    """What the business does when its source has been silent for too long."""

    OPEN = "open"
    """Goes on with what it heard last."""
    CLOSED = "closed"
    """Offers nothing."""


class SourceState(StrEnum):
    WAITING = "waiting"
    """Nothing has been heard yet."""
    FRESH = "fresh"
    STALE = "stale"


class TimeKind(StrEnum):
    BUSY = "busy"
    OPEN = "open"


class CheckOutcome(StrEnum):
    """What one check of a source came to."""

    REFRESHED = "refreshed"
    UNCHANGED = "unchanged"
    """It said nothing newer than what is known."""
    FAILED = "failed"
    NOT_DUE = "not_due"
    """Somebody else has just asked it, or it is gone."""
    SUPERSEDED = "superseded"
    """It was replaced or removed while it was being asked."""


class SourceFailedError(Exception):
    """The source brought nothing that can be used. `code` is stored and shown: short, stable, without data."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SourceRef(BaseModel):
    """Whose source to ask: all that a payload says of it."""

    business_id: UUID


class RoundsRequest(BaseModel):
    """Asks for round after round over all sources."""

    every: timedelta
    """From the beginning of one round to that of the next."""
    until_after: timedelta
    """No round begins later than so long after the first."""


class Round(BaseModel):
    """What one look at all sources came to, or several together."""

    due: int = 0
    broken: int = 0
    """Checks that our own side could not carry out; what sources do wrong is kept with each of them."""


# --- what a source says ---------------------------------------------------------------------------------------


class _Said(BaseModel):
    """Base of what a source says. Times are text with an offset; what we do not know is passed over."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Span(_Said):
    """A stretch of time that excludes its end."""

    starts_at: Annotated[StrictMoment, Field(alias="from")]
    ends_at: Annotated[StrictMoment, Field(alias="until")]

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise ValueError("ends before it starts")
        return self


class ProviderTimes(_Said):
    ref: Annotated[str, Field(min_length=1, max_length=200)]
    """The provider's code in the business."""
    busy: list[Span] = []
    open: list[Span] | None = None
    """Given, it is all the open time there is, be it none; absent, the house's own hours hold."""


class SourceAnswer(_Said):
    as_of: StrictMoment
    """The moment that it speaks of."""
    providers: Annotated[list[ProviderTimes], Field(max_length=MAX_PROVIDERS)]

    @model_validator(mode="after")
    def _is_not_too_much(self) -> Self:
        if sum(len(one.busy) + len(one.open or ()) for one in self.providers) > MAX_SPANS:
            raise ValueError("has too many stretches of time")
        return self


@dataclass(frozen=True, slots=True)
class ExternalInterval:
    """A stretch of a provider's time as it is stored; those of one provider and kind do not touch."""

    provider_ref: str
    kind: TimeKind
    starts_at: datetime
    ends_at: datetime


def times_within(answer: SourceAnswer, starts_at: datetime, ends_at: datetime) -> list[ExternalInterval]:
    """What the answer says of this window, by provider and time.

    Storage knows open time by its rows alone, so a provider whose open time is said to be none is stored as busy
    throughout the window.
    """
    found: list[ExternalInterval] = []
    for ref, (busy, open_) in _by_provider(answer).items():
        open_spans = _merged(open_ or (), starts_at, ends_at)
        closed = open_ is not None and not open_spans
        busy_spans = [(starts_at, ends_at)] if closed else _merged(busy, starts_at, ends_at)
        found += [ExternalInterval(ref, TimeKind.BUSY, *span) for span in busy_spans]
        found += [ExternalInterval(ref, TimeKind.OPEN, *span) for span in open_spans]
    return found


_Interval = tuple[datetime, datetime]


def _by_provider(answer: SourceAnswer) -> dict[str, tuple[list[_Interval], list[_Interval] | None]]:
    """Busy and open time of each provider; one that is named twice has what both say."""
    found: dict[str, tuple[list[_Interval], list[_Interval] | None]] = {}
    for one in answer.providers:
        busy, open_ = found.get(one.ref, ([], None))
        if one.open is not None:
            open_ = (open_ or []) + _intervals(one.open)
        found[one.ref] = (busy + _intervals(one.busy), open_)
    return found


def _intervals(spans: Iterable[Span]) -> list[_Interval]:
    return [(span.starts_at, span.ends_at) for span in spans]


def _merged(spans: Iterable[_Interval], starts_at: datetime, ends_at: datetime) -> list[_Interval]:
    """Those that reach into the window, those that touch made one."""
    merged: list[_Interval] = []
    for first, end in sorted(span for span in spans if span[0] < ends_at and span[1] > starts_at):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((first, end))
    return merged


# --- how old it is --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Freshness:
    state: SourceState
    as_of: datetime | None
    age_seconds: int | None


def state_of(as_of: datetime | None, max_age_seconds: int, now: datetime) -> SourceState:
    """Whether data of that moment still count."""
    if as_of is None:
        return SourceState.WAITING
    return SourceState.STALE if (now - as_of).total_seconds() > max_age_seconds else SourceState.FRESH


def freshness(as_of: datetime | None, max_age_seconds: int, now: datetime) -> Freshness:
    """The state, with the age that it rests on."""
    age = None if as_of is None else max(0, int((now - as_of).total_seconds()))
    return Freshness(state_of(as_of, max_age_seconds, now), as_of, age)


def is_closed(on_stale: str, state: SourceState) -> bool:
    """Whether the business offers nothing: it will not do without its source, and the source is silent."""
    return on_stale == OnStale.CLOSED and state is not SourceState.FRESH


def adopted_as_of(said: datetime, known: datetime | None, now: datetime) -> datetime | None:
    """The moment that the data speak of once an answer is taken; None when it brings nothing newer.

    A moment that lies ahead counts as now: a source whose clock is fast must not look fresh for ever.
    """
    as_of = min(said, now)
    return as_of if known is None or as_of > known else None
