"""Metadata of files. Their contents are in a storage, under `storage_key`.

A row is written before its content and removed after it, so that no content is ever without a row: `uploading`,
then `stored`, then `deleted`. Only `stored` files are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, execute, row_or_none, rows

_COLUMNS = """id, business_id, booking_id, name, content_type, size_bytes, sha256, storage, storage_key,
       uploaded_by, created_at"""

_ADD = text("""
INSERT INTO attachments (id, business_id, booking_id, name, content_type, size_bytes, sha256, storage, storage_key,
                         uploaded_by)
SELECT CAST(:id AS uuid), CAST(:business_id AS uuid), CAST(:booking_id AS uuid), CAST(:name AS varchar),
       CAST(:content_type AS varchar), CAST(:size_bytes AS bigint), CAST(:sha256 AS varchar),
       CAST(:storage AS varchar), CAST(:storage_key AS varchar), CAST(:uploaded_by AS uuid)
WHERE (SELECT count(*) FROM attachments
       WHERE business_id = CAST(:business_id AS uuid) AND booking_id IS NOT DISTINCT FROM CAST(:booking_id AS uuid)
         AND state <> 'deleted') < :most
RETURNING id
""")


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file whose content is about to be stored."""

    id: UUID
    booking_id: UUID | None
    """None: an export of the business."""
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    storage: str
    """`folder` or `s3`."""
    storage_key: str
    uploaded_by: UUID | None


async def add(conn: AsyncConnection, business_id: UUID, new: NewFile, *, most: int) -> bool:
    """Add a file's row; False if there are `most` already. Two concurrent calls may both take the last place."""
    parameters = {name: getattr(new, name) for name in NewFile.__dataclass_fields__}
    return await row_or_none(conn, _ADD, parameters | {"business_id": business_id, "most": most}) is not None


_MARK = f"""
UPDATE attachments SET state = :state
WHERE business_id = :business_id AND id = :id AND state = :before
RETURNING {_COLUMNS}
"""  # noqa: S608
_MARK_STORED = text(_MARK.replace(":state", "'stored'").replace(":before", "'uploading'"))
_MARK_DELETED = text(_MARK.replace(":state", "'deleted'").replace(":before", "'stored'"))
_FORGET = text("DELETE FROM attachments WHERE business_id = :business_id AND id = :id AND state <> 'stored'")


async def mark_stored(conn: AsyncConnection, business_id: UUID, file_id: UUID) -> Row | None:
    """Mark a file as stored, once its content is; None if the upload was given up meanwhile."""
    return await row_or_none(conn, _MARK_STORED, {"business_id": business_id, "id": file_id})


async def mark_deleted(conn: AsyncConnection, business_id: UUID, file_id: UUID) -> Row | None:
    """Mark a stored file as deleted; None if there is none."""
    return await row_or_none(conn, _MARK_DELETED, {"business_id": business_id, "id": file_id})


async def forget(conn: AsyncConnection, business_id: UUID, file_id: UUID) -> None:
    """Remove the row of a file that is not stored, once its content is gone."""
    await execute(conn, _FORGET, {"business_id": business_id, "id": file_id})


_LIST = text(f"""
SELECT {_COLUMNS} FROM attachments
WHERE business_id = :business_id AND booking_id IS NOT DISTINCT FROM CAST(:booking_id AS uuid) AND state = 'stored'
ORDER BY id
""")  # noqa: S608
_FIND = text(f"""
SELECT {_COLUMNS} FROM attachments
WHERE business_id = :business_id AND booking_id IS NOT DISTINCT FROM CAST(:booking_id AS uuid) AND id = :id
  AND state = 'stored'
""")  # noqa: S608


async def list_all(conn: AsyncConnection, business_id: UUID, booking_id: UUID | None) -> Sequence[Row]:
    """The files of a booking, or the exports of the business, oldest first."""
    return await rows(conn, _LIST, {"business_id": business_id, "booking_id": booking_id})


async def find(conn: AsyncConnection, business_id: UUID, booking_id: UUID | None, file_id: UUID) -> Row | None:
    """A file of a booking, or an export of the business."""
    return await row_or_none(conn, _FIND, {"business_id": business_id, "booking_id": booking_id, "id": file_id})


_LEFT_OVER = text("""
SELECT id, business_id, storage, storage_key FROM attachments
WHERE state <> 'stored' AND (state = 'deleted' OR created_at < :begun_before) AND id > CAST(:after AS uuid)
ORDER BY id LIMIT :limit
""")


async def list_left_over(
    conn: AsyncConnection, *, begun_before: datetime, after: UUID, limit: int
) -> Sequence[Row]:
    """Files of all tenants whose content is to be deleted, ordered by id."""
    return await rows(conn, _LEFT_OVER, {"begun_before": begun_before, "after": after, "limit": limit})
