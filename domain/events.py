"""The events that a booking sets off, in the shape of CloudEvents 1.0."""

from domain.lifecycle import Status
from domain.steps import StepKind

SOURCE = "/holdfast/scheduling"
SCHEMA_VERSION = "1"

BOOKING_REMINDER_DUE = "scheduling.booking.reminder.due"

_BY_STATUS = {
    Status.PENDING: "scheduling.booking.pending",
    Status.ASSIGNED: "scheduling.booking.assigned",
    Status.ACCEPTED: "scheduling.booking.accepted",
    Status.REJECTED: "scheduling.booking.rejected",
    Status.IN_PROGRESS: "scheduling.booking.started",
    Status.COMPLETED: "scheduling.booking.completed",
    Status.NO_SHOW: "scheduling.booking.no_show",
    Status.CANCELLED: "scheduling.booking.cancelled",
}
_BY_KIND = {
    StepKind.CREATED: "scheduling.booking.created",
    StepKind.RESCHEDULED: "scheduling.booking.rescheduled",
    StepKind.ATTEMPT_FAILED: "scheduling.booking.assignment_failed",
    StepKind.FLAGGED: "scheduling.booking.flagged",
}


def event_type(kind: StepKind, status: Status) -> str:
    """The type of the event that goes with a step into `status`."""
    return _BY_KIND.get(kind) or _BY_STATUS[status]
