"""Each checker detects its violation: one thing is broken in an otherwise correct cell."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.chaos import cell_run
from tests.chaos.facts import Workflow
from tests.chaos.invariants import INVARIANTS, Evidence, violations
from tests.support.chaos_evidence import (
    BOOKING,
    CANCELLED,
    CANCELLER,
    CUSTOMER,
    MAIL,
    NOW,
    PROVIDER_USER,
    attempt,
    call,
    command,
    entry,
    message,
    read,
    sound,
    step,
)

assert cell_run.CHECKERS  # importing them registers their invariants

Break = Callable[[Evidence], object]
"""Changes one thing."""


def _booking(evidence: Evidence, **members: object) -> None:
    evidence.facts.bookings[0] |= members


def _held_time(evidence: Evidence) -> dict[str, object]:
    later = timedelta(days=1)
    row = evidence.facts.reservations[0]
    times = {"begins": row["begins"] + later, "ends": row["ends"] + later}
    return row | times | {"id": "h-1", "booking_id": None, "expires_at": NOW + timedelta(minutes=1)}


def _rival(evidence: Evidence) -> dict[str, object]:
    row = evidence.facts.reservations[0]
    return row | {
        "id": "r-9",
        "session_id": "r-9",
        "booking_id": "b-9",
        "begins": row["begins"] + timedelta(minutes=30),
    }


def _swap_places(evidence: Evidence, first: int, second: int) -> None:
    rows = evidence.facts.events
    rows[first]["position"], rows[second]["position"] = rows[second]["position"], rows[first]["position"]


def _without(evidence: Evidence, action: str) -> None:
    evidence.facts.ledger[:] = [one for one in evidence.facts.ledger if one["action"] != action]


def _money(action: str) -> dict[str, object]:
    return entry("stripe", action, BOOKING, amount=100)


def _late_reminder() -> dict[str, object]:
    return message(CANCELLED, 3, "reminder", "customer") | {"created_at": NOW, "minutes_before": 5}


def _mail_late(evidence: Evidence) -> None:
    mail = next(row for row in evidence.facts.effects if row["key"] == MAIL)
    mail.update(booking_id=CANCELLED, first_attempt_at=NOW, last_attempt_at=NOW)
    sent = next(one for one in evidence.facts.ledger if one["key"] == MAIL)
    sent["at"] = NOW.isoformat()


BREAKS: list[tuple[str, str, Break]] = [
    ("answers", "500", lambda e: e.calls[0].attempts.append(attempt(500, number=2))),
    ("answers", "503 without Retry-After", lambda e: e.calls[0].attempts.append(attempt(503, number=2))),
    ("answers", "404 to its customer", lambda e: e.calls.append(call("cancel", [attempt(404)], key="x"))),
    ("answer-time", "36 s", lambda e: setattr(e.calls[0].attempts[0], "answered", 46.5)),
    ("acknowledged-create", "lost", lambda e: e.facts.bookings.pop(0)),
    ("acknowledged-create", "another reference", lambda e: _booking(e, reference="OTHER")),
    ("one-create-per-key", "twice", lambda e: e.facts.bookings.append(e.facts.bookings[0] | {"id": "b-9"})),
    ("one-create-per-key", "refused", lambda e: setattr(e.calls[0].attempts[0], "status", 409)),
    ("one-create-per-key", "unasked", lambda e: _booking(e, notes="nobody's")),
    ("acknowledged-command", "no step", lambda e: e.calls[1].attempts[0].body.update(version=6)),
    ("acknowledged-command", "another status", lambda e: e.facts.steps[4].update(new_status="rejected")),
    (
        "one-step-per-command",
        "a step that nobody asked for",
        lambda e: e.facts.steps.append(
            step(BOOKING, 6, "accepted", "accepted", kind="rescheduled", actor_role="owner", actor_id="o")
        ),
    ),
    (
        "one-step-per-command",
        "two commands answered with one step",
        lambda e: e.calls.append(command("accept", BOOKING, 5, "accepted", "provider", PROVIDER_USER, key="k2")),
    ),
    ("reads-go-forward", "an older version", lambda e: e.calls.append(read(BOOKING, 4, "assigned"))),
    ("released-hold", "keeps its time", lambda e: e.facts.reservations.append(_held_time(e))),
    ("answered-at-last", "503 for ever", lambda e: e.calls.append(call("cancel", [attempt(503)], key="x"))),
    ("history", "a gap", lambda e: e.facts.steps.pop(3)),
    ("history", "an illegal step", lambda e: e.facts.steps[4].update(old_status="pending")),
    ("history", "not where it stands", lambda e: _booking(e, status="in_progress")),
    ("history", "a command twice", lambda e: e.facts.steps[3].update(command_id="accept-1")),
    ("one-event-per-step", "one is missing", lambda e: e.facts.events.pop(4)),
    ("one-event-per-step", "out of order", lambda e: _swap_places(e, 3, 4)),
    ("event-positions", "a gap", lambda e: e.facts.events[-1].update(position=99)),
    ("no-overlap", "two at once", lambda e: e.facts.reservations.append(_rival(e))),
    ("time-held", "none", lambda e: e.facts.reservations.clear()),
    ("time-held", "after the end", lambda e: e.facts.reservations[0].update(booking_id=CANCELLED)),
    ("one-workflow", "none", lambda e: e.facts.workflows.update({BOOKING: Workflow(False)})),
    ("one-workflow", "after the end", lambda e: e.facts.workflows.update({CANCELLED: Workflow(True)})),
    (
        "no-stuck-workflow",
        "a task that fails",
        lambda e: e.facts.workflows.update({BOOKING: Workflow(True, "accepted", 5, is_stuck=True)}),
    ),
    ("projection", "behind", lambda e: e.facts.workflows.update({BOOKING: Workflow(True, "assigned", 4)})),
    (
        "overdue",
        "an attempt",
        lambda e: _booking(e, status="rejected", next_attempt_at=NOW - timedelta(minutes=1)),
    ),
    ("overdue", "an effect", lambda e: e.facts.effects[0].update(state="pending", last_attempt_at=None)),
    ("overdue", "an event", lambda e: e.facts.events[-1].update(position=None)),
    ("overdue", "never begun", lambda e: _booking(e, version=1)),
    ("reminders", "none", lambda e: e.facts.messages.pop()),
    ("reminders", "twice", lambda e: e.facts.messages.append(e.facts.messages[-1])),
    ("messages", "none", lambda e: e.facts.messages.pop(1)),
    ("messages", "twice", lambda e: e.facts.messages.append(message(BOOKING, 5, "confirmed", "customer"))),
    ("mails", "twice", lambda e: e.facts.ledger.append(entry("sendgrid", "mail.send", MAIL))),
    ("mails", "unasked", lambda e: e.facts.ledger.append(entry("sendgrid", "mail.send", "another"))),
    ("mails", "never", lambda e: _without(e, "mail.send")),
    ("jobs", "two", lambda e: e.facts.ledger.append(entry("servicetitan", "job.create", BOOKING))),
    ("jobs", "none", lambda e: _without(e, "job.create")),
    ("jobs", "cancelled", lambda e: e.facts.ledger.append(entry("servicetitan", "job.cancel", BOOKING))),
    ("payments", "captured twice", lambda e: e.facts.ledger.append(_money("capture"))),
    ("payments", "not captured", lambda e: _without(e, "capture")),
    ("payments", "kept of a cancelled one", lambda e: _booking(e, status="cancelled")),
    ("webhooks", "not delivered", lambda e: _without(e, "webhook")),
    ("webhooks", "no delivery planned", lambda e: e.facts.effects.pop(0)),
    ("quiet-after-cancel", "a reminder", lambda e: e.facts.messages.append(_late_reminder())),
    ("quiet-after-cancel", "a mail", _mail_late),
]


def test_a_cell_where_all_is_in_order_violates_nothing() -> None:
    assert violations(sound()) == []


@pytest.mark.parametrize(("name", "how", "break_it"), BREAKS, ids=[f"{name}: {how}" for name, how, _ in BREAKS])
def test_each_invariant_sees_what_breaks_it(name: str, how: str, break_it: Break) -> None:
    evidence = sound()
    break_it(evidence)
    assert name in {violation.invariant for violation in violations(evidence)}, how


def test_every_invariant_is_seen_violated() -> None:
    assert {name for name, _, _ in BREAKS} == INVARIANTS.keys()


def test_a_provider_may_be_told_that_the_booking_is_not_theirs() -> None:
    evidence = sound()
    evidence.calls.append(call("accept", [attempt(403)], role="provider", key="x"))
    assert violations(evidence) == []


def test_a_step_of_a_request_that_never_got_an_answer_is_nobodys_fault() -> None:
    evidence = sound()
    unanswered = replace(
        command("cancel", CANCELLED, 3, "cancelled", "customer", CANCELLER), attempts=[attempt(None)]
    )
    evidence.calls[3] = unanswered
    assert {one.invariant for one in violations(evidence)} == {"answered-at-last"}
    assert CUSTOMER != CANCELLER
