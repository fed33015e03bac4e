"""Stored histories of bookings replay with today's code: a deployment does not break what is under way.

A failure here means that running bookings would stop at a nondeterminism error. See `tests/replay/record.py`.
"""

import asyncio
import json
import sys
from pathlib import Path

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


async def test_a_cancelled_booking_that_waits_for_its_messages_can_be_dropped_from_the_cache(
    tmp_path: Path,
) -> None:
    history = json.loads((HISTORIES / "cancelled_in_temporal.json").read_text())
    events = history["events"]
    last = max(i for i, event in enumerate(events) if "activityTaskScheduledEventAttributes" in event)
    assert any("workflowExecutionCancelRequestedEventAttributes" in event for event in events[:last])
    cut = tmp_path / "cut.json"
    cut.write_text(json.dumps({"events": events[: last + 1]}))
    # The replayer drops the booking once it has replayed it. In a process: what does not let go never ends.
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.replay.replayer", str(cut))
    try:
        async with asyncio.timeout(40):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
