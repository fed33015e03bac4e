"""What a business and each of its providers have (hours, exceptions, time off, areas), and how routes share it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request

from api.access import BusinessDep, needs
from api.deps import AppStateDep
from api.paths import ProviderKey
from api.writes import Writer
from db.engine import autocommit
from db.repositories import providers
from db.repositories.rows import Row
from domain.access import Permission
from domain.errors import NotFoundError

_Handler = TypeVar("_Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ScheduleOwner:
    """A business or one of its providers, with the zones of their wall clocks."""

    business_id: UUID
    business_zone: str
    provider_id: UUID | None = None
    provider_zone: str | None = None
    """The zone of the provider's own hours; none: the business's."""

    @property
    def zone_name(self) -> str:
        return self.provider_zone or self.business_zone

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone_name)

    @property
    def key(self) -> tuple[UUID, UUID | None]:
        """Business and provider, as repositories take them."""
        return self.business_id, self.provider_id

    def announce(self, write: Writer, what: str, **data: object) -> None:
        """Write the event that this owner's availability has changed."""
        subject = self.provider_id or self.business_id
        ids = {} if self.provider_id is None else {"providerId": self.provider_id}
        write.announce(f"business.availability.{what}", subject, **ids, **data)

    @property
    def path(self) -> str:
        """The URL path below which the owner's collections are."""
        business = f"/v1/businesses/{self.business_id}"
        return business if self.provider_id is None else f"{business}/providers/{self.provider_id}"


async def _business_as_owner(request: Request, business: BusinessDep) -> None:
    request.state.schedule_owner = ScheduleOwner(business["id"], business["timezone"])


async def _provider_as_owner(
    business: BusinessDep, provider: ProviderKey, request: Request, app: AppStateDep
) -> None:
    row: Row | None = getattr(request.state, "provider", None)
    if row is None:  # the access check had no need to look the provider up
        async with autocommit(app.engine) as conn:
            row = await providers.find(conn, business["id"], provider)
    if row is None:
        raise NotFoundError(f"There is no provider '{provider}'.")
    request.state.schedule_owner = ScheduleOwner(business["id"], business["timezone"], row["id"], row["timezone"])


async def _owner(request: Request) -> ScheduleOwner | None:
    """The owner; none when the path is not valid: then the handler is not called, and the answer is a 422."""
    return getattr(request.state, "schedule_owner", None)


OwnerDep = Annotated[ScheduleOwner, Depends(_owner)]
"""Of a handler that `OwnedRoutes` registers: whose collection the path names."""


class OwnerRoute(NamedTuple):
    """What differs between the business's route and the provider's."""

    operation_id: str
    permission: Permission
    description: str
    response_model: Any = None
    """None: the answer has no body."""


class OwnedRoutes:
    """The routes of one collection, each registered twice: below the business and below its providers."""

    def __init__(self, tag: str) -> None:
        self._of_business = APIRouter(prefix="/v1/businesses/{business}", tags=[tag])
        self._of_provider = APIRouter(prefix="/v1/businesses/{business}/providers/{provider}", tags=[tag])

    def route(
        self, method: str, path: str, *, business: OwnerRoute, provider: OwnerRoute, status_code: int = 200
    ) -> Callable[[_Handler], _Handler]:
        """Register a handler, which takes its owner as `OwnerDep`, at both paths."""

        def register(handler: _Handler) -> _Handler:
            _add(self._of_business, method, path, handler, business, _business_as_owner, status_code)
            _add(self._of_provider, method, path, handler, provider, _provider_as_owner, status_code)
            return handler

        return register

    def router(self) -> APIRouter:
        """All routes, the business's first."""
        return APIRouter(routes=[*self._of_business.routes, *self._of_provider.routes])


def _add(
    router: APIRouter,
    method: str,
    path: str,
    handler: Callable[..., Any],
    route: OwnerRoute,
    owner: Callable[..., Any],
    status_code: int,
) -> None:
    router.add_api_route(
        path,
        handler,
        methods=[method],
        operation_id=route.operation_id,
        description=route.description,
        dependencies=[needs(route.permission), Depends(owner)],
        response_model=route.response_model,
        status_code=status_code,
    )
