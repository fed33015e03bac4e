"""The clients' own record: every request and answer as a line of JSON. `docs/chaos-history.md` has the format.

The checkers read nothing else about the clients, so anybody can check a stored file with a checker of their own.
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
"""The answer that says nothing about the outcome: the same key is being worked on."""


@dataclass(slots=True)
class Attempt:
    """One sending of a request, and what came back."""

    place: int
    """Which of the places that send the same request at once."""
    number: int
    """From 1, for each place."""
    sent_at: datetime
    sent: float
    """Monotonic seconds."""
    answered_at: datetime | None = None
    answered: float | None = None
    status: int | None = None
    """None: the connection broke, or nothing came in time."""
    code: str | None = None
    error: str | None = None
    retry_after: str | None = None
    body: Json = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether the answer says what became of the request."""
        return self.status is not None and 200 <= self.status < 500 and self.code != IN_FLIGHT

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def seconds(self) -> float | None:
        """From sending to the answer, or to the end of waiting for it."""
        return None if self.answered is None else self.answered - self.sent


@dataclass(slots=True)
class Call:
    """One request of a client, with every sending of it under the same key."""

    id: str
    operation: str
    """`create`, `hold`, `release`, `read`, or the command's name."""
    path: str
    role: str
    caller_id: str
    key: str | None
    booking_id: str | None
    asked: Json
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def successes(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.is_success]

    @property
    def is_refused(self) -> bool:
        """Whether every place was told that it was not done."""
        return not self.successes and bool(self.attempts) and self._last_of_each_place(final=True)

    @property
    def is_open(self) -> bool:
        """Whether the client never learned what became of it."""
        return not self.successes and not self.is_refused

    def _last_of_each_place(self, *, final: bool) -> bool:
        last = {attempt.place: attempt for attempt in self.attempts}
        return all(attempt.is_final is final for attempt in last.values())


class History:
    """Appends lines to a file, and keeps them for the check that follows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Json] = []
        self._file = path.open("a", encoding="utf-8")
        self._under_way = 0
        self._healed_at = time.monotonic()

    def calm_seconds(self) -> float:
        """How long ago the last fault was healed, or the history began; 0 while one is under way."""
        return 0.0 if self._under_way else time.monotonic() - self._healed_at

    def close(self) -> None:
        self._file.close()

    def write(self, type_: str, **members: Any) -> None:
        """Add a line with the moment in both clocks."""
        line: Json = {"type": type_, "at": datetime.now(UTC).isoformat(), "monotonic": time.monotonic()} | members
        self.lines.append(line)
        self._under_way += {"fault": 1, "healed": -1}.get(type_, 0)
        if type_ == "healed":
            self._healed_at = line["monotonic"]
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")


def read(path: Path) -> list[Json]:
    """The lines of a stored history."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def calls_of(lines: Iterable[Mapping[str, Any]]) -> list[Call]:
    """The clients' calls, put together from the lines."""
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
    """Name, beginning and end (monotonic seconds) of each fault."""
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
        asked=line["asked"],
    )


def _fill(attempt: Attempt, line: Mapping[str, Any]) -> None:
    attempt.answered_at, attempt.answered = _moment(line["at"]), line["monotonic"]
    attempt.status, attempt.code, attempt.error = line["status"], line["code"], line["error"]
    attempt.retry_after, attempt.body = line["retry_after"], line["body"]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
