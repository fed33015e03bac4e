"""Events that should happen sometimes: if one never happens, the faults do not reach the code that they test."""

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError

from domain.names import LOAD_BOOKING, booking_workflow_id
from tests.chaos.facts import Facts
from tests.chaos.history import Attempt, Call

EVENTS: Final = {
    "stale step": "a step found a newer history and was decided again",
    "repeated command": "a command was found in the history and not applied again",
    "booking taken over": "a workflow read from PostgreSQL a step that Temporal had lost",
    "connection discarded": "a database connection in an unknown state was closed instead of reused",
    "lease lost": "an attempt at an effect lost its lease and was cancelled",
    "resumed run": "a workflow run loaded its state from PostgreSQL",
    "retried workflow task": "a workflow task was lost with its worker, or timed out",
    "re-sent effect": "an effect was attempted more than once",
    "obsolete effect": "an effect had nothing left to do when it was attempted",
    "answer replayed": "a request whose answer was lost got it on a retry",
    "eager retry": "a client retried immediately after a 503",
    "broken connection": "a request got no answer",
    "in flight": "the same key was sent from several places at the same time",
    "time taken": "a request was refused because another one had the time",
    "hold redeemed": "a hold became a booking",
    "seats shared": "bookings shared a group session",
    "reminder written": "a reminder fell due within a cell",
    "money refunded or voided": "a paid booking was cancelled",
}
_LOGGED: Final = {
    "booking taken over": b'"booking_taken_over"',
    "lease lost": b'"effect_lease_lost"',
    "connection discarded": b'"database_connection_discarded"',
}
"""Events found in the processes' logs."""
_EAGER_SECONDS: Final = 0.5
_AT_ONCE: Final = 8
_TIMEOUT: Final = timedelta(seconds=10)


async def count_events(client: Client, calls: list[Call], facts: Facts, logged: bytes) -> dict[str, int]:
    """Count each event in a cell; `logged` is the output of its processes."""
    counts = Counter(dict.fromkeys(EVENTS, 0))
    counts.update(_from_calls(calls))
    counts.update(_from_rows(facts))
    counts.update({name: logged.count(words) for name, words in _LOGGED.items()})
    counts.update(await _from_histories(client, facts))
    return dict(counts)


# --- from the clients' history ----------------------------------------------------------------------------


def _from_calls(calls: list[Call]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for call in calls:
        attempts = call.attempts
        counts["broken connection"] += sum(attempt.status is None for attempt in attempts)
        counts["in flight"] += any(attempt.code == "request_in_flight" for attempt in attempts)
        counts["time taken"] += any(attempt.code == "slot_unavailable" for attempt in attempts)
        counts["hold redeemed"] += (
            call.operation == "create" and "hold_id" in call.request_body and bool(call.successes)
        )
        counts["answer replayed"] += _was_replayed(call)
        counts["eager retry"] += sum(_is_eager(first, second) for first, second in _in_turn(attempts))
    return counts


def _in_turn(attempts: list[Attempt]) -> list[tuple[Attempt, Attempt]]:
    ordered = sorted(attempts, key=lambda attempt: (attempt.place, attempt.number))
    return [(a, b) for a, b in pairwise(ordered) if a.place == b.place]


def _is_eager(first: Attempt, second: Attempt) -> bool:
    return first.status == 503 and first.answered is not None and second.sent - first.answered < _EAGER_SECONDS


def _was_replayed(call: Call) -> bool:
    """Whether a create was stored before the attempt that was answered."""
    if call.operation != "create":
        return False
    return any(
        attempt.number > 1 and attempt.body["created_at"] < attempt.sent_at.isoformat()
        for attempt in call.successes
    )


# --- from PostgreSQL and the vendors ----------------------------------------------------------------------


def _from_rows(facts: Facts) -> Counter[str]:
    sessions = Counter(row["session_id"] for row in facts.reservations)
    return Counter(
        {
            "re-sent effect": sum(row["attempts"] > 1 for row in facts.effects),
            "obsolete effect": sum(row["state"] == "obsolete" for row in facts.effects),
            "seats shared": sum(count > 1 for count in sessions.values()),
            "reminder written": sum(row["kind"] == "reminder" for row in facts.messages),
            "money refunded or voided": sum(entry["action"] in ("refund", "void") for entry in facts.ledger),
        }
    )


# --- from Temporal's histories ----------------------------------------------------------------------------


async def _from_histories(client: Client, facts: Facts) -> Counter[str]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def look(booking_id: str) -> Counter[str]:
        async with slots:
            try:
                handle = client.get_workflow_handle(booking_workflow_id(UUID(booking_id)))
                return _in_history(await handle.fetch_history(rpc_timeout=_TIMEOUT))
            except RPCError:
                return Counter()

    counts: Counter[str] = Counter()
    for found in await asyncio.gather(*(look(row["id"]) for row in facts.bookings)):
        counts.update(found)
    return counts


def _in_history(history: WorkflowHistory) -> Counter[str]:
    counts: Counter[str] = Counter()
    for event in history.events:
        if event.event_type in (
            EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
            EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
        ):
            counts["retried workflow task"] += 1
        if event.event_type != EventType.EVENT_TYPE_MARKER_RECORDED:
            continue
        details = event.marker_recorded_event_attributes.details.values()
        content = b" ".join(payload.data for payloads in details for payload in payloads.payloads)
        counts["stale step"] += b'"outcome":"stale"' in content
        counts["repeated command"] += b'"outcome":"repeated"' in content
        counts["resumed run"] += LOAD_BOOKING.encode() in content
    return counts
