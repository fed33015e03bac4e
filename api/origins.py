"""`…/origins`: the web sites that may call the API about a business."""

import re
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import httpx
from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import BusinessDep, needs
from api.answers import changed
from api.caching import IfMatchDep
from api.deps import AppStateDep
from api.shapes import In
from api.writes import WriterDep
from db.engine import autocommit
from db.repositories import businesses, origins
from db.repositories.rows import Row
from domain.access import Permission

_MOST: Final = 50
_LONGEST: Final = 255
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_ORIGIN: Final = re.compile(rf"https?://({_LABEL}(\.{_LABEL})*|\[[0-9a-f:.]+\])(:[0-9]{{1,5}})?")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SHAPE: Final = "an origin is scheme://host or scheme://host:port, such as https://www.example.com"


def plain_origin(value: str) -> str:
    """The origin as browsers send it: in lower case, without the default port and without a path.

    Raises:
        ValueError: it is not an origin, or one over plain HTTP other than localhost.
    """
    lower = _in_ascii(value.lower())
    if not _ORIGIN.fullmatch(lower):
        raise ValueError(_SHAPE)
    parts = urlsplit(lower)
    port = parts.port  # raises ValueError if it is out of range
    if parts.scheme == "http" and parts.hostname not in _THIS_MACHINE:
        raise ValueError("an origin is https://…; plain http is for localhost alone")
    if port is not None and port == _DEFAULT_PORTS[parts.scheme]:
        return lower.rpartition(":")[0]
    return lower if port is None else f"{lower.rpartition(':')[0]}:{port}"


def _in_ascii(value: str) -> str:
    """With the host in ASCII, as browsers send it: `https://müller.example` is `https://xn--mller-kva.example`."""
    if value.isascii():
        return value
    try:
        return str(httpx.URL(value))
    except (httpx.InvalidURL, UnicodeError):
        raise ValueError(_SHAPE) from None


Origin = Annotated[
    str, Field(max_length=_LONGEST, json_schema_extra={"format": "origin"}), AfterValidator(plain_origin)
]


class OriginsIn(In):
    """Every web site whose pages may call the API about this business; none: no page of another site may."""

    origins: Annotated[
        list[Origin], Field(max_length=_MOST, json_schema_extra={"examples": [["https://www.example.com"]]})
    ]


class OriginsOut(BaseModel):
    origins: list[str]


router = APIRouter(prefix="/v1/businesses/{business}", tags=["businesses"])


@router.get(
    "/origins",
    operation_id="getBusinessOrigins",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=OriginsOut,
)
async def get(business: BusinessDep, request: Request, app: AppStateDep) -> Response:
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
    business: BusinessDep, body: OriginsIn, expected: IfMatchDep, app: AppStateDep, write: WriterDep
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
