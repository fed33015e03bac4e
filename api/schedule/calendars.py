"""Whose calendar a request is about."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from api.access import ThisBusiness
from api.deps import AppStateDep
from api.paths import ProviderKey
from db.engine import autocommit
from db.repositories import providers
from db.repositories.rows import Row
from domain.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class ScheduleOwner:
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

    @property
    def owner(self) -> tuple[UUID, UUID | None]:
        """Business and provider, as repositories take them."""
        return self.business_id, self.provider_id

    @property
    def path(self) -> str:
        """Where the API has this calendar."""
        business = f"/v1/businesses/{self.business_id}"
        return business if self.provider_id is None else f"{business}/providers/{self.provider_id}"


async def _of_business(business: ThisBusiness) -> ScheduleOwner:
    return ScheduleOwner(business["id"], business["timezone"])


async def _of_provider(
    business: ThisBusiness, provider: ProviderKey, request: Request, app: AppStateDep
) -> ScheduleOwner:
    row: Row | None = getattr(request.state, "provider", None)
    if row is None:  # nobody had to be asked whether it is theirs
        async with autocommit(app.engine) as conn:
            row = await providers.find(conn, business["id"], provider)
    if row is None:
        raise NotFoundError(f"There is no provider '{provider}'.")
    return ScheduleOwner(business["id"], business["timezone"], row["id"], row["timezone"])


OfBusiness = Annotated[ScheduleOwner, Depends(_of_business)]
OfProvider = Annotated[ScheduleOwner, Depends(_of_provider)]
