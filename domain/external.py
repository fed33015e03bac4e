"""External calendars: providers' busy and open time as another system reports it, and how old the report is."""

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
"""Intervals in one answer, over all providers."""


class OnStale(StrEnum):
    """What the business does when its source has been silent for too long."""

    OPEN = "open"
    """Continues with the last answer."""
    CLOSED = "closed"
    """Offers no slots."""


class SourceState(StrEnum):
    WAITING = "waiting"
    """There is no answer yet."""
    FRESH = "fresh"
    STALE = "stale"


class TimeKind(StrEnum):
    BUSY = "busy"
    OPEN = "open"


class CheckOutcome(StrEnum):
    """The outcome of one check of a source."""

    REFRESHED = "refreshed"
    UNCHANGED = "unchanged"
    """The answer is not newer than the stored one."""
    FAILED = "failed"
    NOT_DUE = "not_due"
    """Another worker has just asked it, or it was removed."""
    SUPERSEDED = "superseded"
    """It was replaced or removed during the check."""


class SourceFailedError(Exception):
    """The source gave no usable answer. `code` is stored and shown: short, stable, without data."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SourceRef(BaseModel):
    """Whose source to check. Workflow payloads carry nothing else of it."""

    business_id: UUID


class RoundsRequest(BaseModel):
    """Requests repeated rounds over all sources."""

    every: timedelta
    """From the start of one round to the start of the next."""
    until_after: timedelta
    """No round starts later than this after the first."""


class Round(BaseModel):
    """The result of one round over all sources, or of several."""

    due: int = 0
    broken: int = 0
    """Checks that failed on our side; a source's own failures are stored with the source."""


# --- the source's answer --------------------------------------------------------------------------------------


class _Said(BaseModel):
    """Base of the answer's models. Times are text with an offset; unknown members are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Span(_Said):
    """A time interval that excludes its end."""

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
    """If given, the complete open time, even when empty; absent: Holdfast's own opening hours apply."""


class SourceAnswer(_Said):
    as_of: StrictMoment
    """The moment at which the data was current."""
    providers: Annotated[list[ProviderTimes], Field(max_length=MAX_PROVIDERS)]

    @model_validator(mode="after")
    def _is_not_too_much(self) -> Self:
        if sum(len(one.busy) + len(one.open or ()) for one in self.providers) > MAX_SPANS:
            raise ValueError("has too many stretches of time")
        return self


@dataclass(frozen=True, slots=True)
class ExternalInterval:
    """A stored interval of a provider's time; those of one provider and kind do not touch."""

    provider_ref: str
    kind: TimeKind
    starts_at: datetime
    ends_at: datetime


def times_within(answer: SourceAnswer, starts_at: datetime, ends_at: datetime) -> list[ExternalInterval]:
    """The answer's intervals in this window, by provider and time.

    Storage cannot express "no open time", so a provider whose open time is empty is stored as busy throughout the
    window.
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
    """Busy and open time of each provider; repeated providers are merged."""
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
    """The intervals that overlap the window, with touching ones merged."""
    merged: list[_Interval] = []
    for first, end in sorted(span for span in spans if span[0] < ends_at and span[1] > starts_at):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((first, end))
    return merged


# --- freshness ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Freshness:
    state: SourceState
    as_of: datetime | None
    age_seconds: int | None


def state_of(as_of: datetime | None, max_age_seconds: int, now: datetime) -> SourceState:
    """Whether data of that moment is still fresh."""
    if as_of is None:
        return SourceState.WAITING
    return SourceState.STALE if (now - as_of).total_seconds() > max_age_seconds else SourceState.FRESH


def freshness(as_of: datetime | None, max_age_seconds: int, now: datetime) -> Freshness:
    """The state with the age that it is based on."""
    age = None if as_of is None else max(0, int((now - as_of).total_seconds()))
    return Freshness(state_of(as_of, max_age_seconds, now), as_of, age)


def is_closed(on_stale: str, state: SourceState) -> bool:
    """Whether the business offers no slots because its source is not fresh."""
    return on_stale == OnStale.CLOSED and state is not SourceState.FRESH


def adopted_as_of(said: datetime, known: datetime | None, now: datetime) -> datetime | None:
    """The `as_of` to store with a new answer; None when the answer is not newer.

    A future moment counts as now: a source whose clock is fast must not look fresh for ever.
    """
    as_of = min(said, now)
    return as_of if known is None or as_of > known else None
