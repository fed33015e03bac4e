"""`…/time-off`: time in which nothing new is booked. Its notes are read by the desk and by that provider only."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api import cursors
from api.access import needs
from api.answers import created, listed
from api.deps import AppState, AppStateDep
from api.schedule.calendars import OfBusiness, OfProvider, ScheduleOwner
from api.schedule.time_off_schemas import TimeOffCreated, TimeOffIn, TimeOffOut, TimeOffPage
from api.writes import OnceWriter, Writer, Writing, WritingOnce
from db.engine import autocommit
from db.repositories import schedule, time_off
from db.repositories.rows import Row
from db.repositories.time_off import Window
from domain.access import Permission
from domain.errors import InvalidRequestError
from domain.times import MomentInUrl
from runtime.ids import new_id

router = APIRouter(prefix="/v1/businesses/{business}", tags=["schedule"])

LONGEST: Final = timedelta(days=2 * 366)
_EARLIEST: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class _Query:
    from_: datetime | None
    to: datetime | None
    limit: int
    cursor: str | None


async def _query(
    from_: Annotated[MomentInUrl | None, Query(alias="from", description="Ends after; else now.")] = None,
    to: Annotated[MomentInUrl | None, Query(description="Starts before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=cursors.LONGEST)] = None,
) -> _Query:
    return _Query(from_, to, limit, cursor)


Asked = Annotated[_Query, Depends(_query)]


@router.post(
    "/time-off",
    operation_id="createBusinessTimeOff",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    status_code=201,
    response_model=TimeOffCreated,
)
async def create_of_business(
    calendar: OfBusiness, body: TimeOffIn, app: AppStateDep, write: WritingOnce
) -> Response:
    """Let nothing new be booked with anybody in this time."""
    return await _create(app, write, calendar, body)


@router.get(
    "/time-off",
    operation_id="listBusinessTimeOff",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=TimeOffPage,
)
async def list_of_business(calendar: OfBusiness, asked: Asked, app: AppStateDep) -> Response:
    """The time off that is everybody's, by start."""
    return await _list(app, calendar, asked)


@router.delete(
    "/time-off/{time_off_id}",
    operation_id="deleteBusinessTimeOff",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    status_code=204,
)
async def delete_of_business(calendar: OfBusiness, time_off_id: UUID, write: Writing) -> None:
    """Take it back."""
    await _delete(write, calendar, time_off_id)


@router.post(
    "/providers/{provider}/time-off",
    operation_id="createProviderTimeOff",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    status_code=201,
    response_model=TimeOffCreated,
)
async def create_of_provider(
    calendar: OfProvider, body: TimeOffIn, app: AppStateDep, write: WritingOnce
) -> Response:
    """Let nothing new be booked with this provider in this time."""
    return await _create(app, write, calendar, body)


@router.get(
    "/providers/{provider}/time-off",
    operation_id="listProviderTimeOff",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    response_model=TimeOffPage,
)
async def list_of_provider(calendar: OfProvider, asked: Asked, app: AppStateDep) -> Response:
    """The provider's own time off, by start."""
    return await _list(app, calendar, asked)


@router.delete(
    "/providers/{provider}/time-off/{time_off_id}",
    operation_id="deleteProviderTimeOff",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    status_code=204,
)
async def delete_of_provider(calendar: OfProvider, time_off_id: UUID, write: Writing) -> None:
    """Take it back."""
    await _delete(write, calendar, time_off_id)


async def _create(app: AppState, write: OnceWriter, calendar: ScheduleOwner, body: TimeOffIn) -> Response:
    async def make(conn: AsyncConnection) -> Response:
        starts_at, ends_at = _checked(body, await _zone(conn, calendar), app.now())
        stored = await time_off.add(
            conn,
            *calendar.owner,
            id_=new_id(),
            kind=body.kind,
            starts_at=starts_at,
            ends_at=ends_at,
            note=body.note,
        )
        conflicts = await time_off.count_conflicts(conn, *calendar.owner, starts_at, ends_at)
        write.concerns(stored["id"])
        return created(_shown(stored) | {"conflicts": conflicts}, f"{calendar.path}/time-off/{stored['id']}")

    return await write.once(body, make)


async def _zone(conn: AsyncConnection, calendar: ScheduleOwner) -> ZoneInfo:
    """The zone of whole days: a provider without hours of their own works by the business's clock."""
    hours = await schedule.list_hours(conn, *calendar.owner)
    return calendar.zone if hours.own else ZoneInfo(calendar.business_zone)


def _checked(body: TimeOffIn, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    starts_at, ends_at = body.bounds(zone)
    if ends_at - starts_at > LONGEST:
        raise InvalidRequestError("A time off may last two years at most.")
    if starts_at < now - _EARLIEST:
        raise InvalidRequestError("A time off may begin a year ago at the earliest.")
    return starts_at, ends_at


async def _list(app: AppState, calendar: ScheduleOwner, asked: _Query) -> Response:
    listing = f"time-off {calendar.path} {asked.from_} {asked.to}"
    after = app.cursors.decode(listing, asked.cursor) if asked.cursor else None
    window = Window(asked.from_ or app.now(), asked.to, asked.limit + 1, after)
    async with autocommit(app.engine) as conn:
        rows = await time_off.list_page(conn, *calendar.owner, window)
    shown = rows[: asked.limit]
    more = len(rows) > asked.limit  # the row behind those shown says that there is another page
    cursor = app.cursors.encode(listing, shown[-1]["starts_at"], shown[-1]["id"]) if more else None
    return listed({"items": [_shown(row) for row in shown], "next_cursor": cursor})


async def _delete(write: Writer, calendar: ScheduleOwner, time_off_id: UUID) -> None:
    async with write.begin() as conn:
        await time_off.remove(conn, *calendar.owner, time_off_id)


def _shown(row: Row) -> dict[str, object]:
    return {name: row[name] for name in TimeOffOut.model_fields}
