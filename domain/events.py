"""The events of a booking, as CloudEvents 1.0."""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from domain.event_catalogue import CATALOGUE
from domain.lifecycle import Status
from domain.steps import StepKind

SOURCE = "/holdfast/scheduling"
SCHEMA_VERSION = "1"

BOOKING_REMINDER_DUE = "scheduling.booking.reminder.due"
WEBHOOK_TEST: Final = "webhook.test"
"""Sent to one endpoint on request; it is not in any stream."""

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
    StepKind.PAYMENT_ASKED: "scheduling.booking.payment_asked",
    StepKind.PAID: "scheduling.booking.paid",
}

PATTERN: Final = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?")
"""A type, or a prefix such as `scheduling.booking.*`."""
LONGEST_PATTERN: Final = 100
_REST: Final = ".*"


def event_type(kind: StepKind, status: Status) -> str:
    """The type of the event that goes with a step into `status`."""
    return _BY_KIND.get(kind) or _BY_STATUS[status]


def matches(pattern: str, type_: str) -> bool:
    """Whether the pattern matches the type; the same in SQL is in `db.repositories.events`."""
    if pattern.endswith(_REST):
        return type_.startswith(pattern.removesuffix("*"))
    return type_ == pattern


def checked_pattern(pattern: str) -> str:
    """The pattern, unchanged.

    Raises:
        ValueError: it is malformed, or matches no type: otherwise nobody would notice a typo.
    """
    if len(pattern) > LONGEST_PATTERN or not PATTERN.fullmatch(pattern):
        raise ValueError("write a type of event, or the beginning of some as scheduling.booking.*")
    if not any(matches(pattern, type_) for type_ in CATALOGUE):
        raise ValueError("there is no such type of event")
    return pattern


# --- CloudEvents ----------------------------------------------------------------------------------------------

_DIGITS: Final = 19
"""Of the largest position. Padded numbers sort as text, which the extension requires."""


def cloud_event(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the event table as a CloudEvent, without members that have no value.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md: extension names are lower-case letters and
    digits. `sequence` follows the sequence extension: it orders the events of one source, so the source includes
    the business.
    """
    actor = row["actor"] or {}
    members = {
        "specversion": "1.0",
        "id": str(row["id"]),
        "source": f"{row['source']}/{row['business_id']}",
        "type": row["type"],
        "subject": row["subject"],
        "time": row["time"],
        "datacontenttype": "application/json",
        "sequence": None if row["position"] is None else f"{row['position']:0{_DIGITS}d}",
        "tenant": str(row["business_id"]),
        "correlationid": row["correlation_id"],
        "actorrole": actor.get("role"),
        "actorid": actor.get("user_id"),
        "dataversion": row["schema_version"],
        "data": row["data"],
    }
    return {name: value for name, value in members.items() if value is not None}


def trial_event(event_id: str, business_id: UUID, endpoint_id: UUID, time: Any) -> dict[str, Any]:
    """The event that tests an endpoint."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/holdfast/webhooks/{business_id}",
        "type": WEBHOOK_TEST,
        "subject": str(endpoint_id),
        "time": time,
        "datacontenttype": "application/json",
        "tenant": str(business_id),
        "data": {},
    }
