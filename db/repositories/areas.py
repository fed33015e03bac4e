"""The service areas of a business and its providers. `provider_id` None means the business as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import businesses
from db.repositories.rows import execute, rows
from domain.areas import Area, AreaKind
from runtime.ids import new_id

_AREAS = text("""
SELECT provider_id IS NOT NULL AS own, kind, first, last FROM service_areas
WHERE business_id = :business_id AND (provider_id IS NULL OR provider_id = CAST(:provider_id AS uuid))
ORDER BY first COLLATE "C", kind, last COLLATE "C"
""")
_CLEAR = text("""
DELETE FROM service_areas
WHERE business_id = :business_id AND provider_id IS NOT DISTINCT FROM CAST(:provider_id AS uuid)
""")
_ADD = text("""
INSERT INTO service_areas (id, business_id, provider_id, kind, first, last)
SELECT a.id, CAST(:business_id AS uuid), CAST(:provider_id AS uuid), a.kind, a.first, a.last
FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:firsts AS text[]), CAST(:lasts AS text[]))
    AS a(id, kind, first, last)
""")


@dataclass(frozen=True, slots=True)
class Areas:
    """Areas by code. `own` is False for a provider who has the business's areas."""

    own: bool
    areas: tuple[Area, ...]


async def list_areas(conn: AsyncConnection, business_id: UUID, provider_id: UUID | None) -> Areas:
    """The areas that apply: the provider's own if they have any, else the business's."""
    found = await rows(conn, _AREAS, {"business_id": business_id, "provider_id": provider_id})
    own = provider_id is None or any(row["own"] for row in found)
    is_providers = own and provider_id is not None
    return Areas(
        own=own,
        areas=tuple(
            Area(AreaKind(row["kind"]), row["first"], row["last"]) for row in found if row["own"] == is_providers
        ),
    )


async def replace_areas(
    conn: AsyncConnection, business_id: UUID, provider_id: UUID | None, areas: Sequence[Area]
) -> None:
    """Replace the areas; they are in their plain form."""
    owner: dict[str, Any] = {"business_id": business_id, "provider_id": provider_id}
    await businesses.lock(conn, business_id)
    await execute(conn, _CLEAR, owner)
    columns = {
        "ids": [new_id() for _ in areas],
        "kinds": [area.kind for area in areas],
        "firsts": [area.first for area in areas],
        "lasts": [area.last for area in areas],
    }
    await execute(conn, _ADD, owner | columns)
