"""The types of the events that steps emit, to which other systems subscribe."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.event_catalogue import CATALOGUE as TYPES_OF_ALL
from domain.events import (
    BOOKING_REMINDER_DUE,
    checked_pattern,
    cloud_event,
    event_type,
    matches,
    trial_event,
)
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


@pytest.mark.parametrize("pattern", [*sorted(TYPES_OF_ALL), "scheduling.*", "scheduling.booking.*"])
def test_a_pattern_means_a_type_or_the_beginning_of_some(pattern: str) -> None:
    assert checked_pattern(pattern) == pattern
    meant = {type_ for type_ in TYPES_OF_ALL if matches(pattern, type_)}
    family = {type_ for type_ in TYPES_OF_ALL if type_.split(".")[: pattern.count(".")] == pattern.split(".")[:-1]}
    assert meant == (family if pattern.endswith("*") else {pattern})


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "*",
        ".*",
        "scheduling*",
        "scheduling.booking.acc*",
        "scheduling.booking.acepted",
        "scheduling.book.*",
        "a\n",
    ],
)
def test_a_pattern_that_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="type of event"):
        checked_pattern(pattern)


def test_a_cloud_event_has_only_names_and_values_that_the_specification_allows() -> None:
    business_id = UUID(int=7)
    row = {
        "id": UUID(int=1),
        "business_id": business_id,
        "type": BOOKING_REMINDER_DUE,
        "source": "/holdfast/scheduling",
        "subject": "s",
        "time": datetime(2027, 1, 1, tzinfo=UTC),
        "correlation_id": None,
        "actor": {"role": "system"},
        "data": {},
        "schema_version": "1",
        "position": 12,
    }
    event = cloud_event(row)
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in event)
    assert not any(value is None for value in event.values())
    assert cloud_event(row | {"position": 9})["sequence"] < event["sequence"]
    assert event["source"] == f"/holdfast/scheduling/{business_id}"
    trial = trial_event("e", business_id, UUID(int=9), row["time"])
    assert trial.keys() >= {"specversion", "id", "source", "type", "data"}
