"""Compares every booking with its workflow, to find what recovery has not found.

- An open booking without a workflow gets one.
- A workflow that shows another status, provider or time than the booking, or that runs although the booking has
  ended, gets a signal to read its booking again. One whose booking has changed lately gets an update with the
  stored version, which only a workflow that is older accepts.

It has a loop of its own: it may take minutes, and recovery must not wait for it. Metrics and settings call it the
audit.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowExecution
from temporalio.common import SearchAttributeKey

from db.engine import autocommit
from db.repositories import maintenance
from db.repositories.rows import Row
from domain import names
from domain.lifecycle import Status, is_terminal
from domain.steps import BookingRef, BookingStart
from runtime.metrics import CAUGHT_UP, STARTS
from worker.polling import attempt_all, raise_first
from workflows.launch import catch_up_if_older, signal_catch_up, start_booking

_log = structlog.get_logger()

_PAGE: Final = 100
_AT_ONCE: Final = 4
_OVERLAP: Final = timedelta(minutes=65)
"""Changes are dated by the clock of the process that made them, which may be wrong by an hour."""
_FIRST_LOOK_BACK: Final = timedelta(hours=2)
_STATUS: Final = SearchAttributeKey.for_keyword(names.BOOKING_STATUS)
_PROVIDER: Final = SearchAttributeKey.for_keyword(names.PROVIDER_ID)
_STARTS_AT: Final = SearchAttributeKey.for_datetime(names.STARTS_AT)
_ATTENTION: Final = SearchAttributeKey.for_bool(names.NEEDS_ATTENTION)


class WorkflowConsistencyCheck:
    """Compares all bookings with all workflows, one page at a time."""

    def __init__(self, client: Client, engine: AsyncEngine) -> None:
        self._client = client
        self._engine = engine
        self._changed_since = datetime.now(UTC) - _FIRST_LOOK_BACK

    async def compare_all(self) -> None:
        """Start the workflows that are missing, and signal those that are behind."""
        await self._start_lost()
        await self.signal_stale_workflows()

    async def _start_lost(self) -> None:
        """Start a workflow for each open booking that has none.

        Raises:
            Exception: the first of what kept some from being started, once the others were.
        """
        errors: list[Exception] = []
        async for lost in self.list_without_workflow():
            errors += await attempt_all(lost, self._start)
        STARTS.labels("audit", "failed").inc(len(errors))
        raise_first(errors)

    async def _start(self, ref: BookingRef) -> None:
        await start_booking(self._client, BookingStart(**ref.model_dump()))
        STARTS.labels("audit", "started").inc()
        _log.warning("lost_workflow_started", booking_id=str(ref.booking_id))

    async def list_without_workflow(self) -> AsyncIterator[list[BookingRef]]:
        """Open bookings whose workflow does not run, page by page."""
        after = maintenance.FIRST_REF
        while True:
            async with autocommit(self._engine) as conn:
                page = await maintenance.list_open_after(conn, after=after, limit=_PAGE)
            if not page:
                return
            running = await self._running_among(page)
            yield [ref for ref in page if ref.booking_id not in running]
            after = page[-1]

    async def signal_stale_workflows(self) -> None:
        """Signal every running workflow that is behind what is stored to read its booking again.

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
        raise_first(errors)
        self._changed_since = begun - _OVERLAP

    async def _running_among(self, refs: Sequence[BookingRef]) -> set[UUID | None]:
        ids = ", ".join(f"'{names.booking_workflow_id(ref.booking_id)}'" for ref in refs)
        query = f"WorkflowId IN ({ids}) AND ExecutionStatus = 'Running'"
        return {booking_id_of(run.id) async for run in self._client.list_workflows(query)}

    async def _compare(self, runs: Sequence[WorkflowExecution]) -> list[Exception]:
        shown = {booking_id: run for run in runs if (booking_id := booking_id_of(run.id)) is not None}
        async with autocommit(self._engine) as conn:
            stored = await maintenance.list_comparable(conn, list(shown))
        return await attempt_all(
            stored, lambda row: self._compare_one(row, shown[row["booking_id"]]), at_once=_AT_ONCE
        )

    async def _compare_one(self, row: Row, run: WorkflowExecution) -> None:
        # What Temporal shows follows a step by some seconds. Until then only the workflow itself knows.
        if not row["has_just_changed"] and differs(row, run):
            await signal_catch_up(self._client, row["booking_id"])
        elif row["updated_at"] < self._changed_since or not await self._is_older(row):
            return
        _log.warning("workflow_behind", booking_id=str(row["booking_id"]), stored_version=row["version"])
        CAUGHT_UP.labels("audit").inc()

    async def _is_older(self, row: Row) -> bool:
        """Whether the workflow, when it is asked, knows an older version; then it catches up."""
        return await catch_up_if_older(self._client, row["booking_id"], row["version"])


def differs(row: Row, run: WorkflowExecution) -> bool:
    """Whether a running workflow shows something else than is stored.

    Search attributes follow a moment after the step. A workflow that is signalled in vain reads its booking once.
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
    """The booking that a workflow runs; none: it is not the workflow of a booking."""
    with contextlib.suppress(ValueError):
        return UUID(workflow_id.removeprefix(names.BOOKING_ID_PREFIX))
    return None
