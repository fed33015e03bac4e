"""Deletes contents of files that are not shown: of uploads that were cut short, and of what was taken away."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.repositories import attachments, integrations
from db.repositories.maintenance import FIRST_ID
from db.repositories.rows import Row
from domain.effects import Port, Vendor
from runtime.settings import Settings
from runtime.storage import FOLDER, Storage, StorageError, Storages

_log = structlog.get_logger()

_EVERY_SECONDS: Final = 60.0
_BATCH: Final = 100
_AT_ONCE: Final = 8
"""Businesses."""
_PATIENCE_SECONDS: Final = 30.0
"""With each of them, for a page of files."""
_CUT_SHORT: Final = timedelta(hours=1)
"""Much longer than an upload may take."""


class OrphanedFiles:
    """Walks over them again and again. Not the sweeper's: a store that hangs must hold up nothing else."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        *,
        cut_short: timedelta = _CUT_SHORT,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._engine = engine
        self._storages = Storages(settings)
        self._cut_short = cut_short
        self._patience = patience_seconds

    async def run(self) -> None:
        """Tidy up until cancelled; what fails is tried again in the next round."""
        while True:
            try:
                await self.tidy()
            except Exception as error:  # PostgreSQL is away: the next round finds the same
                _log.warning("files_not_tidied", error=type(error).__name__)
            await asyncio.sleep(_EVERY_SECONDS)

    async def tidy(self) -> None:
        """One round over all of them. Whose store takes too long waits for the next, and holds up nobody else."""
        before, after = datetime.now(UTC) - self._cut_short, FIRST_ID
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
        """Delete them, the businesses side by side; those that were given up."""
        slots, given_up = asyncio.Semaphore(_AT_ONCE), set[UUID]()

        async def delete(business_id: UUID) -> None:
            async with slots:
                try:
                    async with asyncio.timeout(self._patience):
                        for row in page:
                            if row["business_id"] == business_id:
                                await self._delete(row)
                except Exception as error:  # of this one; PostgreSQL is asked for the next page anyway
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
        """Where it lies; none when the business has taken its store back, and what is in there with it."""
        if row["storage"] == FOLDER:
            return self._storages.of(None)
        async with autocommit(self._engine) as conn:
            found = await integrations.open_one(conn, row["business_id"], Port.STORAGE, Vendor.S3)
        return None if found is None else self._storages.of(found)
