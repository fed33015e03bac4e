"""`…/time-off`: time in which nothing new is booked. Only owners, admins and the provider read its notes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Response
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from api import cursors
from api.answers import created, listed
from api.deps import AppStateDep
from api.schedule.clock_times import Day
from api.schedule.owners import OwnedRoutes, OwnerDep, OwnerRoute, ScheduleOwner
from api.shapes import In, Text
from api.writes import OnceWriterDep, WriterDep
from db.engine import autocommit
from db.repositories import schedule, time_off
from db.repositories.rows import Row
from db.repositories.time_off import Window
from domain.access import Permission
from domain.errors import InvalidRequestError
from domain.times import Moment, MomentInUrl
from domain.zones import begins, moment
from runtime.ids import new_id

routes = OwnedRoutes("schedule")

LONGEST: Final = timedelta(days=2 * 366)
_EARLIEST: Final = timedelta(days=366)


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
        """Start and end, the end excluded; days are those of the zone."""
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


TimeOffQueryDep = Annotated[_Query, Depends(_query)]


@routes.route(
    "POST",
    "/time-off",
    business=OwnerRoute(
        "createBusinessTimeOff",
        Permission.MANAGE_BUSINESS,
        "Let nothing new be booked with anybody in this time.",
        TimeOffCreated,
    ),
    provider=OwnerRoute(
        "createProviderTimeOff",
        Permission.MANAGE_CALENDAR,
        "Let nothing new be booked with this provider in this time.",
        TimeOffCreated,
    ),
    status_code=201,
)
async def create(owner: OwnerDep, body: TimeOffIn, app: AppStateDep, write: OnceWriterDep) -> Response:
    async def make(conn: AsyncConnection) -> Response:
        starts_at, ends_at = _checked(body, await _zone(conn, owner), app.now())
        stored = await time_off.add(
            conn,
            *owner.key,
            id_=new_id(),
            kind=body.kind,
            starts_at=starts_at,
            ends_at=ends_at,
            note=body.note,
        )
        conflicts = await time_off.count_conflicts(conn, *owner.key, starts_at, ends_at)
        write.set_object_id(stored["id"])
        owner.announce(write, "time_off_added", timeOffId=stored["id"])
        return created(_shown(stored) | {"conflicts": conflicts}, f"{owner.path}/time-off/{stored['id']}")

    return await write.once(body, make)


@routes.route(
    "GET",
    "/time-off",
    business=OwnerRoute(
        "listBusinessTimeOff",
        Permission.MANAGE_BUSINESS,
        "The time off that is everybody's, by start.",
        TimeOffPage,
    ),
    provider=OwnerRoute(
        "listProviderTimeOff",
        Permission.MANAGE_CALENDAR,
        "The provider's own time off, by start.",
        TimeOffPage,
    ),
)
async def list_(owner: OwnerDep, asked: TimeOffQueryDep, app: AppStateDep) -> Response:
    listing = f"time-off {owner.path} {asked.from_} {asked.to}"
    after = app.cursors.decode(listing, asked.cursor) if asked.cursor else None
    window = Window(asked.from_ or app.now(), asked.to, asked.limit + 1, after)
    async with autocommit(app.engine) as conn:
        rows = await time_off.list_page(conn, *owner.key, window)
    shown = rows[: asked.limit]
    more = len(rows) > asked.limit  # one extra row means that there is another page
    cursor = app.cursors.encode(listing, shown[-1]["starts_at"], shown[-1]["id"]) if more else None
    return listed({"items": [_shown(row) for row in shown], "next_cursor": cursor})


@routes.route(
    "DELETE",
    "/time-off/{time_off_id}",
    business=OwnerRoute(
        "deleteBusinessTimeOff",
        Permission.MANAGE_BUSINESS,
        "Take it back.",
    ),
    provider=OwnerRoute(
        "deleteProviderTimeOff",
        Permission.MANAGE_CALENDAR,
        "Take it back.",
    ),
    status_code=204,
)
async def delete(owner: OwnerDep, time_off_id: UUID, write: WriterDep) -> None:
    async with write.begin() as conn:
        if await time_off.remove(conn, *owner.key, time_off_id):
            owner.announce(write, "time_off_removed", timeOffId=time_off_id)


async def _zone(conn: AsyncConnection, owner: ScheduleOwner) -> ZoneInfo:
    """The zone of whole days: a provider without hours of their own uses the business's."""
    hours = await schedule.list_hours(conn, *owner.key)
    return owner.zone if hours.own else ZoneInfo(owner.business_zone)


def _checked(body: TimeOffIn, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    starts_at, ends_at = body.bounds(zone)
    if ends_at - starts_at > LONGEST:
        raise InvalidRequestError("A time off may last two years at most.")
    if starts_at < now - _EARLIEST:
        raise InvalidRequestError("A time off may begin a year ago at the earliest.")
    return starts_at, ends_at


def _shown(row: Row) -> dict[str, object]:
    return {name: row[name] for name in TimeOffOut.model_fields}


router = routes.router()
