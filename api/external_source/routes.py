"""`/v1/businesses/{business}/external-source`: the outside calendar that a business goes by.

It is asked in the background; no request waits for it.
"""

from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access import needs
from api.businesses.answers import invalid
from api.businesses.paths import IdOrSlug, found_business
from api.deps import AppParts, AtDesk, Desk, Parts
from api.external_source.schemas import ExternalSourceIn, ExternalSourceOut
from db.engine import autocommit
from db.repositories import external_sources
from db.repositories.external_sources import NewSource
from db.repositories.rows import Row
from domain.access import Permission
from domain.errors import NotFoundError
from domain.external import freshness
from runtime.outbound import OutboundRefusedError, check_url
from runtime.secrets import Secrets, SecretsKeyMissingError

router = APIRouter(prefix="/v1/businesses/{business}/external-source", tags=["external source"])


@router.put("", operation_id="putExternalSource", dependencies=[needs(Permission.MANAGE_BUSINESS)])
async def put_source(
    business: IdOrSlug, body: ExternalSourceIn, parts: AppParts, desk: AtDesk
) -> ExternalSourceOut:
    """Set or replace the source, and have it asked soon. Another URL begins without data and without a token."""
    async with parts.engine.begin() as conn:
        business_id = await _managed(conn, business, desk)
        return _out(await external_sources.save(conn, business_id, _new_source(body, parts)), parts)


@router.get("", operation_id="getExternalSource", dependencies=[needs(Permission.MANAGE_BUSINESS)])
async def get_source(business: IdOrSlug, parts: AppParts, desk: AtDesk) -> ExternalSourceOut:
    """The source, and how fresh its data are."""
    async with autocommit(parts.engine) as conn:
        business_id = await _managed(conn, business, desk)
        return _out(_there(await external_sources.find(conn, business_id)), parts)


@router.delete(
    "", status_code=204, operation_id="deleteExternalSource", dependencies=[needs(Permission.MANAGE_BUSINESS)]
)
async def delete_source(business: IdOrSlug, parts: AppParts, desk: AtDesk) -> Response:
    """Do without a source, and forget what it said."""
    async with parts.engine.begin() as conn:
        await external_sources.delete(conn, await _managed(conn, business, desk))
    return Response(status_code=204)


@router.post(
    "/refresh",
    status_code=202,
    operation_id="refreshExternalSource",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
)
async def refresh_source(business: IdOrSlug, parts: AppParts, desk: AtDesk) -> ExternalSourceOut:
    """Have the source asked in the next round, half a minute from now at most."""
    async with autocommit(parts.engine) as conn:
        business_id = await _managed(conn, business, desk)
        return _out(_there(await external_sources.check_now(conn, business_id)), parts)


async def _managed(conn: AsyncConnection, business: str, desk: Desk) -> UUID:
    found = await found_business(conn, business)
    desk.require(Permission.MANAGE_BUSINESS, found["id"])
    business_id: UUID = found["id"]
    return business_id


def _there(row: Row | None) -> Row:
    if row is None:
        raise NotFoundError("This business has no external source.")
    return row


def _new_source(body: ExternalSourceIn, parts: Parts) -> NewSource:
    try:
        check_url(body.url, allow_loopback=parts.settings.outbound_allow_loopback)
    except OutboundRefusedError as error:
        raise invalid("url", str(error)) from error
    token = Secrets(parts.settings.secrets_key)
    try:
        encrypted = token.encrypt(body.token.get_secret_value()) if body.token else None
    except SecretsKeyMissingError as error:
        raise invalid("token", f"cannot be stored: {error}") from error
    kept = body.model_dump(include={"url", "on_stale", "interval_seconds", "max_age_seconds", "horizon_days"})
    return NewSource(token_encrypted=encrypted, keep_token=body.keeps_token(), **kept)


def _out(row: Row, parts: Parts) -> ExternalSourceOut:
    fresh = freshness(row["as_of"], row["max_age_seconds"], parts.now())
    return ExternalSourceOut(**row, state=fresh.state, age_seconds=fresh.age_seconds)
