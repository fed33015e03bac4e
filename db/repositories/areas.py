"""Where a business and its providers go. `provider_id` None speaks of the business as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, rows
from db.repositories.schedule import take_turn
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
    """Areas by code. `own` is False of a provider who goes wherever the business does."""

    own: bool
    areas: tuple[Area, ...]


async def list_areas(conn: AsyncConnection, business_id: UUID, provider_id: UUID | None) -> Areas:
    """The areas that count: the provider's own where they have any, else the business's."""
    found = await rows(conn, _AREAS, {"business_id": business_id, "provider_id": provider_id})
    own = provider_id is None or any(row["own"] for row in found)
    wanted = own and provider_id is not None
    return Areas(
        own=own,
        areas=tuple(
            Area(AreaKind(row["kind"]), row["first"], row["last"]) for row in found if row["own"] == wanted
        ),
    )


async def replace_areas(
    conn: AsyncConnection, business_id: UUID, provider_id: UUID | None, areas: Sequence[Area]
) -> None:
    """Keep these areas, in their plain form, instead of those before."""
    owner: dict[str, Any] = {"business_id": business_id, "provider_id": provider_id}
    await take_turn(conn, business_id)
    await execute(conn, _CLEAR, owner)
    columns = {
        "ids": [new_id() for _ in areas],
        "kinds": [area.kind for area in areas],
        "firsts": [area.first for area in areas],
        "lasts": [area.last for area in areas],
    }
    await execute(conn, _ADD, owner | columns)
