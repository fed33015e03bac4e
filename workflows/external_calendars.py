"""Rounds over external calendars: those that are due are read in parallel. A schedule starts the first.

The next round is the retry: a source that fails is due again after its interval, and a round that fails leaves
everything due. One workflow makes many rounds: a workflow for each would bury bookings in the list of workflows.
"""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from uuid import UUID

    from domain import names
    from domain.external import Round, RoundsRequest, SourceRef
    from workflows import options


@workflow.defn(name=names.EXTERNAL_CALENDARS_WORKFLOW)
class RefreshExternalCalendars:
    @workflow.run
    async def run(self, request: RoundsRequest | None = None) -> Round:
        """Read every source that is due, once or as often as the request says."""
        begun, at, so_far = workflow.now(), workflow.now(), await _refresh_due()
        while request is not None and not workflow.info().is_continue_as_new_suggested():
            at = max(at + request.every, workflow.now())  # missed rounds are skipped
            if at - begun > request.until_after:
                break
            if (pause := at - workflow.now()) > timedelta():
                await workflow.sleep(pause, summary="next round")
            found = await _refresh_due()
            so_far = Round(due=so_far.due + found.due, broken=so_far.broken + found.broken)
        return so_far


async def _refresh_due() -> Round:
    due = await _list_due()
    went_well = await asyncio.gather(*(_refresh(business_id) for business_id in due))
    return Round(due=len(due), broken=went_well.count(False))


async def _list_due() -> list[UUID]:
    result: list[UUID] = await workflow.execute_local_activity(
        names.LIST_DUE_SOURCES,
        result_type=list[UUID],
        start_to_close_timeout=options.STEP_TIMEOUT,
        retry_policy=options.CHECK_RETRY,
    )
    return result


async def _refresh(business_id: UUID) -> bool:
    """Read one source; False when that failed on our side. One that fails holds up no other."""
    try:
        await workflow.execute_activity(
            names.REFRESH_EXTERNAL_CALENDAR,
            SourceRef(business_id=business_id),
            task_queue=names.SYNC_TASK_QUEUE,
            start_to_close_timeout=options.CHECK_TIMEOUT,
            schedule_to_close_timeout=options.CHECK_TOTAL_TIMEOUT,
            retry_policy=options.CHECK_RETRY,
            priority=options.in_turn(business_id),
        )
    except ActivityError:
        return False
    return True
