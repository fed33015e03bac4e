"""kill -9 of the worker before and after each commit of a booking."""

from itertools import islice
from pathlib import Path
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from dev.stack import Stack
from tests.support.e2e.crashing_worker import crashing_worker
from tests.support.e2e.invariants import assert_consistent
from tests.support.e2e.retrying_client import RetryingClient, half_hours


async def test_a_worker_killed_before_and_after_every_commit_finishes_the_booking_all_the_same(
    stack: Stack, stack_engine: AsyncEngine, demo: RetryingClient, tmp_path: Path
) -> None:
    (start,) = islice(half_hours(150), 1)
    async with crashing_worker(stack, tmp_path, "steps"):
        created = await demo.book(start, service="estimate", key=str(uuid4()))
        booking_id = created.json()["id"]
        first = await demo.until_assigned(booking_id)
        rejected = await demo.command(first, booking_id, "reject", key="1", reason="the van broke down")
        assert rejected.status_code == 200, rejected.text
        second = await demo.until_assigned(booking_id)
        for number, command in enumerate(("accept", "start", "complete")):
            answer = await demo.command(second, booking_id, command, key=f"2{number}")
            assert answer.status_code == 200, answer.text
    booking = await demo.booking(booking_id)
    assert (booking["status"], booking["version"]) == ("completed", 7)
    reached = sorted(marker.name.removeprefix(f"{booking_id}-") for marker in tmp_path.iterdir())  # noqa: ASYNC240
    assert reached == sorted(f"{step}-{side}" for step in range(2, 8) for side in ("before", "after"))
    await assert_consistent(stack_engine, [booking_id])
