"""`…/exceptions`: dates with other hours, holidays among them."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import needs
from api.businesses.answers import changed
from api.caching import Expected, MayExpect
from api.deps import AppState, AppStateDep
from api.schedule.calendars import OfBusiness, OfProvider, ScheduleOwner
from api.schedule.schemas import Day, ExceptionIn, ExceptionOut, Exceptions, open_hours
from api.writes import Writer, Writing
from db.engine import autocommit
from db.repositories import businesses, schedule
from db.repositories.schedule import ExceptionalDay
from domain.access import Permission
from domain.errors import InvalidRequestError
from domain.zones import epoch, local_date

router = APIRouter(prefix="/v1/businesses/{business}", tags=["schedule"])

_USUAL_SPAN: Final = timedelta(days=366)
_LONGEST_SPAN: Final = timedelta(days=3 * 366)


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


Span = Annotated[_Span, Depends(_span)]


@router.get(
    "/exceptions",
    operation_id="listBusinessExceptions",
    dependencies=[needs(Permission.BROWSE)],
    response_model=Exceptions,
)
async def list_of_business(calendar: OfBusiness, span: Span, request: Request, app: AppStateDep) -> Response:
    """The business's dates with other hours; those of every year always, as they were first told."""
    return caching.cached(request, await _listed(app, calendar, span), caching.CATALOGUE)


@router.put(
    "/exceptions/{date}",
    operation_id="putBusinessException",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=ExceptionOut,
)
async def put_of_business(
    calendar: OfBusiness, date: Day, body: ExceptionIn, expected: MayExpect, write: Writing
) -> Response:
    """Say what a date has instead; whatever exception it had is replaced."""
    return await _put(write, expected, calendar, date, body)


@router.delete(
    "/exceptions/{date}",
    operation_id="deleteBusinessException",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    status_code=204,
)
async def delete_of_business(calendar: OfBusiness, date: Day, write: Writing) -> None:
    """Keep the weekly hours on this date again."""
    await _delete(write, calendar, date)


@router.get(
    "/providers/{provider}/exceptions",
    operation_id="listProviderExceptions",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    response_model=Exceptions,
)
async def list_of_provider(calendar: OfProvider, span: Span, request: Request, app: AppStateDep) -> Response:
    """The provider's own dates with other hours: for owner and admin, and for that provider."""
    return caching.cached(request, await _listed(app, calendar, span), caching.PRIVATE)


@router.put(
    "/providers/{provider}/exceptions/{date}",
    operation_id="putProviderException",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    response_model=ExceptionOut,
)
async def put_of_provider(
    calendar: OfProvider, date: Day, body: ExceptionIn, expected: MayExpect, write: Writing
) -> Response:
    """Say what a date has instead, for this provider; it counts before what the business says of the date."""
    return await _put(write, expected, calendar, date, body)


@router.delete(
    "/providers/{provider}/exceptions/{date}",
    operation_id="deleteProviderException",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    status_code=204,
)
async def delete_of_provider(calendar: OfProvider, date: Day, write: Writing) -> None:
    """Let the provider do on this date what the business does."""
    await _delete(write, calendar, date)


async def _listed(app: AppState, calendar: ScheduleOwner, span: _Span) -> dict[str, Any]:
    first, last = span.bounds(local_date(epoch(app.now()), calendar.zone))
    async with autocommit(app.engine) as conn:
        found = await schedule.list_exceptions(conn, *calendar.owner, first=first, last=last)
    return {"items": [_shown(exception) for exception in found]}


async def _put(
    write: Writer, expected: Expected, calendar: ScheduleOwner, day: date, body: ExceptionIn
) -> Response:
    exception = ExceptionalDay(day, body.kind, tuple(body.minutes()), body.name, body.yearly)
    async with write.begin() as conn:
        await businesses.lock(conn, calendar.business_id)
        expected.check(*await _of_day(conn, calendar, day))
        await schedule.replace_exception(conn, *calendar.owner, exception)
    return changed(_shown(exception))


async def _of_day(conn: AsyncConnection, calendar: ScheduleOwner, day: date) -> list[dict[str, Any]]:
    found = await schedule.list_exceptions(conn, *calendar.owner, first=day, last=day)
    return [_shown(exception) for exception in found if exception.day == day]


async def _delete(write: Writer, calendar: ScheduleOwner, day: date) -> None:
    async with write.begin() as conn:
        await schedule.remove_exception(conn, *calendar.owner, day)


def _shown(exception: ExceptionalDay) -> dict[str, Any]:
    return ExceptionOut(
        date=exception.day,
        kind=exception.kind,
        intervals=open_hours(exception.intervals),
        name=exception.name,
        yearly=exception.yearly,
    ).model_dump(mode="json")
