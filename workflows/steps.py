"""Typed calls of the activities. Names tie them to their implementations, so no activity code is imported here."""

from temporalio import workflow

from domain import names
from domain.notices import NoticeBatch
from domain.steps import BookingRef, LoadedBooking, Step, StepResult
from workflows import options


async def load_booking(ref: BookingRef) -> LoadedBooking:
    """The booking as the database holds it."""
    result: LoadedBooking = await workflow.execute_local_activity(
        names.LOAD_BOOKING,
        ref,
        result_type=LoadedBooking,
        start_to_close_timeout=options.STEP_TIMEOUT,
        retry_policy=options.STEP_RETRY,
        local_retry_threshold=options.STEP_LOCAL_RETRY,
        summary="read the booking",
    )
    return result


async def record_step(step: Step) -> StepResult:
    """Commit one step; tried until the database has answered."""
    result: StepResult = await workflow.execute_local_activity(
        names.RECORD_STEP,
        step,
        result_type=StepResult,
        start_to_close_timeout=options.STEP_TIMEOUT,
        retry_policy=options.STEP_RETRY,
        local_retry_threshold=options.STEP_LOCAL_RETRY,
        summary=f"{step.after.version}: {step.old_status} → {step.after.status}",
    )
    return result


async def send_notices(batch: NoticeBatch) -> None:
    """Tell people; on a queue of its own, so that a slow channel delays no booking."""
    await workflow.execute_activity(
        names.SEND_NOTICES,
        batch,
        task_queue=names.MESSAGES_TASK_QUEUE,
        start_to_close_timeout=options.MESSAGE_TIMEOUT,
        schedule_to_close_timeout=options.MESSAGE_GIVE_UP,
        retry_policy=options.MESSAGE_RETRY,
        priority=options.priority(options.MESSAGES, batch.business_id),
        summary=", ".join(f"{notice.kind} → {notice.audience}" for notice in batch.notices),
    )
