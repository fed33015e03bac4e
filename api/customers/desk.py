"""The business whose customers a request is about, once the caller has proved that they may."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from api.businesses.paths import IdOrSlug, found_business
from api.deps import AppParts, AtDesk
from db.engine import autocommit
from domain.access import Permission


async def _read(desk: AtDesk, business: IdOrSlug, parts: AppParts) -> UUID:
    async with autocommit(parts.engine) as conn:
        business_id: UUID = (await found_business(conn, business))["id"]
    desk.require(Permission.READ_CUSTOMERS, business_id)
    return business_id


async def _managed(desk: AtDesk, business_id: Annotated[UUID, Depends(_read)]) -> UUID:
    desk.require(Permission.MANAGE_CUSTOMERS, business_id)
    return business_id


ReadsCustomers = Annotated[UUID, Depends(_read)]
ManagesCustomers = Annotated[UUID, Depends(_managed)]
