"""A business's integrations with vendors. Their secrets stay encrypted here."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, row, row_or_none, rows
from domain.effects import Port, Vendor
from runtime.ids import new_id
from runtime.json import to_json_text

_SHOWN = """id, business_id, port, vendor, settings, secrets_encrypted IS NOT NULL AS has_secrets,
       md5(secrets_encrypted) AS secrets_tag, enabled, created_at, updated_at"""
_LIST = text(f"SELECT {_SHOWN} FROM integrations WHERE business_id = :business_id ORDER BY port, vendor")  # noqa: S608
_FIND = text(f"SELECT {_SHOWN} FROM integrations WHERE business_id = :business_id AND vendor = :vendor")  # noqa: S608
_OPEN = text("""
SELECT id, business_id, port, vendor, settings, secrets_encrypted FROM integrations
WHERE business_id = :business_id AND port = :port AND enabled
  AND (CAST(:vendor AS text) IS NULL OR vendor = :vendor)
""")
_FIND_SECRETS = text("""
SELECT secrets_encrypted FROM integrations WHERE business_id = :business_id AND vendor = :vendor
""")
# A gateway still calls back about payments that began before it was disabled.
_FIND_BY_ID = text("""
SELECT id, business_id, port, vendor, settings, secrets_encrypted FROM integrations
WHERE id = :id AND (enabled OR port = 'payments')
""")
_SAVE = text(f"""
INSERT INTO integrations AS known (id, business_id, port, vendor, settings, secrets_encrypted, enabled)
VALUES (:id, :business_id, :port, :vendor, CAST(:settings AS jsonb), CAST(:secrets AS text), :enabled)
ON CONFLICT (business_id, vendor) DO UPDATE SET
    settings = excluded.settings,
    secrets_encrypted = CASE WHEN :keep_secrets THEN known.secrets_encrypted ELSE excluded.secrets_encrypted END,
    enabled = excluded.enabled,
    updated_at = clock_timestamp()
RETURNING {_SHOWN}
""")  # noqa: S608
_DELETE = text("DELETE FROM integrations WHERE business_id = :business_id AND vendor = :vendor RETURNING id")


@dataclass(frozen=True, slots=True)
class NewIntegration:
    """An integration's new settings."""

    port: Port
    vendor: Vendor
    settings: dict[str, Any]
    secrets_encrypted: str | None = field(repr=False)
    keep_secrets: bool
    enabled: bool = True


async def list_all(conn: AsyncConnection, business_id: UUID) -> Sequence[Row]:
    """All integrations of a business, without their secrets."""
    return await rows(conn, _LIST, {"business_id": business_id})


async def find(conn: AsyncConnection, business_id: UUID, vendor: Vendor) -> Row | None:
    """An integration without its secrets; `secrets_tag` changes with the secrets."""
    return await row_or_none(conn, _FIND, {"business_id": business_id, "vendor": vendor})


async def find_secrets(conn: AsyncConnection, business_id: UUID, vendor: Vendor) -> str | None:
    """An integration's encrypted secrets; None if there is no integration or no secrets."""
    found = await row_or_none(conn, _FIND_SECRETS, {"business_id": business_id, "vendor": vendor})
    return None if found is None else found["secrets_encrypted"]


async def open_one(
    conn: AsyncConnection, business_id: UUID, port: Port, vendor: Vendor | None = None
) -> Row | None:
    """A port's enabled integration with its encrypted secrets; for analytics, name the vendor."""
    parameters = {"business_id": business_id, "port": port, "vendor": vendor}
    return await row_or_none(conn, _OPEN, parameters)


async def find_by_id(conn: AsyncConnection, integration_id: UUID) -> Row | None:
    """An integration with its encrypted secrets, for a vendor's authenticated callback.

    It is enabled, or a payment gateway.
    """
    return await row_or_none(conn, _FIND_BY_ID, {"id": integration_id})


async def save(conn: AsyncConnection, business_id: UUID, new: NewIntegration) -> Row:
    """Set or replace the integration with a vendor.

    Raises:
        IntegrityError: the business has another enabled vendor for that port.
    """
    parameters = {
        "id": new_id(),
        "business_id": business_id,
        "port": new.port,
        "vendor": new.vendor,
        "settings": to_json_text(new.settings),
        "secrets": new.secrets_encrypted,
        "keep_secrets": new.keep_secrets,
        "enabled": new.enabled,
    }
    return await row(conn, _SAVE, parameters)


async def delete(conn: AsyncConnection, business_id: UUID, vendor: Vendor) -> bool:
    """Remove an integration; effects that are still planned with it fail as `not_configured`."""
    return await row_or_none(conn, _DELETE, {"business_id": business_id, "vendor": vendor}) is not None


# For a cancelled booking, the settlement records what was kept.
_NOT_ENDED = text("""
SELECT count(*) AS payments FROM payments p
JOIN bookings b ON b.business_id = p.business_id AND b.id = p.booking_id
WHERE p.business_id = :business_id AND p.vendor = :vendor
  AND (b.status NOT IN ('completed', 'cancelled')
       OR b.status = 'cancelled' AND p.keep_minor IS NULL
       OR b.status = 'completed' AND p.state = 'authorized'
       OR EXISTS (
           SELECT 1 FROM effects e
           WHERE e.booking_id = p.booking_id AND e.lane = 'payment'
             AND e.state IN ('pending', 'retrying', 'running')))
""")


async def count_payments_under_way(conn: AsyncConnection, business_id: UUID, vendor: Vendor) -> int:
    """The number of payments that still need the gateway.

    The booking is not over, was cancelled but not settled, or is completed but not captured; or the payment has
    open effects.
    """
    found = await row(conn, _NOT_ENDED, {"business_id": business_id, "vendor": vendor})
    return int(found["payments"])
