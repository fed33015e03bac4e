"""A workflow detects a reset by the new random seed that only a reset brings.

The SDK documents the callback for reseeding only. These tests hold what a booking's workflow relies on.
"""

from uuid import UUID

import pytest

from domain.booking import BookingState
from domain.commands import Accept, Start
from domain.lifecycle import Status
from tests.support.factories import Tenant
from tests.support.replayer import replay
from tests.support.workflows.live import ADMIN, Live
from workflows import visibility
from workflows.known_booking import KnownBooking


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The bookings whose workflows have been told of a new seed, in this process's worker and replays."""
    bookings: list[UUID] = []
    on_reseed = KnownBooking.on_reseed

    def noting(self: KnownBooking, seed: int) -> None:
        bookings.append(self._ref.booking_id)
        on_reseed(self, seed)

    monkeypatch.setattr(KnownBooking, "on_reseed", noting)
    return bookings


async def test_a_reset_is_seen_once_by_the_run_and_by_whoever_replays_it(
    live: Live, tenant: Tenant, seen: list[UUID]
) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    accepted = await booking.give(Accept(actor=ADMIN))
    assert seen == []
    await booking.reset()
    started = await booking.give(Start(actor=ADMIN))
    assert started.version == accepted.version + 1
    assert seen == [booking.booking_id]
    await replay(await booking.handle.fetch_history())
    assert seen == [booking.booking_id] * 2


async def test_a_replay_without_a_reset_sees_none(live: Live, tenant: Tenant, seen: list[UUID]) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Accept(actor=ADMIN))
    await replay(await booking.handle.fetch_history())
    assert seen == []


async def test_a_workflow_task_that_is_tried_again_is_no_reset(
    live: Live, tenant: Tenant, seen: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    describe, failures = visibility.details, ["once"]

    def failing_once(state: BookingState) -> str:
        if failures and state.booking_id == booking.booking_id:
            raise RuntimeError(failures.pop())
        return describe(state)

    monkeypatch.setattr(visibility, "details", failing_once)
    accepted = await booking.give(Accept(actor=ADMIN))
    assert (accepted.status, failures) == (Status.ACCEPTED, [])
    assert seen == []
