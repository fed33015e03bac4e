"""Invariants of the answers to clients: in time, as the API documents, and consistent with the stored data."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from tests.chaos.history import Attempt, Call
from tests.chaos.invariants import Evidence, invariant

LONGEST_SECONDS: Final = 35.0
COMMANDS: Final = {
    "accept": ("transition", "accepted"),
    "reject": ("transition", "rejected"),
    "start": ("transition", "in_progress"),
    "complete": ("transition", "completed"),
    "no-show": ("transition", "no_show"),
    "cancel": ("transition", "cancelled"),
    "assign": ("transition", "assigned"),
    "reschedule": ("rescheduled", None),
    "override": ("override", None),
}
"""The step that a command leads to: its kind and the status after it; None: any, or the requested status."""
_WRONG_REFUSALS: Final = frozenset({401, 405, 406, 413, 415, 422, 428, 429})
_FOR_OTHERS: Final = frozenset({403, 404})
"""Correct only for a provider who no longer has the booking."""

_Found = Iterator[tuple[str | None, str]]


@invariant("answers", "every answer is 2xx, 4xx or 503 with Retry-After")
def answers(evidence: Evidence) -> _Found:
    for call in evidence.calls:
        for attempt in call.attempts:
            if attempt.status is not None and (wrong := _wrong_answer(call, attempt)):
                yield call.booking_id, f"{call.operation} as {call.role} was answered {wrong}"


def _wrong_answer(call: Call, attempt: Attempt) -> str | None:
    answer = f"{attempt.status} {attempt.code or ''}".strip()
    if attempt.status == 503:
        return None if attempt.retry_after else f"{answer} without Retry-After"
    if attempt.status in _FOR_OTHERS:
        return None if call.role == "provider" else answer
    wrong = attempt.status is None or attempt.status >= 500 or attempt.status in _WRONG_REFUSALS
    return answer if wrong else None


@invariant("answer-time", f"no answer takes longer than {LONGEST_SECONDS:.0f} s")
def answer_time(evidence: Evidence) -> _Found:
    for call in evidence.calls:
        for attempt in call.attempts:
            if attempt.seconds is not None and attempt.seconds > LONGEST_SECONDS:
                yield (
                    call.booking_id,
                    f"{call.operation} took {attempt.seconds:.1f} s ({attempt.error or attempt.status})",
                )


@invariant("acknowledged-create", "every acknowledged create is stored as it was answered")
def acknowledged_create(evidence: Evidence) -> _Found:
    bookings = {row["id"]: row for row in evidence.facts.bookings}
    began = {row["subject"]: row for row in evidence.facts.events if row["type"].endswith(".booking.created")}
    for call in evidence.of("create"):
        for attempt in call.successes:
            answer = attempt.body
            row = bookings.get(answer["id"])
            if row is None:
                yield answer["id"], "was answered 201 and does not exist"
                continue
            for name in ("reference", "service_id"):
                if row[name] != answer[name]:
                    yield answer["id"], f"{name} was answered as {answer[name]} and is {row[name]}"
            if (answer["status"], answer["version"]) != ("pending", 1):
                yield answer["id"], f"was answered as {answer['status']}, version {answer['version']}"
            if answer["id"] not in began:
                yield answer["id"], "has no event for its creation"


@invariant("one-create-per-key", "a key of a create makes one booking, and none if it was refused")
def one_create_per_key(evidence: Evidence) -> _Found:
    by_key = defaultdict(list)
    for row in evidence.facts.bookings:
        by_key[row["notes"]].append(row["id"])
    for call in evidence.of("create"):
        stored, answer = by_key.pop(call.key, []), {attempt.body["id"] for attempt in call.successes}
        if len(stored) > 1:
            yield stored[1], f"the key {call.key} made {len(stored)} bookings"
        if len(answer) > 1:
            yield min(answer), f"the key {call.key} was answered with {len(answer)} bookings"
        if answer and stored and not answer <= set(stored):
            yield min(answer), f"the key {call.key} was answered with another booking than it made"
        if call.is_refused and stored:
            yield stored[0], f"the key {call.key} was refused and made a booking"
    for key, strays in by_key.items():
        yield strays[0], f"no client requested it: {key}"


@invariant("acknowledged-command", "every acknowledged command has a step that agrees with the answer")
def acknowledged_command(evidence: Evidence) -> _Found:
    steps = {(row["booking_id"], row["sequence"]): row for row in evidence.facts.steps}
    for call in evidence.calls:
        if call.operation not in COMMANDS or call.booking_id is None:
            continue
        kind, status = _expected(call)
        for answer in _distinct(call):
            step = steps.get((call.booking_id, answer[0]))
            what = f"{call.operation} was answered as {answer[1]}, version {answer[0]}"
            if step is None:
                yield call.booking_id, f"{what}, which is in no history"
            elif (step["kind"], step["new_status"], step["actor_id"]) != (
                kind,
                status or answer[1],
                call.caller_id,
            ):
                yield (
                    call.booking_id,
                    f"{what}, which is {step['kind']} to {step['new_status']} by {step['actor_role']}",
                )
            elif step["new_status"] != answer[1]:
                yield call.booking_id, f"{what}, and the history has {step['new_status']}"


def _distinct(call: Call) -> list[tuple[int, str]]:
    return sorted({(attempt.body["version"], attempt.body["status"]) for attempt in call.successes})


def _expected(call: Call) -> tuple[str, str | None]:
    kind, status = COMMANDS[call.operation]
    return kind, call.request_body.get("status") if call.operation == "override" else status


@invariant(
    "one-step-per-command", "a command has one step, even if it was sent repeatedly, and none if it was refused"
)
def one_step_per_command(evidence: Evidence) -> _Found:
    taken: dict[tuple[str, int], str] = {}
    commands = [call for call in evidence.calls if call.operation in COMMANDS and call.booking_id is not None]
    for call in commands:
        versions = {version for version, _ in _distinct(call)}
        if len(versions) > 1:
            yield call.booking_id, f"{call.operation} under one key was answered as versions {sorted(versions)}"
        for version in versions:
            other = taken.setdefault((str(call.booking_id), version), call.id)
            if other != call.id:
                yield call.booking_id, f"version {version} was the answer to two commands"
    yield from _more_steps_than_commands(evidence, commands)


def _more_steps_than_commands(evidence: Evidence, commands: list[Call]) -> _Found:
    possible = Counter(_effect_of(call) for call in commands if not call.is_refused)
    made = Counter(_effect_of_step(row) for row in evidence.facts.steps if row["actor_role"] != "system")
    for effect, count in made.items():
        if effect[1] != "created" and count > possible[effect]:
            answer = f"{effect[1]} to {effect[2]}" if effect[2] else effect[1]
            yield effect[0], f"{count} steps ({answer}) for {possible[effect]} commands that may have led to them"


def _effect_of(call: Call) -> tuple[str, str, str | None, str]:
    kind, status = _expected(call)
    return str(call.booking_id), kind, status, call.caller_id


def _effect_of_step(row: dict[str, object]) -> tuple[str, str, str | None, str]:
    status = None if row["kind"] == "rescheduled" else str(row["new_status"])
    return str(row["booking_id"]), str(row["kind"]), status, str(row["actor_id"])


@invariant("reads-go-forward", "a read after an acknowledged command returns at least its version")
def monotonic_reads(evidence: Evidence) -> _Found:
    known: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for call in evidence.calls:
        if call.operation in COMMANDS and call.booking_id:
            for attempt in call.successes:
                assert attempt.answered is not None
                known[call.booking_id].append((attempt.answered, attempt.body["version"]))
    for call in evidence.of("read"):
        for attempt in call.successes:
            least = max((v for at, v in known[str(call.booking_id)] if at < attempt.sent), default=0)
            if attempt.body["version"] < least:
                yield call.booking_id, f"read as version {attempt.body['version']} after {least} was answered"


@invariant("released-hold", "a released hold reserves no time")
def released_hold(evidence: Evidence) -> _Found:
    reserved = {row["id"] for row in evidence.facts.reservations if row["booking_id"] is None}
    for call in evidence.of("release"):
        hold_id = call.path.rpartition("/")[-1]
        if call.successes and hold_id in reserved:
            yield None, f"the hold {hold_id} was released and still reserves its time"


@invariant("answered-at-last", "retries with the same key eventually get the outcome")
def eventually_answered(evidence: Evidence) -> _Found:
    for call in evidence.calls:
        if call.is_open:
            last = call.attempts[-1]
            answer = last.error or f"{last.status} {last.code or ''}".strip()
            yield (
                call.booking_id,
                f"{call.operation} was sent {len(call.attempts)} times, and last answered {answer}",
            )
