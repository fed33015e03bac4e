"""Typed calls of the booking's local activities. Names tie them to their implementations, so none is imported."""

from typing import TypeVar

from pydantic import BaseModel
from temporalio import workflow

from domain import names
from domain.booking import BookingState
from domain.notifications import ReminderDue
from domain.steps import BookingRef, CatchUpRequest, Step, StepResult
from workflows import options

Result = TypeVar("Result")


async def load_booking(ref: BookingRef) -> BookingState:
    """The booking as the database holds it."""
    return await _execute(names.LOAD_BOOKING, ref, BookingState, "read the booking")


async def catch_up(known: CatchUpRequest) -> StepResult:
    """The booking as the database holds it, and the commands behind the steps that the workflow does not know."""
    return await _execute(names.CATCH_UP, known, StepResult, f"catch up from {known.version}")


async def record_step(step: Step) -> StepResult:
    """Commit one step; tried until the database has answered."""
    summary = f"{step.after.version}: {step.old_status} → {step.after.status}"
    return await _execute(names.RECORD_STEP, step, StepResult, summary)


async def send_reminder(reminder: ReminderDue) -> None:
    """Remind people, if there is still something to be reminded of."""
    await _execute(names.SEND_REMINDER, reminder, type(None), f"remind: {reminder.key}")


async def _execute(name: str, argument: BaseModel, result_type: type[Result], summary: str) -> Result:
    """Run one short transaction in the worker itself, for as long as the database is away."""
    result: Result = await workflow.execute_local_activity(
        name,
        argument,
        result_type=result_type,
        start_to_close_timeout=options.STEP_TIMEOUT,
        retry_policy=options.STEP_RETRY,
        local_retry_threshold=options.STEP_LOCAL_RETRY,
        summary=summary,
    )
    return result
