"""The audit: every booking is compared with its workflow. It is the last net, for what nothing else has found.

- An open booking without a workflow gets one.
- A workflow that shows another status, provider or time than the booking, or an older version, or that runs
  although the booking has ended, is told to read its booking again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowExecution
from temporalio.common import SearchAttributeKey

from db.engine import autocommit
from db.repositories import maintenance
from db.repositories.rows import Row
from domain import names
from domain.booking import BookingState
from domain.lifecycle import Status, is_terminal
from domain.steps import BookingRef, BookingStart
from runtime.metrics import CAUGHT_UP, STARTS
from workflows.launch import start_booking, tell_to_catch_up

_log = structlog.get_logger()

_PAGE: Final = 100
_RETRY: Final = timedelta(seconds=10)
_AT_ONCE: Final = 4
_QUERY_TIMEOUT: Final = timedelta(seconds=10)
_OVERLAP: Final = timedelta(minutes=65)
"""A change is dated by the clock of whoever made it, which may be wrong by an hour."""
_FIRST_LOOK_BACK: Final = timedelta(hours=2)
_STATUS: Final = SearchAttributeKey.for_keyword(names.BOOKING_STATUS)
_PROVIDER: Final = SearchAttributeKey.for_keyword(names.PROVIDER_ID)
_STARTS_AT: Final = SearchAttributeKey.for_datetime(names.STARTS_AT)
_ATTENTION: Final = SearchAttributeKey.for_bool(names.NEEDS_ATTENTION)


class Audit:
    """Compares all bookings with all workflows, one page at a time.

    It has a loop of its own: it may take minutes, and recovery must not wait for it.
    """

    def __init__(self, client: Client, engine: AsyncEngine, interval: timedelta = timedelta(hours=1)) -> None:
        self._client = client
        self._engine = engine
        self._interval = interval
        self._changed_since = datetime.now(UTC) - _FIRST_LOOK_BACK

    async def run(self) -> None:
        """Compare at once and then at each interval, until cancelled; logs and retries failed rounds."""
        while True:
            try:
                await self._start_lost()
                await self.tell_those_behind()
                pause = self._interval
            except Exception as error:  # PostgreSQL or Temporal is away
                _log.warning("audit_failed", error=f"{type(error).__name__}: {error}".splitlines()[0])
                pause = min(_RETRY, self._interval)
            await asyncio.sleep(pause.total_seconds())

    async def _start_lost(self) -> None:
        """Start a workflow for each open booking that has none.

        Raises:
            Exception: the first of what kept some from being started, once the others were.
        """
        errors: list[Exception] = []
        async for lost in self.list_without_workflow():
            for ref in lost:
                try:
                    await start_booking(self._client, BookingStart(**ref.model_dump()))
                except Exception as error:  # one that cannot be started holds up no other
                    STARTS.labels("audit", "failed").inc()
                    errors.append(error)
                else:
                    STARTS.labels("audit", "started").inc()
                    _log.warning("lost_workflow_started", booking_id=str(ref.booking_id))
        if errors:
            raise errors[0]

    async def list_without_workflow(self) -> AsyncIterator[list[BookingRef]]:
        """Open bookings for which no workflow runs, page by page."""
        after = maintenance.FIRST_REF
        while True:
            async with autocommit(self._engine) as conn:
                page = await maintenance.list_open_after(conn, after=after, limit=_PAGE)
            if not page:
                return
            running = await self._running_among(page)
            yield [ref for ref in page if ref.booking_id not in running]
            after = page[-1]

    async def tell_those_behind(self) -> None:
        """Tell every running workflow that knows less than is stored.

        Raises:
            Exception: the first of what kept some from being compared, once the others were.
        """
        begun, errors = datetime.now(UTC), list[Exception]()
        query = f"WorkflowType = '{names.BOOKING_WORKFLOW}' AND ExecutionStatus = 'Running'"
        page: list[WorkflowExecution] = []
        async for run in self._client.list_workflows(query):
            page.append(run)
            if len(page) == _PAGE:
                errors += await self._compare(page)
                page = []
        errors += await self._compare(page)
        if errors:
            raise errors[0]
        self._changed_since = begun - _OVERLAP

    async def _running_among(self, refs: Sequence[BookingRef]) -> set[UUID | None]:
        ids = ", ".join(f"'{names.booking_workflow_id(ref.booking_id)}'" for ref in refs)
        query = f"WorkflowId IN ({ids}) AND ExecutionStatus = 'Running'"
        return {booking_id_of(run.id) async for run in self._client.list_workflows(query)}

    async def _compare(self, runs: Sequence[WorkflowExecution]) -> list[Exception]:
        shown = {booking_id: run for run in runs if (booking_id := booking_id_of(run.id)) is not None}
        async with autocommit(self._engine) as conn:
            stored = await maintenance.list_comparable(conn, list(shown))
        slots = asyncio.Semaphore(_AT_ONCE)

        async def compare(row: Row) -> Exception | None:
            async with slots:
                try:
                    await self._compare_one(row, shown[row["booking_id"]])
                except Exception as error:  # one that cannot be compared holds up no other
                    return error
            return None

        outcomes = await asyncio.gather(*(compare(row) for row in stored))
        return [error for error in outcomes if error is not None]

    async def _compare_one(self, row: Row, run: WorkflowExecution) -> None:
        if differs(row, run) or (row["updated_at"] >= self._changed_since and await self._is_older(row)):
            _log.warning("workflow_behind", booking_id=str(row["booking_id"]), stored_version=row["version"])
            await tell_to_catch_up(self._client, row["booking_id"])
            CAUGHT_UP.labels("audit").inc()

    async def _is_older(self, row: Row) -> bool:
        """Whether the workflow itself says that it knows an older version."""
        handle = self._client.get_workflow_handle(names.booking_workflow_id(row["booking_id"]))
        known: Any = await handle.query("state", result_type=BookingState, rpc_timeout=_QUERY_TIMEOUT)
        return known is not None and known.version < row["version"]


def differs(row: Row, run: WorkflowExecution) -> bool:
    """Whether a running workflow shows something else than is stored.

    What it shows is written a moment after its step: a workflow that is told needlessly reads once.
    """
    if is_terminal(Status(row["status"])):
        return True
    shown = run.typed_search_attributes
    if shown.get(_STATUS) is None:  # started with its tenant alone, and not read yet
        return False
    provider = row["provider_id"]
    stored = (row["status"], str(provider) if provider else None, row["starts_at"], row["needs_attention"])
    return stored != (shown.get(_STATUS), shown.get(_PROVIDER), shown.get(_STARTS_AT), shown.get(_ATTENTION))


def booking_id_of(workflow_id: str) -> UUID | None:
    """The booking that a workflow is about; none: it is about something else."""
    with contextlib.suppress(ValueError):
        return UUID(workflow_id.removeprefix(names.BOOKING_ID_PREFIX))
    return None
