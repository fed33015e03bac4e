"""`…/time-off`: time in which nothing new is booked. Its notes are read by the desk and by that provider only."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access import needs
from api.bookings import cursors
from api.deps import AppParts, AtDesk, Parts
from api.idempotency import OptionalKey, plain_key
from api.schedule.calendars import Calendar, KeptByProvider, ManagedBusiness
from api.schedule.time_off_schemas import TimeOffCreated, TimeOffIn, TimeOffOut, TimeOffPage
from db.engine import autocommit
from db.repositories import schedule, time_off
from db.repositories.time_off import Window
from domain.access import Permission
from domain.errors import IdempotencyMismatchError, InvalidRequestError
from domain.times import Moment
from runtime.ids import new_id
from runtime.json import to_json

router = APIRouter(prefix="/v1/businesses/{business}", tags=["schedule"])

LONGEST: Final = timedelta(days=2 * 366)
_EARLIEST: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class _Query:
    from_: datetime | None
    to: datetime | None
    limit: int
    cursor: str | None

    def window(self, now: datetime) -> Window:
        """One row more than is shown: it says whether there is another page."""
        after = cursors.decode(self.cursor) if self.cursor else None
        return Window(self.from_ or now, self.to, self.limit + 1, after)


async def _query(
    from_: Annotated[Moment | None, Query(alias="from", description="Ends after; else now.")] = None,
    to: Annotated[Moment | None, Query(description="Starts before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
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
    calendar: ManagedBusiness, body: TimeOffIn, parts: AppParts, desk: AtDesk, key: OptionalKey = None
) -> Response:
    """Let nothing new be booked with anybody in this time."""
    return await _create(parts, calendar, body, _id(calendar, desk.user_id, key))


@router.get(
    "/time-off",
    operation_id="listBusinessTimeOff",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=TimeOffPage,
)
async def list_of_business(calendar: ManagedBusiness, asked: Asked, parts: AppParts) -> Response:
    """The time off that is everybody's, by start."""
    return await _list(parts, calendar, asked)


@router.delete(
    "/time-off/{time_off_id}",
    operation_id="deleteBusinessTimeOff",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    status_code=204,
)
async def delete_of_business(calendar: ManagedBusiness, time_off_id: UUID, parts: AppParts) -> None:
    """Take it back."""
    await _delete(parts, calendar, time_off_id)


@router.post(
    "/providers/{provider}/time-off",
    operation_id="createProviderTimeOff",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    status_code=201,
    response_model=TimeOffCreated,
)
async def create_of_provider(
    calendar: KeptByProvider, body: TimeOffIn, parts: AppParts, desk: AtDesk, key: OptionalKey = None
) -> Response:
    """Let nothing new be booked with this provider in this time."""
    return await _create(parts, calendar, body, _id(calendar, desk.user_id, key))


@router.get(
    "/providers/{provider}/time-off",
    operation_id="listProviderTimeOff",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    response_model=TimeOffPage,
)
async def list_of_provider(calendar: KeptByProvider, asked: Asked, parts: AppParts) -> Response:
    """The provider's own time off, by start."""
    return await _list(parts, calendar, asked)


@router.delete(
    "/providers/{provider}/time-off/{time_off_id}",
    operation_id="deleteProviderTimeOff",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    status_code=204,
)
async def delete_of_provider(calendar: KeptByProvider, time_off_id: UUID, parts: AppParts) -> None:
    """Take it back."""
    await _delete(parts, calendar, time_off_id)


def _id(calendar: Calendar, user_id: UUID | None, header: str | None) -> UUID:
    """The id of what is made: under a caller's key always the same, which is how a repetition is known."""
    key = plain_key(header)
    return new_id() if key is None else uuid5(UUID(str(calendar.business_id)), f"{user_id}/createTimeOff/{key}")


async def _create(parts: Parts, calendar: Calendar, body: TimeOffIn, id_: UUID) -> Response:
    async with autocommit(parts.engine) as conn:
        zone = await _zone(conn, calendar)
    starts_at, ends_at = _checked(body, zone, parts.now())
    asked = {"kind": body.kind, "starts_at": starts_at, "ends_at": ends_at, "note": body.note}
    whose = (calendar.business_id, calendar.provider_id)
    async with autocommit(parts.engine) as conn:
        stored = await time_off.add(
            conn, *whose, id_=id_, kind=body.kind, starts_at=starts_at, ends_at=ends_at, note=body.note
        )
        if stored["provider_id"] != calendar.provider_id or any(stored[name] != asked[name] for name in asked):
            raise IdempotencyMismatchError
        conflicts = await time_off.count_conflicts(conn, *whose, starts_at, ends_at)
    shown = {name: stored[name] for name in TimeOffOut.model_fields} | {"conflicts": conflicts}
    return _json(shown, 201)


async def _zone(conn: AsyncConnection, calendar: Calendar) -> ZoneInfo:
    """The zone of whole days: a provider without hours of their own works by the business's clock."""
    hours = await schedule.list_hours(conn, calendar.business_id, calendar.provider_id)
    return calendar.zone if hours.own else ZoneInfo(calendar.business_zone)


def _checked(body: TimeOffIn, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    starts_at, ends_at = body.bounds(zone)
    if ends_at - starts_at > LONGEST:
        raise InvalidRequestError("A time off may last two years at most.")
    if starts_at < now - _EARLIEST:
        raise InvalidRequestError("A time off may begin a year ago at the earliest.")
    return starts_at, ends_at


async def _list(parts: Parts, calendar: Calendar, asked: _Query) -> Response:
    async with autocommit(parts.engine) as conn:
        rows = await time_off.list_page(
            conn, calendar.business_id, calendar.provider_id, asked.window(parts.now())
        )
    shown = rows[: asked.limit]
    more = cursors.encode(shown[-1]["starts_at"], shown[-1]["id"]) if len(rows) > asked.limit else None
    return _json({"items": [dict(row) for row in shown], "next_cursor": more})


async def _delete(parts: Parts, calendar: Calendar, time_off_id: UUID) -> None:
    async with autocommit(parts.engine) as conn:
        await time_off.remove(conn, calendar.business_id, calendar.provider_id, time_off_id)


def _json(content: Any, status: int = 200) -> Response:
    return Response(to_json(content), status, media_type="application/json")
