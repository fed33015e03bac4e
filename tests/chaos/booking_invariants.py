"""Invariants of the stored bookings: consistent with each other and with their workflows."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from tests.chaos.invariants import Evidence, invariant
from tests.support.e2e.invariants import LEGAL_TRANSITIONS

ENDED: Final = frozenset({"completed", "cancelled"})
_UNASSIGNED: Final = frozenset({"pending", "rejected", "no_show"})
_HELD: Final = frozenset({"assigned", "accepted", "in_progress"})
_RELEASED: Final = frozenset({"rejected", "no_show", "cancelled"})
_NOT_STARTED: Final = frozenset({"pending", "assigned", "accepted", "rejected"})
LATE: Final = timedelta(seconds=15)
"""Work due for longer than this is overdue."""
_EFFECT_LATE: Final = timedelta(seconds=30)
"""The time that an attempt may take before the next is due."""
_HOLD_LATE: Final = timedelta(minutes=3)

_Found = Iterator[tuple[str | None, str]]


@invariant("history", "each history is gapless and legal, and ends with the booking's status")
def history(evidence: Evidence) -> _Found:
    steps = defaultdict(list)
    for row in evidence.facts.steps:
        steps[row["booking_id"]].append(row)
    for booking in evidence.facts.bookings:
        for wrong in _wrong_in(booking, steps[booking["id"]]):
            yield booking["id"], wrong


def _wrong_in(booking: dict[str, Any], steps: list[dict[str, Any]]) -> Iterator[str]:
    if [step["sequence"] for step in steps] != list(range(1, booking["version"] + 1)):
        yield f"the history has {[step['sequence'] for step in steps]} at version {booking['version']}"
        return
    if steps[0]["kind"] != "created" or steps[-1]["new_status"] != booking["status"]:
        yield f"the history goes from {steps[0]['kind']} to {steps[-1]['new_status']}, it is {booking['status']}"
    for before, step in pairwise(steps):
        change = (step["old_status"], step["new_status"])
        if step["old_status"] != before["new_status"]:
            yield f"step {step['sequence']} begins at {step['old_status']} after {before['new_status']}"
        elif step["kind"] == "transition" and change not in LEGAL_TRANSITIONS:
            yield f"step {step['sequence']} from {change[0]} to {change[1]} is in no table"
        elif step["kind"] not in ("transition", "override") and change[0] != change[1]:
            yield f"step {step['sequence']}, {step['kind']}, changes the status"
    keys = [step["command_id"] for step in steps if step["command_id"]]
    if len(set(keys)) < len(keys):
        yield "a command is in the history twice"


@invariant(
    "one-event-per-step", "each step has one event, and the events' positions follow the order of the steps"
)
def one_event_per_step(evidence: Evidence) -> _Found:
    events = defaultdict(list)
    for row in evidence.facts.events:
        if row["type"].startswith("scheduling.booking.") and not row["type"].endswith(".reminder.due"):
            events[row["subject"]].append(row)
    steps = defaultdict(list)
    for row in evidence.facts.steps:
        steps[row["booking_id"]].append(row["new_status"])
    for booking_id, statuses in steps.items():
        found = events[booking_id]
        if len(found) != len(statuses):
            yield booking_id, f"{len(found)} events for {len(statuses)} steps"
        elif all(row["position"] is not None for row in found):
            published = [_status_of(row) for row in sorted(found, key=lambda row: row["position"])]
            if published != statuses:
                yield booking_id, f"its events have the statuses {published}, its steps {statuses}"


def _status_of(event: dict[str, Any]) -> str:
    return str(event["data"]["status"])


@invariant("event-positions", "the positions of a business's events are 1, 2, 3 …")
def event_positions(evidence: Evidence) -> _Found:
    places = sorted(row["position"] for row in evidence.facts.events if row["position"] is not None)
    if places != list(range(1, len(places) + 1)):
        yield None, f"{len(places)} events have places up to {places[-1]}, {len(set(places))} of them different"


@invariant("no-overlap", "no two valid reservations of a provider overlap, and no seat is taken twice")
def no_overlap(evidence: Evidence) -> _Found:
    by_provider = defaultdict(list)
    for row in evidence.facts.reservations:
        if row["expires_at"] is None or row["expires_at"] > evidence.facts.at:
            by_provider[row["provider_id"]].append(row)
    for rows in by_provider.values():
        rows.sort(key=lambda row: row["begins"])
        for number, first in enumerate(rows):
            for second in rows[number + 1 :]:
                if second["begins"] >= first["ends"]:
                    break
                if first["session_id"] != second["session_id"] or first["seat"] == second["seat"]:
                    yield first["booking_id"], f"{first['id']} and {second['id']} overlap at {second['begins']}"


@invariant("time-held", "a booking reserves its provider's time exactly when it should")
def time_held(evidence: Evidence) -> _Found:
    reserved = {row["booking_id"]: row for row in evidence.facts.reservations if row["booking_id"]}
    for booking in evidence.facts.bookings:
        row = reserved.get(booking["id"])
        if booking["status"] in _RELEASED and row is not None:
            yield booking["id"], f"is {booking['status']} and still holds time"
        if booking["status"] in _HELD and row is None:
            yield booking["id"], f"is {booking['status']} and holds no time"
        elif booking["status"] in _HELD and row is not None and not _covers(row, booking):
            yield booking["id"], "holds another time than its own, or another provider's"


def _covers(row: dict[str, Any], booking: dict[str, Any]) -> bool:
    same = row["provider_id"] == booking["provider_id"]
    return bool(same and row["begins"] <= booking["starts_at"] and row["ends"] >= booking["ends_at"])


@invariant("one-workflow", "each open booking has a running workflow, an ended one has none")
def one_workflow(evidence: Evidence) -> _Found:
    for booking in evidence.facts.bookings:
        workflow = evidence.facts.workflow(booking["id"])
        if (booking["status"] not in ENDED) != workflow.is_running:
            yield (
                booking["id"],
                f"is {booking['status']}, and its workflow {'runs' if workflow.is_running else 'does not run'}",
            )


@invariant("no-stuck-workflow", "no workflow task keeps failing")
def no_stuck_workflow(evidence: Evidence) -> _Found:
    for booking in evidence.facts.bookings:
        if evidence.facts.workflow(booking["id"]).is_stuck:
            yield booking["id"], "its workflow task keeps failing"


@invariant("projection", "the projection equals the workflow's state")
def projection(evidence: Evidence) -> _Found:
    for booking in evidence.facts.bookings:
        workflow = evidence.facts.workflow(booking["id"])
        stored = (booking["status"], booking["version"])
        if workflow.is_running and (workflow.status, workflow.version) != stored:
            yield booking["id"], f"PostgreSQL has {stored}, the workflow {(workflow.status, workflow.version)}"


@invariant("overdue", "nothing is overdue by more than a few seconds")
def overdue(evidence: Evidence) -> _Found:
    at = evidence.facts.at
    for booking in evidence.facts.bookings:
        for wrong in _late(booking, at):
            yield booking["id"], wrong
    yield from _late_rows(evidence, at)


def _late_rows(evidence: Evidence, at: datetime) -> _Found:
    for effect in evidence.facts.effects:
        due = effect["next_attempt_at"] or effect["last_attempt_at"] or effect["due_at"]
        if effect["state"] in ("pending", "running", "retrying") and due < at - _EFFECT_LATE:
            yield effect["booking_id"], f"{effect['kind']} is {effect['state']}, due {_ago(due, at)}"
    for event in evidence.facts.events:
        if event["position"] is None and event["time"] < at - LATE:
            yield None, f"an event has no place, written {_ago(event['time'], at)}"
    for row in evidence.facts.reservations:
        if row["expires_at"] is not None and row["expires_at"] < at - _HOLD_LATE:
            yield None, f"a hold that ran out {_ago(row['expires_at'], at)} still has its reservation"


def _late(booking: dict[str, Any], at: datetime) -> Iterator[str]:
    if booking["version"] == 1 and booking["created_at"] < at - LATE:
        yield f"was never started, created {_ago(booking['created_at'], at)}"
    due = booking["next_attempt_at"]
    if booking["status"] in _UNASSIGNED and not booking["needs_attention"] and due and due < at - LATE:
        yield f"is {booking['status']}, its next attempt was due {_ago(due, at)}"
    no_show = booking["status"] == "no_show" and booking["absent_party"] == "customer"
    if no_show and not booking["needs_attention"] and booking["phase_since"] < at - LATE:
        yield f"the customer did not come {_ago(booking['phase_since'], at)}, and it is not cancelled"


def _ago(moment: datetime, at: datetime) -> str:
    return f"{(at - moment).total_seconds():.0f} s ago"


@invariant("reminders", "each due reminder was written once")
def reminders(evidence: Evidence) -> _Found:
    written = defaultdict(list)
    for row in evidence.facts.messages:
        if row["kind"] == "reminder" and row["audience"] == "customer":
            written[row["booking_id"], row["starts_at"], row["minutes_before"]].append(row["channel"])
    for (booking_id, _, minutes), channels in written.items():
        if len(set(channels)) < len(channels):
            yield booking_id, f"was reminded {len(channels)} times, {minutes} minutes before"
    at = evidence.facts.at
    for booking in evidence.facts.bookings:
        for minutes, due in _fell_due(booking, at):
            if (booking["id"], booking["starts_at"], minutes) not in written:
                yield booking["id"], f"the reminder of {minutes} minutes before was due {_ago(due, at)}"


def _fell_due(booking: dict[str, Any], at: datetime) -> Iterator[tuple[int, datetime]]:
    """Reminders that are due: minutes before the start, and the due time."""
    if booking["status"] in _NOT_STARTED:
        for minutes in booking["policy"]["reminder_minutes"]:
            due = booking["starts_at"] - timedelta(minutes=minutes)
            if booking["planned_from"] <= due < at - LATE:
                yield minutes, due
