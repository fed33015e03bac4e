"""The web sites whose pages may call the API for a business (CORS)."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, rows

_LIST = text("""
SELECT origin FROM business_origins WHERE business_id = :business_id ORDER BY origin COLLATE "C"
""")
_CLEAR = text("""
DELETE FROM business_origins WHERE business_id = :business_id AND origin <> ALL (CAST(:origins AS text[]))
""")
_ADD = text("""
INSERT INTO business_origins (business_id, origin)
SELECT CAST(:business_id AS uuid), origin FROM unnest(CAST(:origins AS text[])) AS o(origin)
ON CONFLICT DO NOTHING
""")
_BY_ORIGIN = text("""
SELECT o.origin, array_agg(CAST(b.id AS text)) || array_agg(CAST(b.slug AS text)) AS businesses
FROM business_origins AS o JOIN businesses AS b ON b.id = o.business_id
GROUP BY o.origin
""")


async def list_origins(conn: AsyncConnection, business_id: UUID) -> list[str]:
    """The origins of a business, as browsers send them, sorted."""
    return [found["origin"] for found in await rows(conn, _LIST, {"business_id": business_id})]


async def replace_origins(conn: AsyncConnection, business_id: UUID, origins: Sequence[str]) -> None:
    """Replace a business's origins."""
    parameters = {"business_id": business_id, "origins": list(origins)}
    await execute(conn, _CLEAR, parameters)
    await execute(conn, _ADD, parameters)


async def list_businesses_by_origin(conn: AsyncConnection) -> dict[str, frozenset[str]]:
    """The ids and slugs of the businesses that list each origin."""
    return {found["origin"]: frozenset(found["businesses"]) for found in await rows(conn, _BY_ORIGIN)}
