"""Stored histories of bookings replay with today's code: a deployment does not break what is under way.

A failure here means that running bookings would stop at a nondeterminism error. See `tests/replay/record.py`.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.workflow import NondeterminismError

from tests.replay.record import HISTORIES
from tests.replay.replayer import replay
from tests.replay.scenarios import SCENARIOS

STORED = sorted(HISTORIES.glob("*.json"))


def _read(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"booking/{path.stem}", path.read_text())


def test_every_scenario_has_its_history() -> None:
    assert {path.stem for path in STORED} >= set(SCENARIOS)


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
async def test_a_stored_history_replays(path: Path) -> None:
    await replay(_read(path))


async def test_a_history_that_today_s_code_would_not_have_made_is_noticed() -> None:
    history = json.loads((HISTORIES / "happy_path.json").read_text())
    for event in history["events"]:
        if scheduled := event.get("activityTaskScheduledEventAttributes"):
            scheduled["activityType"]["name"] = "another_activity"
    with pytest.raises(NondeterminismError):
        await replay(WorkflowHistory.from_json("booking/tampered", json.dumps(history)))


async def test_a_booking_that_is_being_cancelled_can_be_dropped_from_the_cache(tmp_path: Path) -> None:
    cut = tmp_path / "cut.json"
    cut.write_text(json.dumps({"events": _until_the_cancellation_is_under_way()}))
    # The replayer drops the booking at the end, as a worker does that is stopped while the database is away.
    # In a process of its own: what does not let go never ends.
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.replay.replayer", str(cut))
    try:
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _until_the_cancellation_is_under_way() -> list[dict[str, Any]]:
    """A history whose last task but one has heard of the cancellation, and whose step is not written yet."""
    events: list[dict[str, Any]] = json.loads((HISTORIES / "cancelled_in_temporal.json").read_text())["events"]
    kinds = [event["eventType"].removeprefix("EVENT_TYPE_") for event in events]
    asked = kinds.index("WORKFLOW_EXECUTION_CANCEL_REQUESTED")
    scheduled = kinds.index("WORKFLOW_TASK_SCHEDULED", asked)
    written = kinds.index("MARKER_RECORDED", asked)
    # While the step waits for the database, the worker asks for one empty task after the other.
    another = [_moved(event, by=written - scheduled) for event in events[scheduled : scheduled + 3]]
    return events[:written] + another


def _moved(event: dict[str, Any], *, by: int) -> dict[str, Any]:
    """The same event further on in the history, with the references to its neighbours."""
    details = {
        name: {
            key: str(int(value) + by) if key in ("scheduledEventId", "startedEventId") else value
            for key, value in value.items()
        }
        if name.endswith("EventAttributes")
        else value
        for name, value in event.items()
    }
    return details | {"eventId": str(int(event["eventId"]) + by)}
