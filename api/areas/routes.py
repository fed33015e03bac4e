"""`…/areas`: the postal codes that a business serves, and a provider who serves only some of them."""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import needs
from api.areas.schemas import AreaIn, AreasIn, BusinessAreas, ProviderAreas
from api.businesses.answers import changed
from api.caching import Expected, MayExpect
from api.deps import AppState, AppStateDep
from api.schedule.calendars import OfBusiness, OfProvider, ScheduleOwner
from api.writes import Writer, Writing
from db.engine import autocommit
from db.repositories import areas, businesses
from domain.access import Permission

router = APIRouter(prefix="/v1/businesses/{business}", tags=["areas"])


@router.get(
    "/areas",
    operation_id="getBusinessAreas",
    dependencies=[needs(Permission.BROWSE)],
    response_model=BusinessAreas,
)
async def get_of_business(calendar: OfBusiness, request: Request, app: AppStateDep) -> Response:
    """The postal codes that the business serves; none is everywhere."""
    return await _get(app, request, calendar)


@router.put(
    "/areas",
    operation_id="putBusinessAreas",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=BusinessAreas,
)
async def put_of_business(calendar: OfBusiness, body: AreasIn, expected: MayExpect, write: Writing) -> Response:
    """Replace all areas of the business."""
    return await _put(write, expected, calendar, body)


@router.get(
    "/providers/{provider}/areas",
    operation_id="getProviderAreas",
    dependencies=[needs(Permission.BROWSE)],
    response_model=ProviderAreas,
)
async def get_of_provider(calendar: OfProvider, request: Request, app: AppStateDep) -> Response:
    """The postal codes that the provider serves: their own, or the business's."""
    return await _get(app, request, calendar)


@router.put(
    "/providers/{provider}/areas",
    operation_id="putProviderAreas",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=ProviderAreas,
)
async def put_of_provider(calendar: OfProvider, body: AreasIn, expected: MayExpect, write: Writing) -> Response:
    """Replace all areas of the provider; with none they go wherever the business does. For the desk."""
    return await _put(write, expected, calendar, body)


async def _get(app: AppState, request: Request, calendar: ScheduleOwner) -> Response:
    async with autocommit(app.engine) as conn:
        return caching.cached(request, await _shown(conn, calendar), caching.CATALOGUE)


async def _put(write: Writer, expected: Expected, calendar: ScheduleOwner, body: AreasIn) -> Response:
    async with write.begin() as conn:
        await businesses.lock(conn, calendar.business_id)
        expected.check(await _shown(conn, calendar))
        await areas.replace_areas(conn, *calendar.owner, body.plain())
        content = await _shown(conn, calendar)
    return changed(content)


async def _shown(conn: AsyncConnection, calendar: ScheduleOwner) -> dict[str, Any]:
    found = await areas.list_areas(conn, *calendar.owner)
    shown: dict[str, Any] = {
        "areas": [AreaIn.of_area(a).model_dump(mode="json", by_alias=True, exclude_none=True) for a in found.areas]
    }
    return shown if calendar.provider_id is None else shown | {"own": found.own}
