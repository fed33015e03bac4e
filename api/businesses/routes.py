"""`/v1/businesses`: the public catalogue, by id or slug."""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy.ext.asyncio import AsyncConnection

from api.businesses.schemas import BusinessOut, ProviderOut, Providers, ServiceOut, Services
from api.deps import AppParts
from api.shapes import Money
from db.engine import autocommit
from db.repositories import catalogue
from db.repositories.rows import Row
from domain.errors import NotFoundError

router = APIRouter(prefix="/v1/businesses", tags=["businesses"])

_NAME = "^[A-Za-z0-9][A-Za-z0-9-]{0,62}$"

IdOrSlug = Annotated[str, Path(pattern=_NAME, description="The business's id or slug.")]


@router.get("/{business}", operation_id="getBusiness")
async def get_business(business: IdOrSlug, parts: AppParts) -> BusinessOut:
    """One business."""
    async with autocommit(parts.engine) as conn:
        return BusinessOut(**await _found(conn, business))


@router.get("/{business}/services", operation_id="listServices")
async def list_services(business: IdOrSlug, parts: AppParts) -> Services:
    """What can be booked."""
    async with autocommit(parts.engine) as conn:
        found = await _found(conn, business)
        return Services(items=[_service(row) for row in await catalogue.list_services(conn, found["id"])])


@router.get("/{business}/providers", operation_id="listProviders")
async def list_providers(business: IdOrSlug, parts: AppParts) -> Providers:
    """Who does it, the best rated first."""
    async with autocommit(parts.engine) as conn:
        found = await _found(conn, business)
        rows = await catalogue.list_providers(conn, found["id"])
    return Providers(items=[ProviderOut(**row) for row in rows])


async def _found(conn: AsyncConnection, id_or_slug: str) -> Row:
    row = await catalogue.find_business(conn, id_or_slug)
    if row is None:
        raise NotFoundError(f"There is no business '{id_or_slug}'.")
    return row


def _service(row: Row) -> ServiceOut:
    price = Money(amount_minor=row["price_minor"], currency=row["currency"])
    return ServiceOut(price=price, **{name: row[name] for name in ServiceOut.model_fields if name != "price"})
