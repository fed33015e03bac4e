"""Keeping what outside calendars say: which are due, and one check of one of them."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.failures import as_application_errors
from activities.ports.slots import SlotSource, SourceQuestion
from db.engine import autocommit
from db.repositories import external_sources
from db.repositories.external_sources import ClaimedSource, Stored
from domain.external import CheckOutcome, SourceFailedError, SourceRef, times_within
from domain.names import LIST_DUE_SOURCES, REFRESH_EXTERNAL_CALENDAR
from runtime.metrics import EXTERNAL_CHECKS
from runtime.secrets import Secrets, SecretsKeyMissingError, SecretUnreadableError

_log = structlog.get_logger()

_AT_MOST = 200


class DueSources:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @activity.defn(name=LIST_DUE_SOURCES)
    @as_application_errors
    async def list_due_sources(self) -> list[UUID]:
        """The businesses whose source is due; the rest of more than 200 in the next round."""
        async with autocommit(self._engine) as conn:
            return await external_sources.list_due(conn, limit=_AT_MOST)


class ExternalCalendars:
    def __init__(self, engine: AsyncEngine, source: SlotSource, secrets: Secrets) -> None:
        self._engine = engine
        self._source = source
        self._secrets = secrets

    @activity.defn(name=REFRESH_EXTERNAL_CALENDAR)
    @as_application_errors
    async def refresh_external_calendar(self, ref: SourceRef) -> str:
        """Ask one source and keep what it says; what comes of it, or why nothing did.

        The source is claimed first: of two that come at once, one asks. No connection is held while it is asked.
        """
        async with autocommit(self._engine) as conn:
            claimed = await external_sources.claim(conn, ref.business_id)
        if claimed is None:
            return CheckOutcome.NOT_DUE
        try:
            stored = await self._check(ref.business_id, claimed)
        except SourceFailedError as error:
            await self._tell_failure(ref.business_id, claimed, error.code)
            return error.code
        except Exception:
            # A mistake of ours, which the owner must see no less than one of the source's.
            await self._tell_failure(ref.business_id, claimed, "internal_error")
            raise
        _tell(ref.business_id, stored)
        return stored.outcome

    async def _check(self, business_id: UUID, claimed: ClaimedSource) -> Stored:
        now = datetime.now(UTC)
        until = now + timedelta(days=claimed.horizon_days)
        answer = await self._source.ask(SourceQuestion(claimed.url, self._token(claimed), now, until))
        # In a thread, as the adapter reads it: a large answer must not hold up the loop.
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

    async def _tell_failure(self, business_id: UUID, claimed: ClaimedSource, code: str) -> None:
        async with autocommit(self._engine) as conn:
            await external_sources.record_failure(conn, business_id, url=claimed.url, error=code)
        EXTERNAL_CHECKS.labels(CheckOutcome.FAILED).inc()
        _log.warning("external_calendar_failed", business_id=str(business_id), error=code)


def _tell(business_id: UUID, stored: Stored) -> None:
    EXTERNAL_CHECKS.labels(stored.outcome).inc()
    if stored.unknown_refs:
        _log.warning(
            "external_calendar_names_unknown_providers", business_id=str(business_id), count=stored.unknown_refs
        )
