"""The web sites whose pages may speak to the API about a business."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.catalogue import as_uuid
from db.repositories.rows import execute, row, rows

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
_IS_ALLOWED = text("""
SELECT EXISTS (
    SELECT FROM business_origins AS o JOIN businesses AS b ON b.id = o.business_id
    WHERE o.origin = :origin AND (b.id = CAST(:id AS uuid) OR b.slug = CAST(:slug AS text))
) AS allowed
""")
_IS_KNOWN = text("SELECT EXISTS (SELECT FROM business_origins WHERE origin = :origin) AS allowed")


async def list_origins(conn: AsyncConnection, business_id: UUID) -> list[str]:
    """The origins of a business, as browsers send them, sorted."""
    return [found["origin"] for found in await rows(conn, _LIST, {"business_id": business_id})]


async def replace_origins(conn: AsyncConnection, business_id: UUID, origins: Sequence[str]) -> None:
    """Keep these instead of those before."""
    parameters = {"business_id": business_id, "origins": list(origins)}
    await execute(conn, _CLEAR, parameters)
    await execute(conn, _ADD, parameters)


async def is_allowed(conn: AsyncConnection, origin: str, business: str | None) -> bool:
    """Whether the business, by id or slug, has this origin; without one, whether any business has it."""
    if business is None:
        return bool((await row(conn, _IS_KNOWN, {"origin": origin}))["allowed"])
    key = as_uuid(business)
    names = {"id": key, "slug": business if key is None else None}
    return bool((await row(conn, _IS_ALLOWED, {"origin": origin} | names))["allowed"])
