"""The types of the events that steps set off: other systems subscribe to these words."""

import pytest

from domain.events import BOOKING_REMINDER_DUE, event_type
from domain.lifecycle import Status
from domain.steps import StepKind

TYPES = {
    "pending": "scheduling.booking.pending",
    "assigned": "scheduling.booking.assigned",
    "accepted": "scheduling.booking.accepted",
    "in_progress": "scheduling.booking.started",
    "completed": "scheduling.booking.completed",
    "rejected": "scheduling.booking.rejected",
    "no_show": "scheduling.booking.no_show",
    "cancelled": "scheduling.booking.cancelled",
}


@pytest.mark.parametrize("kind", [StepKind.TRANSITION, StepKind.OVERRIDE])
@pytest.mark.parametrize(("status", "expected"), TYPES.items())
def test_a_step_into_a_status_is_named_after_it(kind: StepKind, status: str, expected: str) -> None:
    assert event_type(kind, Status(status)) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (StepKind.CREATED, "scheduling.booking.created"),
        (StepKind.RESCHEDULED, "scheduling.booking.rescheduled"),
        (StepKind.ATTEMPT_FAILED, "scheduling.booking.assignment_failed"),
        (StepKind.FLAGGED, "scheduling.booking.flagged"),
    ],
)
@pytest.mark.parametrize("status", Status)
def test_a_step_that_changes_no_status_is_named_after_what_it_did(
    status: Status, kind: StepKind, expected: str
) -> None:
    assert event_type(kind, status) == expected


def test_a_reminder_has_a_type_of_its_own() -> None:
    assert BOOKING_REMINDER_DUE == "scheduling.booking.reminder.due"
