"""Slot queries, booking states and steps for tests of the repositories."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.repositories import bookings
from domain.booking import SYSTEM, BookingState
from domain.lifecycle import Status
from domain.slots import SlotQuery
from domain.steps import Hold, Step, StepKind
from domain.zones import epoch
from runtime.ids import new_id, new_reference
from tests.support.factories import DURATION, Tenant, appointment, future


def slot_query(tenant: Tenant, starts_at: datetime, **rules: Any) -> SlotQuery:
    """A query for one hour of a provider with the skill `repair`."""
    at = epoch(starts_at)
    return SlotQuery(
        rules=appointment(tenant, starts_at, required_skills=("repair",), **rules).rules,
        zone=ZoneInfo("America/New_York"),
        window=(at, at + 1),
        now=datetime.now(UTC),
    )


def booking_state(
    tenant: Tenant, *, starts_at: datetime | None = None, provider: str | None = "ana"
) -> BookingState:
    """The state of a booking that is about to be inserted."""
    now, starts_at = datetime.now(UTC), starts_at or future()
    return BookingState(
        booking_id=new_id(),
        business_id=tenant.business_id,
        service_id=tenant.service_id,
        status=Status.PENDING,
        version=1,
        starts_at=starts_at,
        ends_at=starts_at + DURATION,
        provider_id=tenant.providers[provider] if provider else None,
        policy=tenant.policy,
        phase_since=now,
        next_attempt_at=now,
        holds_time=provider is not None,
        planned_from=now,
        reference=new_reference(),
    )


def step(before: BookingState, status: Status, hold: Hold = Hold.KEEP, **changes: Any) -> Step:
    """A step of the booking into this status; `state_changes` apply to the state after it."""
    at = datetime.now(UTC)
    state_changes = changes.pop("state_changes", {})
    values: dict[str, Any] = {
        "kind": StepKind.TRANSITION,
        "key": f"tests/{before.version + 1}/{status}",
        "old_status": before.status,
        "was_flagged": before.needs_attention,
        "after": before.entering(status, at, **state_changes),
        "hold": hold,
        "at": at,
        "actor": SYSTEM,
    }
    return Step(**values | changes)


async def stored(engine: AsyncEngine, state: BookingState) -> BookingState:
    """The booking as the database holds it."""
    async with engine.connect() as conn:
        return await stored_on(conn, state)


async def stored_on(conn: AsyncConnection, state: BookingState) -> BookingState:
    """The same on an open connection."""
    found = await bookings.find_state(conn, state.business_id, state.booking_id)
    assert found is not None
    return found
