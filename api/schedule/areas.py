"""`…/areas`: the postal codes that a business serves, and a provider who serves only some of them."""

from typing import Annotated, Any, Final, Self

from fastapi import Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.answers import changed
from api.caching import IfMatchDep
from api.deps import AppStateDep
from api.schedule.owners import OwnedRoutes, OwnerDep, OwnerRoute, ScheduleOwner
from api.shapes import In
from api.writes import WriterDep
from db.engine import autocommit
from db.repositories import areas, businesses
from domain.access import Permission
from domain.areas import Area, AreaKind, plain_code

_MOST: Final = 2000
_LONGEST: Final = 20


def _plain(value: str) -> str:
    code = plain_code(value)
    if not (code.isascii() and code.isalnum() and len(code) <= _LONGEST):
        raise ValueError("a postal code is made of the letters A to Z and digits")
    return code


PostalCode = Annotated[str, Field(min_length=1, max_length=_LONGEST), AfterValidator(_plain)]


class AreaIn(In):
    """`exact` and `prefix` have a `code`; a `range` goes from `from` to `to`, both included."""

    model_config = ConfigDict(validate_by_name=False, validate_by_alias=True)

    kind: AreaKind
    code: PostalCode | None = None
    from_: PostalCode | None = Field(default=None, alias="from")
    to: PostalCode | None = None

    @model_validator(mode="after")
    def _say_which(self) -> Self:
        ends = (self.from_, self.to)
        if self.kind is not AreaKind.RANGE:
            if self.code is None or ends != (None, None):
                raise ValueError(f"'{self.kind}' has a code, and neither from nor to")
        elif self.from_ is None or self.to is None or self.code is not None:
            raise ValueError("a range has from and to, and no code")
        elif len(self.from_) != len(self.to) or self.to < self.from_:
            raise ValueError(f"{self.from_} to {self.to} is no range: the ends are of one length, the lower first")
        return self

    def area(self) -> Area:
        """The same for the domain."""
        first = self.code if self.from_ is None else self.from_
        assert first is not None
        return Area(self.kind, first, self.to)

    @classmethod
    def of_area(cls, area: Area) -> "AreaIn":
        """The reverse."""
        if area.kind is AreaKind.RANGE:
            return AreaIn.model_validate({"kind": area.kind, "from": area.first, "to": area.last})
        return AreaIn(kind=area.kind, code=area.first)


class AreasIn(In):
    """Every postal code served; none: everywhere, and for a provider wherever the business goes."""

    areas: Annotated[list[AreaIn], Field(max_length=_MOST)]

    def plain(self) -> list[Area]:
        """Each area once."""
        return list(dict.fromkeys(area.area() for area in self.areas))


class BusinessAreas(BaseModel):
    areas: list[AreaIn]


class ProviderAreas(BusinessAreas):
    own: bool
    """False: the provider goes where the business does, and this is where."""


routes = OwnedRoutes("areas")


@routes.route(
    "GET",
    "/areas",
    business=OwnerRoute(
        "getBusinessAreas",
        Permission.BROWSE,
        "The postal codes that the business serves; none is everywhere.",
        BusinessAreas,
    ),
    provider=OwnerRoute(
        "getProviderAreas",
        Permission.BROWSE,
        "The postal codes that the provider serves: their own, or the business's.",
        ProviderAreas,
    ),
)
async def get(owner: OwnerDep, request: Request, app: AppStateDep) -> Response:
    async with autocommit(app.engine) as conn:
        return caching.cached(request, await _shown(conn, owner), caching.CATALOGUE)


@routes.route(
    "PUT",
    "/areas",
    business=OwnerRoute(
        "putBusinessAreas",
        Permission.MANAGE_BUSINESS,
        "Replace all areas of the business.",
        BusinessAreas,
    ),
    provider=OwnerRoute(
        "putProviderAreas",
        Permission.MANAGE_BUSINESS,
        "Replace all areas of the provider; with none they go wherever the business does. For the desk.",
        ProviderAreas,
    ),
)
async def put(owner: OwnerDep, body: AreasIn, expected: IfMatchDep, write: WriterDep) -> Response:
    async with write.begin() as conn:
        await businesses.lock(conn, owner.business_id)
        expected.check(await _shown(conn, owner))
        await areas.replace_areas(conn, *owner.key, body.plain())
        owner.announce(write, "areas_changed")
        content = await _shown(conn, owner)
    return changed(content)


async def _shown(conn: AsyncConnection, owner: ScheduleOwner) -> dict[str, Any]:
    found = await areas.list_areas(conn, *owner.key)
    shown: dict[str, Any] = {
        "areas": [AreaIn.of_area(a).model_dump(mode="json", by_alias=True, exclude_none=True) for a in found.areas]
    }
    return shown if owner.provider_id is None else shown | {"own": found.own}


router = routes.router()
