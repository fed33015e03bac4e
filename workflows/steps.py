"""Typed calls of the activities. Names tie them to their implementations, so no activity code is imported here."""

from temporalio import workflow

from domain import names
from domain.booking import BookingState
from domain.notifications import ReminderDue
from domain.steps import BookingRef, CatchUp, Step, StepResult
from workflows import options


async def load_booking(ref: BookingRef) -> BookingState:
    """The booking as the database holds it."""
    result: BookingState = await workflow.execute_local_activity(
        names.LOAD_BOOKING,
        ref,
        result_type=BookingState,
        start_to_close_timeout=options.STEP_TIMEOUT,
        retry_policy=options.STEP_RETRY,
        local_retry_threshold=options.STEP_LOCAL_RETRY,
        summary="read the booking",
    )
    return result


async def catch_up(known: CatchUp) -> StepResult:
    """The booking as the database holds it, and the commands behind the steps that the workflow does not know."""
    result: StepResult = await workflow.execute_local_activity(
        names.CATCH_UP,
        known,
        result_type=StepResult,
        start_to_close_timeout=options.STEP_TIMEOUT,
        retry_policy=options.STEP_RETRY,
        local_retry_threshold=options.STEP_LOCAL_RETRY,
        summary=f"catch up from {known.version}",
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


async def send_reminder(reminder: ReminderDue) -> None:
    """Remind people, if there is still something to be reminded of."""
    await workflow.execute_local_activity(
        names.SEND_REMINDER,
        reminder,
        start_to_close_timeout=options.STEP_TIMEOUT,
        retry_policy=options.STEP_RETRY,
        local_retry_threshold=options.STEP_LOCAL_RETRY,
        summary=f"remind: {reminder.key}",
    )
