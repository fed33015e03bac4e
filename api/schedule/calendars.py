"""Whose calendar a request is about, and whether the caller may change it."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends

from api.businesses.paths import IdOrSlug, ProviderKey, found_business
from api.deps import AppParts, AtDesk
from db.engine import autocommit
from db.repositories import providers
from domain.access import Permission
from domain.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Calendar:
    """A business's calendar, or that of one of its providers, with the zones of its wall clocks."""

    business_id: UUID
    business_zone: str
    provider_id: UUID | None = None
    provider_zone: str | None = None
    """Of the provider's own hours, where it is not the business's."""

    @property
    def zone_name(self) -> str:
        return self.provider_zone or self.business_zone

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone_name)


async def _of_business(business: IdOrSlug, parts: AppParts) -> Calendar:
    async with autocommit(parts.engine) as conn:
        found = await found_business(conn, business)
    return Calendar(found["id"], found["timezone"])


async def _of_provider(business: IdOrSlug, provider: ProviderKey, parts: AppParts) -> Calendar:
    async with autocommit(parts.engine) as conn:
        found = await found_business(conn, business)
        row = await providers.find(conn, found["id"], provider)
    if row is None:
        raise NotFoundError(f"There is no provider '{provider}'.")
    return Calendar(found["id"], found["timezone"], row["id"], row["timezone"])


OfBusiness = Annotated[Calendar, Depends(_of_business)]
OfProvider = Annotated[Calendar, Depends(_of_provider)]


# The desk comes first: whoever is not logged in is told so before anything is looked up.
async def _managed_business(desk: AtDesk, calendar: OfBusiness) -> Calendar:
    desk.require(Permission.MANAGE_BUSINESS, calendar.business_id)
    return calendar


async def _managed_provider(desk: AtDesk, calendar: OfProvider) -> Calendar:
    desk.require(Permission.MANAGE_BUSINESS, calendar.business_id)
    return calendar


async def _kept_by_provider(desk: AtDesk, calendar: OfProvider) -> Calendar:
    desk.require(Permission.MANAGE_CALENDAR, calendar.business_id, provider_id=calendar.provider_id)
    return calendar


ManagedBusiness = Annotated[Calendar, Depends(_managed_business)]
"""Of a business, for its desk."""
ManagedProvider = Annotated[Calendar, Depends(_managed_provider)]
"""Of a provider, for the desk alone."""
KeptByProvider = Annotated[Calendar, Depends(_kept_by_provider)]
"""Of a provider, for the desk and for that provider."""
