"""Invariants of every booking once it is quiet (README, invariants 1, 5, 6 and 7)."""

from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.booking import BookingState
from domain.events import BOOKING_REMINDER_DUE, event_type
from domain.lifecycle import HOLDS_TIME, RELEASES_TIME, Status, may_follow
from domain.steps import StepKind
from tests.support.workflows.live import LiveBooking

_OVERLAPS = """
SELECT count(*) FROM reservations a JOIN reservations b
ON a.provider_id = b.provider_id AND a.id < b.id AND a.during && b.during
WHERE a.business_id = :business_id
"""


async def check_invariants(booking: LiveBooking) -> BookingState:
    """Wait until the booking is quiet, check everything, and return its state."""
    state = await booking.until_quiet()
    rows = await booking.history()
    _check_history(rows, state)
    _check_events(await booking.events(), rows)
    await _check_reservation(booking, state)
    await check_no_overlaps(booking.engine, booking.business_id)
    return state


def _check_history(rows: list[Any], state: BookingState) -> None:
    assert [row["sequence"] for row in rows] == list(range(1, state.version + 1))
    assert (rows[0]["old_status"], rows[0]["new_status"]) == (None, "pending")
    assert rows[-1]["new_status"] == state.status
    for before, row in pairwise(rows):
        assert row["old_status"] == before["new_status"]
        assert _is_lawful(row), f"no rule has this step: {dict(row)}"


def _is_lawful(row: Any) -> bool:
    old, new = Status(row["old_status"]), Status(row["new_status"])
    match StepKind(row["kind"]):
        case StepKind.OVERRIDE:
            return bool(row["actor_role"] == "admin")
        case StepKind.TRANSITION:
            return may_follow(old, new)
        case StepKind.RESCHEDULED | StepKind.ATTEMPT_FAILED | StepKind.FLAGGED:
            return old is new
        case _:
            return False


def _check_events(events: list[Any], rows: list[Any]) -> None:
    types = [event["type"] for event in events if event["type"] != BOOKING_REMINDER_DUE]
    assert types == [event_type(StepKind(row["kind"]), Status(row["new_status"])) for row in rows]


async def _check_reservation(booking: LiveBooking, state: BookingState) -> None:
    if state.status in HOLDS_TIME:
        assert state.holds_time
    if state.status in RELEASES_TIME:
        assert not state.holds_time
    expected = (state.provider_id, state.starts_at) if state.holds_time else None
    assert await booking.reservation() == expected


async def check_no_overlaps(engine: AsyncEngine, business_id: UUID) -> None:
    """No provider's time is taken twice."""
    async with engine.connect() as conn:
        overlaps = await conn.execute(text(_OVERLAPS), {"business_id": business_id})
        assert overlaps.scalar_one() == 0
