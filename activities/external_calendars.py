"""Refreshing external calendars: listing those that are due, and checking one of them."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.failures import as_application_errors
from activities.ports import CalendarQuery, CalendarSource
from db.engine import autocommit
from db.repositories import external_sources
from db.repositories.external_sources import ClaimedSource, StoredAnswer
from domain.external import CheckOutcome, SourceFailedError, SourceRef, times_within
from domain.names import LIST_DUE_SOURCES, REFRESH_EXTERNAL_CALENDAR
from runtime.metrics import EXTERNAL_CHECKS
from runtime.secrets import Secrets, SecretsKeyMissingError, SecretUnreadableError

_log = structlog.get_logger()

_MOST_DUE = 200


class DueSources:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @activity.defn(name=LIST_DUE_SOURCES)
    @as_application_errors
    async def list_due_sources(self) -> list[UUID]:
        """The businesses whose source is due, at most 200; the next round lists the rest."""
        async with autocommit(self._engine) as conn:
            return await external_sources.list_due(conn, limit=_MOST_DUE)


class ExternalCalendars:
    def __init__(self, engine: AsyncEngine, source: CalendarSource, secrets: Secrets) -> None:
        self._engine = engine
        self._source = source
        self._secrets = secrets

    @activity.defn(name=REFRESH_EXTERNAL_CALENDAR)
    @as_application_errors
    async def refresh_external_calendar(self, ref: SourceRef) -> str:
        """Ask one source and store its answer; returns the outcome or the error's code.

        The source is claimed first, so that only one of two concurrent calls asks. No database connection is held
        meanwhile.
        """
        async with autocommit(self._engine) as conn:
            claimed = await external_sources.claim(conn, ref.business_id)
        if claimed is None:
            return CheckOutcome.NOT_DUE
        try:
            stored = await self._check(ref.business_id, claimed)
        except SourceFailedError as error:
            await self._record_failure(ref.business_id, claimed, error.code)
            return error.code
        except Exception:
            # Our own mistake: the owner must see it just as they see a source's.
            await self._record_failure(ref.business_id, claimed, "internal_error")
            raise
        _report(ref.business_id, stored)
        return stored.outcome

    async def _check(self, business_id: UUID, claimed: ClaimedSource) -> StoredAnswer:
        now = datetime.now(UTC)
        until = now + timedelta(days=claimed.horizon_days)
        answer = await self._source.fetch(CalendarQuery(claimed.url, self._token(claimed), now, until))
        # In a thread, so that a large answer does not block the event loop.
        times = await asyncio.to_thread(times_within, answer, now, until)
        async with self._engine.begin() as conn:
            return await external_sources.store_answer(
                conn,
                business_id,
                url=claimed.url,
                said_as_of=answer.as_of,
                times=times,
                now=datetime.now(UTC),
            )

    def _token(self, claimed: ClaimedSource) -> str | None:
        if claimed.token_encrypted is None:
            return None
        try:
            return self._secrets.decrypt(claimed.token_encrypted)
        except (SecretsKeyMissingError, SecretUnreadableError):
            raise SourceFailedError("token_unreadable") from None

    async def _record_failure(self, business_id: UUID, claimed: ClaimedSource, code: str) -> None:
        async with autocommit(self._engine) as conn:
            await external_sources.record_failure(conn, business_id, url=claimed.url, error=code)
        EXTERNAL_CHECKS.labels(CheckOutcome.FAILED).inc()
        _log.warning("external_calendar_failed", business_id=str(business_id), error=code)


def _report(business_id: UUID, stored: StoredAnswer) -> None:
    EXTERNAL_CHECKS.labels(stored.outcome).inc()
    if stored.unknown_refs:
        _log.warning(
            "external_calendar_names_unknown_providers", business_id=str(business_id), count=stored.unknown_refs
        )
