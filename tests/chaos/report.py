"""The report of a run: a row per cell, totals, events that never happened, and a timeline per violation."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from temporalio.client import Client

from tests.chaos.answer_invariants import COMMANDS
from tests.chaos.cell_run import Outcome
from tests.chaos.history import Attempt
from tests.chaos.invariants import Violation
from tests.chaos.sometimes import EVENTS
from tests.chaos.timeline import timeline_of

_TIMELINES_PER_INVARIANT: Final = 3
_SHOWN_PER_INVARIANT: Final = 5
_HEADER: Final = (
    "cell",
    "requests",
    "bookings",
    "faults",
    "available",
    "create",
    "command",
    "settled",
    "violations",
)
_LEGEND: Final = """\
bookings: acknowledged creates. available: share of requests whose first attempt was answered 2xx or 4xx. create,
command: longest time from the end of a fault to the first acknowledged create or command. settled: time from the
end of the load until all invariants hold."""


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one cell."""

    cell: str
    requests: int
    bookings: int
    faults: int
    available: float
    create_seconds: float | None
    command_seconds: float | None
    settled_seconds: float
    violations: int

    def cells(self) -> tuple[str, ...]:
        """The formatted figures."""
        return (
            self.cell,
            str(self.requests),
            str(self.bookings),
            str(self.faults),
            f"{self.available:.1%}",
            _seconds(self.create_seconds),
            _seconds(self.command_seconds),
            _seconds(self.settled_seconds),
            str(self.violations),
        )


@dataclass(slots=True)
class Report:
    """The results of all cells so far."""

    seed: str
    folder: Path
    rows: list[Row] = field(default_factory=list)
    sometimes: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(EVENTS, 0)))
    violated: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By cell and invariant."""
    notes: list[str] = field(default_factory=list)
    timelines: list[str] = field(default_factory=list)

    @property
    def has_violations(self) -> bool:
        return bool(self.violated)

    async def add(self, outcome: Outcome, client: Client) -> Row:
        """Add a cell, with the timelines of its first violations."""
        row = row_of(outcome)
        self.rows.append(row)
        self.sometimes.update(outcome.sometimes)
        self.violated.update((outcome.cell, violation.invariant) for violation in outcome.violations)
        self.notes += _violation_lines(outcome)
        for booking_id, violation in _first_violations(outcome.violations).items():
            text = await timeline_of(booking_id, outcome.calls, outcome.facts, client)
            self.timelines.append(f"{outcome.cell}: {violation.invariant}: {violation.text}\n{text}")
        self.write()
        return row

    def text(self) -> str:
        """The report without the timelines."""
        parts = [f"seed {self.seed}", _table([row.cells() for row in self.rows], self._total()), _LEGEND]
        parts.append(
            _listed("Happened", (f"{count:6} {name}: {EVENTS[name]}" for name, count in self.sometimes.items()))
        )
        never = [name for name, count in self.sometimes.items() if not count]
        parts.append(_listed("Never happened in this run", never or ["(nothing)"]))
        parts.append(_listed("Violations and remarks", self.notes or ["(none)"]))
        return "\n\n".join(parts)

    def _total(self) -> tuple[str, ...]:
        rows = self.rows
        requests = sum(row.requests for row in rows)
        available = sum(row.available * row.requests for row in rows) / (requests or 1)
        return (
            "all",
            str(requests),
            str(sum(row.bookings for row in rows)),
            str(sum(row.faults for row in rows)),
            f"{available:.1%}",
            _seconds(_longest(row.create_seconds for row in rows)),
            _seconds(_longest(row.command_seconds for row in rows)),
            _seconds(_longest(row.settled_seconds for row in rows)),
            str(sum(row.violations for row in rows)),
        )

    def write(self) -> None:
        """Write the report; done after each cell, so that an aborted run leaves its results."""
        timelines = "\n\n".join(["", "# Timelines", *self.timelines]) if self.timelines else ""
        (self.folder / "report.txt").write_text(f"{self.text()}\n{timelines}\n", encoding="utf-8")
        names = sorted({invariant for _, invariant in self.violated})
        (self.folder / "violated.json").write_text(json.dumps(names), encoding="utf-8")


def _violation_lines(outcome: Outcome) -> list[str]:
    """The violations of a cell, one line each, with a limit per invariant."""
    lines = []
    for name, count in Counter(violation.invariant for violation in outcome.violations).items():
        found = [violation for violation in outcome.violations if violation.invariant == name]
        shown = dict.fromkeys(f"{one.text} ({one.booking_id or '-'})" for one in found)
        lines += [f"{outcome.cell}: {name}: {text}" for text in list(shown)[:_SHOWN_PER_INVARIANT]]
        if count > _SHOWN_PER_INVARIANT:
            lines.append(f"{outcome.cell}: {name}: {count} in all")
    return lines


def _first_violations(violations: Sequence[Violation]) -> dict[str, Violation]:
    """The first violations of each invariant, by booking."""
    text: dict[str, Violation] = {}
    counts: Counter[str] = Counter()
    for one in violations:
        if one.booking_id and one.booking_id not in text and counts[one.invariant] < _TIMELINES_PER_INVARIANT:
            text[one.booking_id] = one
            counts[one.invariant] += 1
    return text


def row_of(outcome: Outcome) -> Row:
    """The figures of a cell."""
    first = [attempt for call in outcome.calls for attempt in call.attempts if attempt.number == 1]
    creates = _acknowledged(outcome, {"create"})
    commands = _acknowledged(outcome, set(COMMANDS))
    ends = [end for _, _, end in outcome.faults]
    return Row(
        cell=outcome.cell,
        requests=len(outcome.calls),
        bookings=len(
            {a.body["id"] for call in outcome.calls if call.operation == "create" for a in call.successes}
        ),
        faults=len(outcome.faults),
        available=sum(_is_answered(attempt) for attempt in first) / (len(first) or 1),
        create_seconds=_recovery(ends, creates),
        command_seconds=_recovery(ends, commands),
        settled_seconds=outcome.settled_seconds,
        violations=len(outcome.violations),
    )


def _acknowledged(outcome: Outcome, operations: set[str]) -> list[float]:
    """The times at which these operations were acknowledged."""
    calls = [call for call in outcome.calls if call.operation in operations]
    return sorted(a.answered for call in calls for a in call.successes if a.answered is not None)


def _is_answered(attempt: Attempt) -> bool:
    return attempt.status is not None and attempt.status < 500


def _recovery(ends: Sequence[float], acknowledged: Sequence[float]) -> float | None:
    """The longest time from the end of a fault to the next acknowledgement; None without any."""
    return _longest(next((at - end for at in acknowledged if at > end), None) for end in ends)


def _longest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _table(rows: Sequence[tuple[str, ...]], total: tuple[str, ...]) -> str:
    lines = [_HEADER, *rows, total]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _listed(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines)])
