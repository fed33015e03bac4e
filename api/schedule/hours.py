"""`…/hours`: the weekly hours of a business, and of a provider who has other ones."""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import needs
from api.businesses.answers import changed
from api.caching import Expected, MayExpect
from api.deps import AppState, AppStateDep
from api.schedule.calendars import OfBusiness, OfProvider, ScheduleOwner
from api.schedule.schemas import BusinessHours, HoursIn, ProviderHours, WeeklyOut
from api.writes import Writer, Writing
from db.engine import autocommit
from db.repositories import businesses, schedule
from domain.access import Permission

router = APIRouter(prefix="/v1/businesses/{business}", tags=["schedule"])


@router.get(
    "/hours",
    operation_id="getBusinessHours",
    dependencies=[needs(Permission.BROWSE)],
    response_model=BusinessHours,
)
async def get_of_business(calendar: OfBusiness, request: Request, app: AppStateDep) -> Response:
    """The weekly hours of every provider who has none of their own."""
    return await _get(app, request, calendar)


@router.put(
    "/hours",
    operation_id="putBusinessHours",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=BusinessHours,
)
async def put_of_business(calendar: OfBusiness, body: HoursIn, expected: MayExpect, write: Writing) -> Response:
    """Replace all weekly hours of the business."""
    return await _put(write, expected, calendar, body)


@router.get(
    "/providers/{provider}/hours",
    operation_id="getProviderHours",
    dependencies=[needs(Permission.BROWSE)],
    response_model=ProviderHours,
)
async def get_of_provider(calendar: OfProvider, request: Request, app: AppStateDep) -> Response:
    """The weekly hours that the provider keeps: their own, or the business's."""
    return await _get(app, request, calendar)


@router.put(
    "/providers/{provider}/hours",
    operation_id="putProviderHours",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    response_model=ProviderHours,
)
async def put_of_provider(calendar: OfProvider, body: HoursIn, expected: MayExpect, write: Writing) -> Response:
    """Replace all weekly hours of the provider; with none they keep the business's again."""
    return await _put(write, expected, calendar, body)


async def _get(app: AppState, request: Request, calendar: ScheduleOwner) -> Response:
    async with autocommit(app.engine) as conn:
        return caching.cached(request, await _shown(conn, calendar), caching.CATALOGUE)


async def _put(write: Writer, expected: Expected, calendar: ScheduleOwner, body: HoursIn) -> Response:
    async with write.begin() as conn:
        await businesses.lock(conn, calendar.business_id)
        expected.check(await _shown(conn, calendar))
        await schedule.replace_hours(conn, *calendar.owner, body.rules())
        content = await _shown(conn, calendar)
    return changed(content)


async def _shown(conn: AsyncConnection, calendar: ScheduleOwner) -> dict[str, Any]:
    hours = await schedule.list_hours(conn, *calendar.owner)
    weekly = [WeeklyOut.of_rule(rule) for rule in hours.rules]
    if calendar.provider_id is None:
        return BusinessHours(timezone=calendar.business_zone, weekly=weekly).model_dump(mode="json")
    zone = calendar.zone_name if hours.own else calendar.business_zone
    return ProviderHours(timezone=zone, weekly=weekly, own=hours.own).model_dump(mode="json")
