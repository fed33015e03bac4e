"""`…/hours`: the weekly hours of a business, and of a provider who has other ones."""

from typing import Annotated, Any, Final, Self

from fastapi import Request, Response
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.answers import changed
from api.caching import IfMatchDep
from api.deps import AppStateDep
from api.schedule.clock_times import EndTime, OpenHours, TimeOfDay, Weekday, clock, spelled
from api.schedule.owners import OwnedRoutes, OwnerDep, OwnerRoute, ScheduleOwner
from api.shapes import In
from api.writes import WriterDep
from db.engine import autocommit
from db.repositories import businesses, schedule
from domain.access import Permission
from domain.hours import Weekly, overlap_in_week

routes = OwnedRoutes("schedule")

_MOST_RULES: Final = 200


class WeeklyIn(OpenHours):
    """The same hours on one weekday or several; hours over midnight belong to the day on which they begin."""

    day: Weekday | None = None
    days: Annotated[list[Weekday], Field(max_length=7, default_factory=list)]

    @model_validator(mode="after")
    def _name_days(self) -> Self:
        if (self.day is None) == (not self.days):
            raise ValueError("give either day or days")
        return self

    def rules(self) -> list[Weekly]:
        """A rule for each of the days."""
        days = self.days if self.day is None else [self.day]
        return [Weekly(day.number, *self.minutes()) for day in days]


class HoursIn(In):
    """All hours of the week; none for a provider: the business's."""

    weekly: Annotated[list[WeeklyIn], Field(max_length=_MOST_RULES)]

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if len(rules := self.rules()) > _MOST_RULES:
            raise ValueError(f"a week may have {_MOST_RULES} intervals at most")
        if (overlap := overlap_in_week(rules)) is not None:
            one, other = (_named(rule) for rule in overlap)
            raise ValueError(f"{one} and {other} overlap")
        return self

    def rules(self) -> list[Weekly]:
        """One rule for each interval of each day."""
        return [rule for weekly in self.weekly for rule in weekly.rules()]


class WeeklyOut(BaseModel):
    day: Weekday
    opens: TimeOfDay
    closes: EndTime

    @classmethod
    def of_rule(cls, rule: Weekly) -> Self:
        return cls(day=Weekday.numbered(rule.weekday), opens=clock(rule.opens), closes=clock(rule.closes))


class BusinessHours(BaseModel):
    timezone: str
    """IANA zone of the wall's clock."""
    weekly: list[WeeklyOut]


class ProviderHours(BusinessHours):
    own: bool
    """False: the provider keeps the business's hours, and these are they."""


def _named(rule: Weekly) -> str:
    return f"{Weekday.numbered(rule.weekday)} {spelled(rule.opens, rule.closes)}"


@routes.route(
    "GET",
    "/hours",
    business=OwnerRoute(
        "getBusinessHours",
        Permission.BROWSE,
        "The weekly hours of every provider who has none of their own.",
        BusinessHours,
    ),
    provider=OwnerRoute(
        "getProviderHours",
        Permission.BROWSE,
        "The weekly hours that the provider keeps: their own, or the business's.",
        ProviderHours,
    ),
)
async def get(owner: OwnerDep, request: Request, app: AppStateDep) -> Response:
    async with autocommit(app.engine) as conn:
        return caching.cached(request, await _shown(conn, owner), caching.CATALOGUE)


@routes.route(
    "PUT",
    "/hours",
    business=OwnerRoute(
        "putBusinessHours",
        Permission.MANAGE_BUSINESS,
        "Replace all weekly hours of the business.",
        BusinessHours,
    ),
    provider=OwnerRoute(
        "putProviderHours",
        Permission.MANAGE_CALENDAR,
        "Replace all weekly hours of the provider; with none they keep the business's again.",
        ProviderHours,
    ),
)
async def put(owner: OwnerDep, body: HoursIn, expected: IfMatchDep, write: WriterDep) -> Response:
    async with write.begin() as conn:
        await businesses.lock(conn, owner.business_id)
        expected.check(await _shown(conn, owner))
        await schedule.replace_hours(conn, *owner.key, body.rules())
        owner.announce(write, "hours_changed")
        content = await _shown(conn, owner)
    return changed(content)


async def _shown(conn: AsyncConnection, owner: ScheduleOwner) -> dict[str, Any]:
    hours = await schedule.list_hours(conn, *owner.key)
    weekly = [WeeklyOut.of_rule(rule) for rule in hours.rules]
    if owner.provider_id is None:
        return BusinessHours(timezone=owner.business_zone, weekly=weekly).model_dump(mode="json")
    zone = owner.zone_name if hours.own else owner.business_zone
    return ProviderHours(timezone=zone, weekly=weekly, own=hours.own).model_dump(mode="json")


router = routes.router()
