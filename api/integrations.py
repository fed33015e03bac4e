"""`/v1/businesses/{business}/integrations`: a business's accounts at vendors.

Secrets are write-only: answers say only whether there are any.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access import BusinessDep, needs
from api.caching import IfMatchDep, etag
from api.deps import AppState, AppStateDep
from api.integration_accounts import IntegrationIn, checked_settings, encrypted_secrets, kept_secrets
from api.writes import WriterDep
from db.engine import autocommit
from db.repositories import businesses, integrations
from db.repositories.integrations import NewIntegration
from db.repositories.rows import Row
from domain.access import Permission
from domain.effects import Port, Vendor
from domain.errors import IntegrationInUseError, NotFoundError, PortTakenError
from domain.integrations import CONNECTIONS, port_of
from runtime.json import to_json
from runtime.secrets import Secrets

router = APIRouter(prefix="/v1/businesses/{business}/integrations", tags=["integrations"])

_SAVED: Final = ("settings", "secrets_tag", "enabled")


class IntegrationOut(BaseModel):
    id: UUID
    vendor: Vendor
    port: Port
    """What it is for. One vendor is enabled for each, but of analytics any number."""
    settings: dict[str, Any]
    has_secrets: bool
    enabled: bool
    callback_url: str | None
    """Where the vendor is to report what happens later; none: it does not."""
    created_at: datetime
    updated_at: datetime


class Integrations(BaseModel):
    items: list[IntegrationOut]


@router.get(
    "",
    operation_id="listIntegrations",
    dependencies=[needs(Permission.MANAGE_INTEGRATIONS)],
    response_model=Integrations,
)
async def list_integrations(business: BusinessDep, app: AppStateDep) -> Integrations:
    """The vendors that the business has chosen."""
    async with autocommit(app.engine) as conn:
        rows = await integrations.list_all(conn, business["id"])
    return Integrations(items=[_out(row, app) for row in rows])


@router.get(
    "/{vendor}",
    operation_id="getIntegration",
    dependencies=[needs(Permission.MANAGE_INTEGRATIONS)],
    response_model=IntegrationOut,
)
async def get_integration(business: BusinessDep, vendor: Vendor, app: AppStateDep) -> Response:
    """One of them. Its tag is another with each change, also of a secret."""
    async with autocommit(app.engine) as conn:
        row = await integrations.find(conn, business["id"], vendor)
    if row is None:
        raise NotFoundError("The business has nothing to do with this vendor.")
    return _shown(row, app)


@router.put(
    "/{vendor}",
    operation_id="putIntegration",
    dependencies=[needs(Permission.MANAGE_INTEGRATIONS)],
    response_model=IntegrationOut,
)
async def put_integration(
    business: BusinessDep,
    vendor: Vendor,
    body: IntegrationIn,
    app: AppStateDep,
    expected: IfMatchDep,
    write: WriterDep,
) -> Response:
    """Set or replace the account at a vendor. Settings are replaced as a whole, secrets one by one.

    Who names another host, of a mail server or a store, sends the secrets anew: the new one is not told the old.
    """
    if vendor not in CONNECTIONS:
        raise NotFoundError("A business has no account with this one.")
    allow_loopback = app.settings.outbound_allow_loopback
    settings = checked_settings(vendor, body.settings, allow_loopback=allow_loopback)
    async with write.begin() as conn:
        await businesses.lock(conn, business["id"])
        known = await integrations.find(conn, business["id"], vendor)
        expected.check(*([_saved(known)] if known else []))
        if body.enabled:
            _require_free(vendor, await integrations.list_all(conn, business["id"]))
        stored = await integrations.find_secrets(conn, business["id"], vendor)
        kept = kept_secrets(known, stored, vendor, settings)
        encrypted = encrypted_secrets(Secrets(app.settings.secrets_key), vendor, body, kept)
        new = NewIntegration(
            port=port_of(vendor),
            vendor=vendor,
            settings=settings,
            secrets_encrypted=encrypted,
            keep_secrets=encrypted is not None and encrypted == stored,
            enabled=body.enabled,
        )
        row = await integrations.save(conn, business["id"], new)
    return _shown(row, app)


@router.delete(
    "/{vendor}",
    status_code=204,
    operation_id="deleteIntegration",
    dependencies=[needs(Permission.MANAGE_INTEGRATIONS)],
)
async def delete_integration(business: BusinessDep, vendor: Vendor, write: WriterDep) -> None:
    """Do without a vendor, and forget its secrets. What is still to be done there fails as `not_configured`.

    A payment gateway stays until its payments have ended; until then disable it, and another may take its place.
    """
    async with write.begin() as conn:
        await businesses.lock(conn, business["id"])
        if port_of(vendor) is Port.PAYMENTS:
            await _require_unused(conn, business["id"], vendor)
        await integrations.delete(conn, business["id"], vendor)


async def _require_unused(conn: AsyncConnection, business_id: UUID, vendor: Vendor) -> None:
    """Raise IntegrationInUseError while the gateway holds money, or may come to hold any."""
    under_way = await integrations.count_payments_under_way(conn, business_id, vendor)
    if under_way:
        detail = f"{under_way} payments have not ended with this vendor. Disable it until they have."
        raise IntegrationInUseError(detail, payments=under_way)


def _require_free(vendor: Vendor, chosen: Any) -> None:
    """Raise PortTakenError if another enabled vendor has the same port."""
    port = port_of(vendor)
    if port is Port.ANALYTICS:
        return
    for one in chosen:
        if one["port"] == port and one["vendor"] != vendor and one["enabled"]:
            detail = f"{one['vendor']} has this port ({port}) already. Disable or remove it first."
            raise PortTakenError(detail, vendor=one["vendor"])


def _saved(row: Row) -> dict[str, Any]:
    """What callers set: the tag covers this."""
    return {name: row[name] for name in _SAVED}


def _out(row: Row, app: AppState) -> IntegrationOut:
    vendor = Vendor(row["vendor"])
    base = app.settings.public_url.rstrip("/")
    calls_back = vendor in CONNECTIONS and CONNECTIONS[vendor].calls_back
    return IntegrationOut(**row, callback_url=f"{base}/v1/hooks/{vendor}/{row['id']}" if calls_back else None)


def _shown(row: Row, app: AppState) -> Response:
    content = _out(row, app)
    # Weak (RFC 9110, section 8.8.1): it covers what callers set, secrets included, not the answer's bytes.
    tag = f"W/{etag(to_json(_saved(row)))}"
    return Response(to_json(content.model_dump(mode="json")), 200, {"ETag": tag}, "application/json")
