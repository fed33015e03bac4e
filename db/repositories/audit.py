"""The audit log. Entries cannot be changed or deleted, neither here nor in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import AuditEntry
from db.repositories.rows import Row, execute, rows
from runtime.ids import new_id


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to which object from where, and whether it was allowed."""

    actor_kind: str
    actor_id: UUID | None
    action: str
    object_id: str | None
    outcome: str
    address: str | None
    request_id: str
    code: str | None = None


ADD_AFTER = """
INSERT INTO audit_log (
    id, at, business_id, actor_kind, actor_id, action, object_id, outcome, code, address, request_id)
SELECT CAST(:audit_id AS uuid), clock_timestamp(), :business_id, :audit_actor_kind,
    CAST(:audit_actor_id AS uuid), :audit_action, :audit_object_id, :audit_outcome, :audit_code, :audit_address,
    :audit_request_id
FROM {after} WHERE CAST(:audit_id AS uuid) IS NOT NULL
"""
"""Part of a statement: adds an entry if the part `after`, which does what the entry records, has a row."""

_ADD = text(ADD_AFTER.format(after="(SELECT) AS once"))
_COLUMNS = ("actor_kind", "actor_id", "action", "object_id", "outcome", "code", "address", "request_id")


def line_parameters(entry: Entry | None) -> dict[str, Any]:
    """The parameters of `ADD_AFTER` besides the business; None: no entry is added."""
    line = {f"audit_{name}": getattr(entry, name, None) for name in _COLUMNS}
    return line | {"audit_id": None if entry is None else new_id()}


async def add(conn: AsyncConnection, business_id: UUID | None, entry: Entry) -> None:
    """Add an entry; `business_id` None: it concerns no business."""
    await execute(conn, _ADD, {"business_id": business_id, **line_parameters(entry)})


@dataclass(frozen=True, slots=True)
class Filters:
    actor_id: UUID | None = None
    action: str | None = None
    object_id: str | None = None
    outcome: str | None = None
    from_: datetime | None = None
    before: datetime | None = None


async def list_page(
    conn: AsyncConnection, business_id: UUID, filters: Filters, *, limit: int, after: tuple[datetime, UUID] | None
) -> Sequence[Row]:
    """A business's entries, newest first, after the entry with this moment and id."""
    query = select(AuditEntry.__table__).where(AuditEntry.business_id == business_id)
    for name in ("actor_id", "action", "object_id", "outcome"):
        if (wanted := getattr(filters, name)) is not None:
            query = query.where(getattr(AuditEntry, name) == wanted)
    if filters.from_ is not None:
        query = query.where(AuditEntry.at >= filters.from_)
    if filters.before is not None:
        query = query.where(AuditEntry.at < filters.before)
    if after is not None:
        query = query.where(tuple_(AuditEntry.at, AuditEntry.id) < after)
    return await rows(conn, query.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(limit))
