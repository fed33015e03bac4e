"""All known events of one booking, from all four sources, in order of time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.service import RPCError

from domain.names import booking_workflow_id
from tests.chaos.facts import Facts
from tests.chaos.history import Call

_TIMEOUT: Final = timedelta(seconds=10)
_Line = tuple[datetime, str, str]
"""Time, source and text."""


async def timeline_of(booking_id: str, calls: list[Call], facts: Facts, client: Client) -> str:
    """The timeline as text, one line per event."""
    lines = [*_client(booking_id, calls), *_postgres(booking_id, facts), *_vendors(booking_id, facts)]
    lines += await _temporal(booking_id, client)
    answer = [f"  {at:%H:%M:%S.%f}  {source:<10} {what}" for at, source, what in sorted(lines)]
    return "\n".join([f"booking {booking_id}", *_standing(booking_id, facts), *answer])


def _standing(booking_id: str, facts: Facts) -> Iterator[str]:
    booking, workflow = facts.booking(booking_id), facts.workflows.get(booking_id)
    if booking is None:
        yield "  PostgreSQL has no such booking"
        return
    yield f"  PostgreSQL: {booking['status']}, version {booking['version']}, starts {booking['starts_at']}"
    yield f"  workflow:   {workflow}"
    for row in facts.reservations:
        if row["booking_id"] == booking_id:
            yield f"  reserved:   {row['provider_id']} {row['begins']} to {row['ends']}"


def _client(booking_id: str, calls: list[Call]) -> Iterator[_Line]:
    for call in calls:
        made = any(attempt.body.get("id") == booking_id for attempt in call.successes)
        if call.operation == "read" or not (made or call.booking_id == booking_id):
            continue
        for attempt in call.attempts:
            name = f"{call.operation} as {call.role}, key {call.key}, place {attempt.place}, try {attempt.number}"
            yield attempt.sent_at, "client", f"-> {name}"
            if attempt.answered_at is not None:
                answer = f"{attempt.status} {attempt.code or ''}" if attempt.status else str(attempt.error)
                state = f"{attempt.body.get('status', '')} {attempt.body.get('version', '')}"
                yield attempt.answered_at, "client", f"<- {call.operation} {answer} {state}"


def _postgres(booking_id: str, facts: Facts) -> Iterator[_Line]:
    for step in facts.steps_of(booking_id):
        change = f"{step['old_status']} -> {step['new_status']} by {step['actor_role']} {step['reason'] or ''}"
        yield step["occurred_at"], "postgres", f"step {step['sequence']} {step['kind']} {change}"
    for row in facts.messages:
        if row["booking_id"] == booking_id:
            yield row["created_at"], "postgres", f"message {row['kind']} to {row['audience']}: {row['state']}"
    for row in facts.effects:
        if row["booking_id"] == booking_id:
            attempts = f"{row['attempts']} attempts, last {row['last_attempt_at']}, error {row['last_error']}"
            yield row["created_at"], "postgres", f"effect {row['kind']} {row['key']}: {row['state']}, {attempts}"


def _vendors(booking_id: str, facts: Facts) -> Iterator[_Line]:
    keys = {row["key"]: row for row in facts.effects if row["booking_id"] == booking_id}
    events = {row["id"] for row in facts.events if row["subject"] == booking_id}
    for entry in facts.ledger:
        if entry["key"] in keys or entry["key"] in events or entry["key"] == booking_id:
            done = "" if entry["applied"] else " (nothing came of it)"
            at = datetime.fromisoformat(entry["at"])
            yield at, "vendor", f"{entry['vendor']} {entry['action']} {entry['key']}{done}"


async def _temporal(booking_id: str, client: Client) -> list[_Line]:
    workflow_id = booking_workflow_id(UUID(booking_id))
    lines: list[_Line] = []
    try:
        async for run in client.list_workflows(f"WorkflowId = '{workflow_id}'"):
            handle = client.get_workflow_handle(workflow_id, run_id=run.run_id)
            for event in (await handle.fetch_history(rpc_timeout=_TIMEOUT)).events:
                name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()
                at = event.event_time.ToDatetime(tzinfo=UTC)
                summary = event.user_metadata.summary.data.decode(errors="replace").strip('"')
                lines.append((at, "temporal", f"{event.event_id} {name} {summary}".rstrip()))
    except RPCError as error:
        lines.append((datetime.now(UTC), "temporal", f"cannot be read: {error.status}"))
    return lines
