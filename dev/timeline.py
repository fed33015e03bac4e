"""Prints a booking's history while it happens."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from dev.demo_client import DemoClient, Json
from dev.errors import DevError

_PAUSE_SECONDS = 0.2
_PATIENCE_SECONDS = 60.0


class Timeline:
    """Follows one booking: every history row once, and what comes next whenever that changes."""

    def __init__(self, client: DemoClient, booking_id: str, provider_names: Mapping[str, str]) -> None:
        self._client = client
        self._booking_id = booking_id
        self._names = provider_names
        self._shown = 0
        self._next = ""

    async def until(self, reached: Callable[[Json], bool], goal: str) -> Json:
        """Print what happens until `reached` is true of the booking; the booking.

        Raises:
            DevError: it did not get there within a minute, or an admin has to look at it.
        """
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while not reached(booking := await self.show()):
                    _require_no_attention(booking)
                    await asyncio.sleep(_PAUSE_SECONDS)
                return booking
        except TimeoutError as error:
            raise DevError(
                f"the booking is not {goal} after {_PATIENCE_SECONDS:.0f} s: see `python -m dev status`"
            ) from error

    async def show(self) -> Json:
        """Print what is new; the booking as it was just before."""
        booking = await self._client.booking(self._booking_id)
        history = await self._client.history(self._booking_id)
        for row in history[self._shown :]:
            print(row_line(row, self._names))
        self._shown = len(history)
        if booking["status"] not in {"completed", "cancelled"}:
            self._show_next(await self._client.next(self._booking_id), after=history[-1])
        return booking

    def _show_next(self, upcoming: Json, *, after: Json) -> None:
        line = next_line(upcoming, self._names)
        # It may be ahead of the rows that were read before it: then it waits for them.
        if line != self._next and upcoming["status"] == after["new_status"]:
            print(line)
            self._next = line


def row_line(row: Json, names: Mapping[str, str]) -> str:
    """One history row as a line: when, its number, what, by whom, and why."""
    change = " -> ".join(filter(None, (row["old_status"], row["new_status"])))
    notes = (names.get(row["provider_id"] or "", ""), row["reason"] or "")
    text = f"  {_clock(row['occurred_at'])}  #{row['sequence']:<3} {row['kind']:<15} {change:<26}"
    return f"{text} by {row['actor']['role']:<9} {', '.join(filter(None, notes))}".rstrip()


def next_line(upcoming: Json, names: Mapping[str, str]) -> str:
    """What comes next as a line: the phase, its deadline, the next attempt and who refused."""
    parts = [f"{'':16}next: {_words(upcoming['phase'])}"]
    if deadline := upcoming["deadline"]:
        parts.append(f"{_words(deadline['kind'])} {_day(deadline['at'])}")
    if upcoming["next_attempt_at"]:
        parts.append(f"attempt {upcoming['attempt'] + 1} of {upcoming['max_attempts']}")
    if upcoming["phase"] == "awaiting_answer" and (choice := upcoming["choice"]):
        parts.append(choice["because"])
    if refused := [names.get(one, one) for one in upcoming["refused_provider_ids"]]:
        parts.append(f"refused by {', '.join(refused)}")
    return ", ".join(parts)


def _require_no_attention(booking: Json) -> None:
    if booking["needs_attention"]:
        raise DevError("no provider is left for this time, the booking waits for an admin: run it again")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _clock(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone():%H:%M:%S.%f}"[:-3]


def _day(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone():%a %d %b %H:%M:%S}"
