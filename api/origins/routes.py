"""`…/origins`: the web sites whose pages may speak to the API about a business."""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import ThisBusiness, needs
from api.businesses.answers import changed
from api.caching import MayExpect
from api.deps import AppStateDep
from api.origins.schemas import OriginsIn, OriginsOut
from api.writes import Writing
from db.engine import autocommit
from db.repositories import businesses, origins
from db.repositories.rows import Row
from domain.access import Permission

router = APIRouter(prefix="/v1/businesses/{business}", tags=["businesses"])


@router.get(
    "/origins",
    operation_id="getBusinessOrigins",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=OriginsOut,
)
async def get(business: ThisBusiness, request: Request, app: AppStateDep) -> Response:
    """The web sites whose pages may call the API about this business from a browser."""
    async with autocommit(app.engine) as conn:
        return caching.cached(request, await _shown(conn, business), caching.PRIVATE)


@router.put(
    "/origins",
    operation_id="putBusinessOrigins",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=OriginsOut,
)
async def put(
    business: ThisBusiness, body: OriginsIn, expected: MayExpect, app: AppStateDep, write: Writing
) -> Response:
    """Replace all of them. Every process follows within half a minute."""
    async with write.begin() as conn:
        await businesses.lock(conn, business["id"])
        expected.check(await _shown(conn, business))
        await origins.replace_origins(conn, business["id"], list(dict.fromkeys(body.origins)))
        content = await _shown(conn, business)
    app.origins.forget()
    return changed(content)


async def _shown(conn: AsyncConnection, business: Row) -> dict[str, Any]:
    return {"origins": await origins.list_origins(conn, business["id"])}
