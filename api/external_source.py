"""`/v1/businesses/{business}/external-source`: the outside calendar that a business follows.

It is polled in the background; no request waits for it.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from api.access import BusinessDep, needs
from api.answers import invalid
from api.caching import IfMatchDep, etag
from api.deps import AppState, AppStateDep
from api.shapes import In, Text
from api.writes import WriterDep
from db.engine import autocommit
from db.repositories import businesses, external_sources
from db.repositories.external_sources import NewSource
from db.repositories.rows import Row
from domain.access import Permission
from domain.errors import NotFoundError
from domain.external import OnStale, SourceState, freshness
from runtime.json import to_json
from runtime.outbound import OutboundRefusedError, check_url
from runtime.secrets import Secrets, SecretsKeyMissingError

_IN_A_HEADER: Final = re.compile(r"[\x21-\x7e]{1,4000}")


def _fits_a_header(value: SecretStr) -> SecretStr:
    if not _IN_A_HEADER.fullmatch(value.get_secret_value()):
        raise ValueError("must be 1 to 4000 ASCII characters without spaces")
    return value


class ExternalSourceIn(In):
    url: Annotated[Text, Field(min_length=1, max_length=2000)]
    token: Annotated[SecretStr, AfterValidator(_fits_a_header)] | None = None
    """Sent as `Authorization: Bearer …`. Left out, the token stays as long as the URL does; null removes it."""
    on_stale: OnStale = OnStale.OPEN
    interval_seconds: int = Field(strict=True, default=60, ge=10, le=86_400)
    max_age_seconds: int = Field(strict=True, default=900, le=30 * 86_400)
    horizon_days: int = Field(strict=True, default=60, ge=1, le=400)

    @model_validator(mode="after")
    def _data_live_longer_than_the_interval(self) -> Self:
        if self.max_age_seconds < self.interval_seconds:
            raise ValueError("max_age_seconds must not be less than interval_seconds")
        return self

    def keeps_token(self) -> bool:
        """Whether the body leaves the token as it is."""
        return "token" not in self.model_fields_set


class ExternalSourceOut(BaseModel):
    url: str
    has_token: bool
    on_stale: OnStale
    interval_seconds: int
    max_age_seconds: int
    horizon_days: int
    state: SourceState
    as_of: datetime | None
    """The moment that the data speak of."""
    age_seconds: int | None
    checked_at: datetime | None
    error: str | None
    """Why the last check brought nothing, or not all."""


router = APIRouter(prefix="/v1/businesses/{business}/external-source", tags=["external source"])

_SETTINGS = ("url", "token_tag", "on_stale", "interval_seconds", "max_age_seconds", "horizon_days")


@router.put(
    "",
    operation_id="putExternalSource",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=ExternalSourceOut,
)
async def put_source(
    business: BusinessDep, body: ExternalSourceIn, app: AppStateDep, expected: IfMatchDep, write: WriterDep
) -> Response:
    """Set or replace the source, and have it asked soon. Another URL begins without data and without a token."""
    source = _new_source(body, app)
    async with write.begin() as conn:
        await businesses.lock(conn, business["id"])
        known = await external_sources.find(conn, business["id"])
        expected.check(*([_settings(known)] if known else []))
        row = await external_sources.save(conn, business["id"], source)
    return _shown(row, app)


@router.get(
    "",
    operation_id="getExternalSource",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=ExternalSourceOut,
)
async def get_source(business: BusinessDep, app: AppStateDep) -> Response:
    """The source, and how fresh its data are. Its tag is that of the settings: freshness leaves it as it is."""
    async with autocommit(app.engine) as conn:
        return _shown(_there(await external_sources.find(conn, business["id"])), app)


@router.delete(
    "", status_code=204, operation_id="deleteExternalSource", dependencies=[needs(Permission.MANAGE_BUSINESS)]
)
async def delete_source(business: BusinessDep, write: WriterDep) -> None:
    """Do without a source, and forget what it said."""
    async with write.begin() as conn:
        await external_sources.delete(conn, business["id"])


@router.post(
    "/refresh",
    status_code=202,
    operation_id="refreshExternalSource",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=ExternalSourceOut,
)
async def refresh_source(business: BusinessDep, app: AppStateDep, write: WriterDep) -> Response:
    """Have the source asked in the next round, half a minute from now at most."""
    async with write.begin() as conn:
        row = _there(await external_sources.check_now(conn, business["id"]))
    return _shown(row, app, 202)


def _there(row: Row | None) -> Row:
    if row is None:
        raise NotFoundError("This business has no external source.")
    return row


def _new_source(body: ExternalSourceIn, app: AppState) -> NewSource:
    try:
        url = check_url(body.url, allow_loopback=app.settings.outbound_allow_loopback)
    except OutboundRefusedError as error:
        raise invalid("url", str(error)) from error
    token = Secrets(app.settings.secrets_key)
    try:
        encrypted = token.encrypt(body.token.get_secret_value()) if body.token else None
    except SecretsKeyMissingError as error:
        raise invalid("token", f"cannot be stored: {error}") from error
    kept = body.model_dump(include={"on_stale", "interval_seconds", "max_age_seconds", "horizon_days"})
    return NewSource(url=url, token_encrypted=encrypted, keep_token=body.keeps_token(), **kept)


def _settings(row: Row) -> dict[str, Any]:
    """What callers set: the tag covers this."""
    return {name: row[name] for name in _SETTINGS}


def _shown(row: Row, app: AppState, status: int = 200) -> Response:
    fresh = freshness(row["as_of"], row["max_age_seconds"], app.now())
    content = ExternalSourceOut(**row, state=fresh.state, age_seconds=fresh.age_seconds)
    # Weak (RFC 9110, section 8.8.1): it covers the settings, not the age, which changes each second.
    tag = f"W/{etag(to_json(_settings(row)))}"
    return Response(to_json(content.model_dump(mode="json")), status, {"ETag": tag}, "application/json")
