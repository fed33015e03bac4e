"""Reasons that people typed. They are stored before their command, so that payloads carry only an id."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute
from runtime.ids import new_id

_ADD = text("""
INSERT INTO remarks (id, business_id, booking_id, body) VALUES (:id, :business_id, :booking_id, :body)
""")


async def add(conn: AsyncConnection, business_id: UUID, booking_id: UUID, body: str) -> UUID:
    """Store a remark and return its id."""
    remark_id = new_id()
    await execute(
        conn, _ADD, {"id": remark_id, "business_id": business_id, "booking_id": booking_id, "body": body}
    )
    return remark_id
