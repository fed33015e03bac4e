"""Counts of e-mails per business and day (UTC) through the installation's own mail server."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, row_or_none

_TODAY = "CAST(statement_timestamp() AT TIME ZONE 'UTC' AS date)"
_SENT = text(f"SELECT sent FROM installation_mails WHERE business_id = :business_id AND day = {_TODAY}")  # noqa: S608
_COUNT = text(f"""
INSERT INTO installation_mails AS m (business_id, day, sent) VALUES (:business_id, {_TODAY}, 1)
ON CONFLICT (business_id) DO UPDATE
SET day = EXCLUDED.day, sent = CASE WHEN m.day = EXCLUDED.day THEN m.sent + 1 ELSE 1 END
""")  # noqa: S608


async def sent_today(conn: AsyncConnection, business_id: UUID) -> int:
    """E-mails sent for the business today, without those being sent at this moment."""
    found = await row_or_none(conn, _SENT, {"business_id": business_id})
    return 0 if found is None else int(found["sent"])


async def count(conn: AsyncConnection, business_id: UUID) -> None:
    """Count a sent e-mail."""
    await execute(conn, _COUNT, {"business_id": business_id})
