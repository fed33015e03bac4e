"""Purges: rows whose time is over, and stored files that are shown nowhere, are deleted.

Nothing depends on when. Rows are purged by short tasks. Files are left by uploads that were cut short and by
attachments that were taken away; they have a loop of their own, for a store that hangs must hold up nothing else.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.repositories import attachments, integrations, maintenance
from db.repositories.rows import Row
from domain.effects import Port, Vendor
from runtime.settings import Settings
from runtime.storage import FOLDER, Storage, StorageError, Storages
from worker.polling import Task

_log = structlog.get_logger()

_ROWS_EVERY: Final = timedelta(minutes=1)
_HOLDS_ARE_KEPT: Final = timedelta(days=1)
"""How long a hold that ran out can still be asked about."""
_BATCH: Final = 100
_BUSINESSES_AT_ONCE: Final = 8
_PATIENCE: Final = timedelta(seconds=30)
"""With one business's store, for one page of files."""
_CUT_SHORT: Final = timedelta(hours=1)
"""Much longer than an upload may take."""


class RowPurge:
    """Deletes rows whose time is over."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def tasks(self) -> list[Task]:
        """What is to be done, and how often."""
        return [Task(self.purge_holds, _ROWS_EVERY), Task(self.purge_identity, _ROWS_EVERY)]

    async def purge_holds(self) -> None:
        """Delete holds that ran out, and the times that they held."""
        async with autocommit(self._engine) as conn:
            await maintenance.purge_holds(conn, kept_since=datetime.now(UTC) - _HOLDS_ARE_KEPT)

    async def purge_identity(self) -> None:
        """Delete expired sessions, tokens, counters, answers to idempotency keys and vendors' events."""
        async with autocommit(self._engine) as conn:
            await maintenance.purge_identity(conn)


class OrphanedFiles:
    """Deletes the contents of files that are shown nowhere, and then their rows."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        *,
        cut_short: timedelta = _CUT_SHORT,
        patience: timedelta = _PATIENCE,
    ) -> None:
        self._engine = engine
        self._storages = Storages(settings)
        self._cut_short = cut_short
        self._patience = patience

    async def purge(self) -> None:
        """One round over all of them. A business whose store takes too long waits for the next round."""
        before, after = datetime.now(UTC) - self._cut_short, maintenance.FIRST_ID
        given_up = set[UUID]()
        while True:
            async with autocommit(self._engine) as conn:
                page = await attachments.list_left_over(conn, begun_before=before, after=after, limit=_BATCH)
            wanted = [row for row in page if row["business_id"] not in given_up]
            given_up |= await self._delete_all(wanted)
            if len(page) < _BATCH:
                return
            after = page[-1]["id"]

    async def _delete_all(self, page: Sequence[Row]) -> set[UUID]:
        """Delete a page of files, the businesses side by side; the businesses that were given up."""
        slots, given_up = asyncio.Semaphore(_BUSINESSES_AT_ONCE), set[UUID]()

        async def delete(business_id: UUID) -> None:
            async with slots:
                try:
                    async with asyncio.timeout(self._patience.total_seconds()):
                        for row in page:
                            if row["business_id"] == business_id:
                                await self._delete(row)
                except Exception as error:  # this business's; if PostgreSQL is away, the next page raises
                    _log.warning("files_not_tidied", business_id=str(business_id), error=type(error).__name__)
                    given_up.add(business_id)

        await asyncio.gather(*(delete(business_id) for business_id in {row["business_id"] for row in page}))
        return given_up

    async def _delete(self, row: Row) -> None:
        try:
            storage = await self._storage_of(row)
            if storage is not None:
                await storage.delete(row["storage_key"])
        except StorageError as error:
            _log.warning("file_not_deleted", file_id=str(row["id"]), error=error.code)
            return
        async with autocommit(self._engine) as conn:
            await attachments.forget(conn, row["business_id"], row["id"])

    async def _storage_of(self, row: Row) -> Storage | None:
        """The store that has the file; none when the business has removed its store, with all that is in it."""
        if row["storage"] == FOLDER:
            return self._storages.of(None)
        async with autocommit(self._engine) as conn:
            found = await integrations.open_one(conn, row["business_id"], Port.STORAGE, Vendor.S3)
        return None if found is None else self._storages.of(found)
