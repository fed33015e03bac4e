"""The clients' history: every request and answer as a line of JSON, in the format of `docs/chaos-history.md`.

The checkers use no other data about the clients, so that anyone can check a stored file with their own checker.
"""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]

IN_FLIGHT = "request_in_flight"
"""An answer that does not tell the outcome: another request with the same key is in progress."""


@dataclass(slots=True)
class Attempt:
    """One attempt at a request, and its answer."""

    place: int
    """Which of the clients that send the same request at the same time."""
    number: int
    """From 1 for each place."""
    sent_at: datetime
    sent: float
    """Monotonic seconds."""
    answered_at: datetime | None = None
    answered: float | None = None
    status: int | None = None
    """None: the connection was lost, or there was no answer in time."""
    code: str | None = None
    error: str | None = None
    retry_after: str | None = None
    body: Json = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether the answer tells the outcome of the request."""
        return self.status is not None and 200 <= self.status < 500 and self.code != IN_FLIGHT

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def seconds(self) -> float | None:
        """From sending to the answer or the timeout."""
        return None if self.answered is None else self.answered - self.sent


@dataclass(slots=True)
class Call:
    """One request of a client, with all attempts under the same key."""

    id: str
    operation: str
    """`create`, `hold`, `release`, `read`, or the command's name."""
    path: str
    role: str
    caller_id: str
    key: str | None
    booking_id: str | None
    request_body: Json
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def successes(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.is_success]

    @property
    def is_refused(self) -> bool:
        """Whether every place got a refusal."""
        return not self.successes and bool(self.attempts) and self._last_of_each_place(final=True)

    @property
    def is_open(self) -> bool:
        """Whether no place learned the outcome."""
        return not self.successes and not self.is_refused

    def _last_of_each_place(self, *, final: bool) -> bool:
        last = {attempt.place: attempt for attempt in self.attempts}
        return all(attempt.is_final is final for attempt in last.values())


class History:
    """Appends lines to a file, and keeps them for the checks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Json] = []
        self._file = path.open("a", encoding="utf-8")
        self._active_faults = 0
        self._healed_at = time.monotonic()

    def seconds_without_fault(self) -> float:
        """Seconds since the last fault was healed, or since the start; 0 during a fault."""
        return 0.0 if self._active_faults else time.monotonic() - self._healed_at

    def close(self) -> None:
        self._file.close()

    def write(self, type_: str, **members: Any) -> None:
        """Add a line with the wall clock and monotonic times."""
        line: Json = {"type": type_, "at": datetime.now(UTC).isoformat(), "monotonic": time.monotonic()} | members
        self.lines.append(line)
        self._active_faults += {"fault": 1, "healed": -1}.get(type_, 0)
        if type_ == "healed":
            self._healed_at = line["monotonic"]
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")


def read(path: Path) -> list[Json]:
    """The lines of a stored history."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def calls_of(lines: Iterable[Mapping[str, Any]]) -> list[Call]:
    """The clients' calls, from the lines of a history."""
    calls: dict[str, Call] = {}
    under_way: dict[tuple[str, int, int], Attempt] = {}
    for line in lines:
        if line["type"] == "request":
            attempt = Attempt(line["place"], line["attempt"], _moment(line["at"]), line["monotonic"])
            under_way[_place(line)] = attempt
            calls.setdefault(line["request"], _call(line)).attempts.append(attempt)
        elif line["type"] == "answer":
            _fill(under_way.pop(_place(line)), line)
    return list(calls.values())


def faults_of(lines: Iterable[Mapping[str, Any]]) -> list[tuple[str, float, float]]:
    """Name, start and end (monotonic seconds) of each fault."""
    begun: dict[int, float] = {}
    found = []
    for line in lines:
        if line["type"] == "fault":
            begun[line["number"]] = line["monotonic"]
        elif line["type"] == "healed":
            found.append((str(line["fault"]), begun[line["number"]], float(line["monotonic"])))
    return found


def _place(line: Mapping[str, Any]) -> tuple[str, int, int]:
    return line["request"], line["place"], line["attempt"]


def _call(line: Mapping[str, Any]) -> Call:
    return Call(
        id=line["request"],
        operation=line["operation"],
        path=line["path"],
        role=line["role"],
        caller_id=line["caller_id"],
        key=line["key"],
        booking_id=line["booking_id"],
        request_body=line["request_body"],
    )


def _fill(attempt: Attempt, line: Mapping[str, Any]) -> None:
    attempt.answered_at, attempt.answered = _moment(line["at"]), line["monotonic"]
    attempt.status, attempt.code, attempt.error = line["status"], line["code"], line["error"]
    attempt.retry_after, attempt.body = line["retry_after"], line["body"]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
