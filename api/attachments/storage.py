"""Stores files: first the row, then the content; then the row becomes visible, together with its audit line.

A crash in between leaves an invisible row, by which the purge of files finds what to delete.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog
from fastapi import Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.types import Receive, Scope, Send

from api.attachments.names import disposition
from api.attachments.schemas import FileOut
from api.attachments.upload import Content
from api.deps import AppState
from api.writes import OnceWriter, Writer
from db.engine import autocommit
from db.repositories import attachments, integrations
from db.repositories.attachments import NewFile
from db.repositories.rows import Row
from domain.effects import Port, Vendor
from domain.errors import NotFoundError, StorageUnavailableError, TooManyFilesError
from runtime.ids import new_id
from runtime.json import to_json
from runtime.storage import FOLDER, Storage, StorageError

_log = structlog.get_logger()

MOST_FILES: Final = 50
"""Of one booking, and exports of one business."""


class _Asked(BaseModel):
    """What identifies an upload that is sent again."""

    name: str
    content_type: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to store."""

    business_id: UUID
    booking_id: UUID | None
    """None: an export of the business."""
    name: str
    content_type: str
    content: Content
    uploaded_by: UUID | None
    location: str
    """The address below which it will be found by its id."""
    file_id: UUID = field(default_factory=new_id)

    @property
    def asked(self) -> BaseModel | None:
        """None for an export: two exports of one business have the same name and type, but are two requests."""
        if self.booking_id is None:
            return None
        return _Asked(name=self.name, content_type=self.content_type, sha256=self.content.sha256)

    def row(self, storage: str) -> NewFile:
        folder = "exports" if self.booking_id is None else "attachments"
        return NewFile(
            id=self.file_id,
            booking_id=self.booking_id,
            name=self.name,
            content_type=self.content_type,
            size_bytes=self.content.size_bytes,
            sha256=self.content.sha256,
            storage=storage,
            storage_key=f"businesses/{self.business_id}/{folder}/{self.file_id}",
            uploaded_by=self.uploaded_by,
        )


async def keep(app: AppState, write: OnceWriter, upload: Upload) -> Response:
    """Store a file, once for each `Idempotency-Key`: 201 with its id and description.

    Raises:
        TooManyFilesError: there are as many as there may be.
        StorageUnavailableError: the store does not take it.
    """
    storage = await _storage_of(app, upload.business_id)
    new = upload.row(storage.name)
    async with autocommit(app.engine) as conn:
        if not await attachments.add(conn, upload.business_id, new, most=MOST_FILES):
            raise TooManyFilesError
    shown = False

    async def show(conn: AsyncConnection) -> Response:
        nonlocal shown
        row = await attachments.mark_stored(conn, upload.business_id, upload.file_id)
        if row is None:
            raise StorageUnavailableError
        write.set_object_id(upload.file_id)
        shown = True
        return _created(row, f"{upload.location}/{upload.file_id}")

    # An upload that fails may still reach the store. The purge deletes it once no upload can be under way.
    await _put(storage, new, upload.content)
    try:
        return await write.once(upload.asked, show)
    finally:
        if not shown:  # it failed, or the key already has an answer
            await _discard(app, storage, upload.business_id, new.id, new.storage_key)


async def read(app: AppState, row: Row | None) -> Response:
    """200 with the content, as a download that browsers save and never display.

    Raises:
        NotFoundError: there is no row.
        StorageUnavailableError: the store does not give it.
    """
    if row is None:
        raise NotFoundError
    stack = AsyncExitStack()
    try:
        storage = await _storage_of(app, row["business_id"], row["storage"])
        pieces = await stack.enter_async_context(storage.read(row["storage_key"]))
    except StorageError as error:
        raise _unavailable(error) from None
    headers = {
        "Content-Type": row["content_type"],
        "Content-Length": str(row["size_bytes"]),
        "Content-Disposition": disposition(row["name"]),
        "Cache-Control": "private, no-store",
    }
    return _Streamed(pieces, stack, headers)


async def remove(app: AppState, write: Writer, row: Row) -> None:
    """Hide a file, and delete its content: now if the store can be reached, else soon."""
    async with write.begin() as conn:
        gone = await attachments.mark_deleted(conn, row["business_id"], row["id"])
    if gone is None:
        return
    try:
        storage = await _storage_of(app, row["business_id"], row["storage"])
    except StorageUnavailableError:
        return
    await _discard(app, storage, row["business_id"], row["id"], row["storage_key"])


def shown(row: Row) -> FileOut:
    """A file as the API shows it."""
    return FileOut(**{name: row[name] for name in FileOut.model_fields})


def _created(row: Row, location: str) -> Response:
    body = to_json(shown(row).model_dump(mode="json"))
    return Response(body, 201, {"Location": location}, "application/json")


async def _storage_of(app: AppState, business_id: UUID, name: str | None = None) -> Storage:
    """The store that the business has now, or the one of that name."""
    if name == FOLDER:
        return app.storages.of(None)
    async with autocommit(app.engine) as conn:
        found = await integrations.open_one(conn, business_id, Port.STORAGE, Vendor.S3)
    if found is None and name is not None:
        raise _unavailable(StorageError("not_configured"))
    try:
        return app.storages.of(found)
    except StorageError as error:
        raise _unavailable(error) from None


async def _put(storage: Storage, new: NewFile, content: Content) -> None:
    try:
        await storage.put(new.storage_key, content.file, new.size_bytes, new.content_type)
    except StorageError as error:
        raise _unavailable(error) from None


async def _discard(app: AppState, storage: Storage, business_id: UUID, file_id: UUID, key: str) -> None:
    """Delete an invisible file. If the store is away, the purge finds it later by its row."""
    try:
        await storage.delete(key)
    except StorageError as error:
        _log.warning("file_not_deleted", file_id=str(file_id), error=error.code)
        return
    async with autocommit(app.engine) as conn:
        await attachments.forget(conn, business_id, file_id)


def _unavailable(error: StorageError) -> StorageUnavailableError:
    _log.warning("storage_failed", error=error.code)
    return StorageUnavailableError()


class _Streamed(StreamingResponse):
    """A streamed file. It releases the store however the stream ends, even before the first piece."""

    def __init__(self, pieces: AsyncIterator[bytes], stack: AsyncExitStack, headers: Mapping[str, str]) -> None:
        super().__init__(pieces, headers=headers)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            await super().__call__(scope, receive, send)
