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
        for row in (await self._client.history(self._booking_id))[self._shown :]:
            print(row_line(row, self._names))
            self._shown += 1
        if booking["status"] not in {"completed", "cancelled"}:
            self._show_next(next_line(await self._client.next(self._booking_id), self._names))
        return booking

    def _show_next(self, line: str) -> None:
        if line != self._next:
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
    parts = [f"{'':10}      next: {upcoming['phase']}"]
    if upcoming["deadline"]:
        parts.append(f"until {_day(upcoming['deadline'])}")
    if upcoming["next_attempt_at"]:
        parts.append(f"attempt {upcoming['attempt'] + 1} of {upcoming['max_attempts']}")
        parts.append(f"at {_clock(upcoming['next_attempt_at'])}")
    if refused := [names.get(one, one) for one in upcoming["refused_provider_ids"]]:
        parts.append(f"refused by {', '.join(refused)}")
    return ", ".join(parts)


def _require_no_attention(booking: Json) -> None:
    if booking["needs_attention"]:
        raise DevError("no provider is left for this time, the booking waits for an admin: run it again")


def _clock(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone():%H:%M:%S.%f}"[:-3]


def _day(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone():%a %d %b %H:%M:%S}"
