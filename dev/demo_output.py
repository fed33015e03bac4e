"""Prints the history of a booking and its effects at vendors."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic
from typing import Final

from dev.demo_client import DemoClient, Json
from dev.errors import DevError

_PAUSE_SECONDS: Final = 0.2
_BOOKING_TIMEOUT_SECONDS: Final = 60.0
_EFFECTS_TIMEOUT_SECONDS: Final = 30.0
_OPEN: Final = frozenset({"pending", "running", "retrying"})


class Timeline:
    """Prints the history of one booking: every row once, and the next step whenever it changes."""

    def __init__(self, client: DemoClient, booking_id: str, provider_names: Mapping[str, str]) -> None:
        self._client = client
        self._booking_id = booking_id
        self._names = provider_names
        self._shown = 0
        self._next = ""

    async def until(self, reached: Callable[[Json], bool], goal: str) -> Json:
        """Print new rows until `reached` is true of the booking; returns the booking.

        Raises:
            DevError: it was not true within a minute, or the booking needs an admin.
        """
        try:
            async with asyncio.timeout(_BOOKING_TIMEOUT_SECONDS):
                while not reached(booking := await self.show()):
                    _require_no_attention(booking)
                    await asyncio.sleep(_PAUSE_SECONDS)
                return booking
        except TimeoutError as error:
            raise DevError(
                f"the booking is not {goal} after {_BOOKING_TIMEOUT_SECONDS:.0f} s: see `python -m dev status`"
            ) from error

    async def show(self) -> Json:
        """Print new rows; returns the booking as it was just before."""
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
        # It may be newer than the rows read before: then it is printed after the missing rows.
        if line != self._next and upcoming["status"] == after["new_status"]:
            print(line)
            self._next = line


def row_line(row: Json, names: Mapping[str, str]) -> str:
    """One history row as a line: time, number, kind, change, actor, provider and reason."""
    change = " -> ".join(filter(None, (row["old_status"], row["new_status"])))
    notes = (names.get(row["provider_id"] or "", ""), row["reason"] or "")
    text = f"  {_clock(row['occurred_at'])}  #{row['sequence']:<3} {row['kind']:<15} {change:<26}"
    return f"{text} by {row['actor']['role']:<9} {', '.join(filter(None, notes))}".rstrip()


def next_line(upcoming: Json, names: Mapping[str, str]) -> str:
    """The next step as a line: phase, deadline, next attempt and the providers who rejected."""
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


class EffectList:
    """The effects of one booking, as the business's staff sees them."""

    def __init__(self, owner: DemoClient, booking_id: str) -> None:
        self._owner = owner
        self._booking_id = booking_id

    async def show(self) -> None:
        """Print the effects when none is open any more, or after half a minute; alike ones as one line."""
        for line, count in Counter(map(job_line, await self._settled())).items():
            print(f"{line}, {count} times" if count > 1 else line)

    async def _settled(self) -> list[Json]:
        deadline = monotonic() + _EFFECTS_TIMEOUT_SECONDS
        while True:
            jobs = await self._owner.jobs(self._booking_id)
            if monotonic() > deadline or not any(job["state"] in _OPEN for job in jobs):
                return jobs
            await asyncio.sleep(_PAUSE_SECONDS)


def job_line(job: Json) -> str:
    """One effect as a line: kind, vendor, priority, state, and the vendor's reference or the last error."""
    attempts = f"{job['attempts']} attempts" if job["attempts"] > 1 else ""
    notes = ", ".join(filter(None, (attempts, job["last_error"] or job["vendor_ref"])))
    return f"  {job['kind']:<18} {job['vendor']:<13} {job['priority']:<9} {job['state']:<9} {notes}".rstrip()
