"""Tickets that open one stream each. Only their hash is stored."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, row_or_none
from domain.callers import Caller, CallerKind, Principal

_ADD = text("""
INSERT INTO stream_tickets (ticket_hash, caller_kind, caller_id, session_id, expires_at)
VALUES (:ticket_hash, :caller_kind, :caller_id, CAST(:session_id AS uuid),
        statement_timestamp() + CAST(:lifetime AS interval))
""")

# Whoever deletes the row has used the ticket: nobody else finds it.
_USE = text("""
DELETE FROM stream_tickets WHERE ticket_hash = :ticket_hash
RETURNING caller_kind, caller_id, session_id, expires_at > statement_timestamp() AS is_live
""")


async def add(conn: AsyncConnection, ticket_hash: bytes, caller: Caller, lifetime: timedelta) -> None:
    """Store a ticket of this caller for so long."""
    parameters = {
        "ticket_hash": ticket_hash,
        "caller_kind": caller.kind,
        "caller_id": caller.id,
        "session_id": caller.session_id if isinstance(caller, Principal) else None,
        "lifetime": lifetime,
    }
    await execute(conn, _ADD, parameters)


async def use(conn: AsyncConnection, ticket_hash: bytes) -> tuple[CallerKind, UUID, UUID | None] | None:
    """Use a ticket up: the caller's kind, id and login; none: it is unknown, used or expired."""
    found = await row_or_none(conn, _USE, {"ticket_hash": ticket_hash})
    if found is None or not found["is_live"]:
        return None
    return CallerKind(found["caller_kind"]), found["caller_id"], found["session_id"]
