"""`…/exceptions`: dates with other hours, holidays among them."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Final, Self

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.answers import changed
from api.caching import IfMatchDep
from api.deps import AppStateDep
from api.schedule.clock_times import Day, OpenHours, spelled
from api.schedule.owners import OwnedRoutes, OwnerDep, OwnerRoute, ScheduleOwner
from api.shapes import Flag, In, Text
from api.writes import WriterDep
from db.engine import autocommit
from db.repositories import businesses, schedule
from db.repositories.schedule import ExceptionalDay
from domain.access import Permission
from domain.errors import InvalidRequestError
from domain.hours import ExceptionKind, first_overlap
from domain.zones import epoch, local_date

routes = OwnedRoutes("schedule")

_USUAL_SPAN: Final = timedelta(days=366)
_LONGEST_SPAN: Final = timedelta(days=3 * 366)
_MOST_INTERVALS: Final = 24


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
            one, other = (spelled(*interval) for interval in overlap)
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


@dataclass(frozen=True, slots=True)
class _Span:
    first: date | None
    last: date | None

    def bounds(self, today: date) -> tuple[date, date]:
        """From today on, for about a year, where nothing else is asked.

        Raises:
            InvalidRequestError: it ends before it begins, or is too long.
        """
        first = self.first or (min(today, self.last) if self.last else today)
        last = self.last or first + _USUAL_SPAN
        if last < first:
            raise InvalidRequestError("`to` lies before `from`.")
        if last - first > _LONGEST_SPAN:
            raise InvalidRequestError("From `from` to `to` there may be three years at most.")
        return first, last


async def _span(
    from_: Annotated[Day | None, Query(alias="from", description="The first date; else today.")] = None,
    to: Annotated[Day | None, Query(description="The last date; else about a year on.")] = None,
) -> _Span:
    return _Span(from_, to)


SpanDep = Annotated[_Span, Depends(_span)]


@routes.route(
    "GET",
    "/exceptions",
    business=OwnerRoute(
        "listBusinessExceptions",
        Permission.BROWSE,
        "The business's dates with other hours; those of every year always, as they were first told.",
        Exceptions,
    ),
    provider=OwnerRoute(
        "listProviderExceptions",
        Permission.MANAGE_CALENDAR,
        "The provider's own dates with other hours: for owner and admin, and for that provider.",
        Exceptions,
    ),
)
async def list_(owner: OwnerDep, span: SpanDep, request: Request, app: AppStateDep) -> Response:
    first, last = span.bounds(local_date(epoch(app.now()), owner.zone))
    async with autocommit(app.engine) as conn:
        found = await schedule.list_exceptions(conn, *owner.key, first=first, last=last)
    shown = {"items": [_shown(exception) for exception in found]}
    return caching.cached(request, shown, caching.CATALOGUE if owner.provider_id is None else caching.PRIVATE)


@routes.route(
    "PUT",
    "/exceptions/{date}",
    business=OwnerRoute(
        "putBusinessException",
        Permission.MANAGE_BUSINESS,
        "Say what a date has instead; whatever exception it had is replaced.",
        ExceptionOut,
    ),
    provider=OwnerRoute(
        "putProviderException",
        Permission.MANAGE_CALENDAR,
        "Say what a date has instead, for this provider; it counts before what the business says of the date.",
        ExceptionOut,
    ),
)
async def put(owner: OwnerDep, date: Day, body: ExceptionIn, expected: IfMatchDep, write: WriterDep) -> Response:
    exception = ExceptionalDay(date, body.kind, tuple(body.minutes()), body.name, body.yearly)
    async with write.begin() as conn:
        await businesses.lock(conn, owner.business_id)
        expected.check(*await _of_day(conn, owner, date))
        await schedule.replace_exception(conn, *owner.key, exception)
        owner.announce(write, "exception_changed", date=date)
    return changed(_shown(exception))


@routes.route(
    "DELETE",
    "/exceptions/{date}",
    business=OwnerRoute(
        "deleteBusinessException",
        Permission.MANAGE_BUSINESS,
        "Keep the weekly hours on this date again.",
    ),
    provider=OwnerRoute(
        "deleteProviderException",
        Permission.MANAGE_CALENDAR,
        "Let the provider do on this date what the business does.",
    ),
    status_code=204,
)
async def delete(owner: OwnerDep, date: Day, write: WriterDep) -> None:
    async with write.begin() as conn:
        if await schedule.remove_exception(conn, *owner.key, date):
            owner.announce(write, "exception_changed", date=date)


async def _of_day(conn: AsyncConnection, owner: ScheduleOwner, day: date) -> list[dict[str, Any]]:
    found = await schedule.list_exceptions(conn, *owner.key, first=day, last=day)
    return [_shown(exception) for exception in found if exception.day == day]


def _shown(exception: ExceptionalDay) -> dict[str, Any]:
    return ExceptionOut(
        date=exception.day,
        kind=exception.kind,
        intervals=[OpenHours.of_minutes(*interval) for interval in exception.intervals],
        name=exception.name,
        yearly=exception.yearly,
    ).model_dump(mode="json")


router = routes.router()
