"""Stored histories of bookings replay with the current code, so a deployment breaks no running booking.

A failure here means that running bookings would stop at a nondeterminism error. See `tests/replay/record.py`.
"""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.workflow import NondeterminismError

from tests.replay.record import HISTORIES
from tests.replay.scenarios import SCENARIOS
from tests.support.replayer import replay

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
    timer = next(event for event in history["events"] if event["eventType"] == "EVENT_TYPE_TIMER_STARTED")
    upsert = next(event for event in history["events"] if "UPSERT" in event["eventType"])
    upsert |= {name: value for name, value in timer.items() if name != "eventId"}
    del upsert["upsertWorkflowSearchAttributesEventAttributes"]
    with pytest.raises(NondeterminismError):
        await replay(WorkflowHistory.from_json("booking/tampered", json.dumps(history)))


def _with_early_timers(path: Path) -> str | None:
    """The history with each task that a timer set off at the time of the task before it; none without such a task.

    That is how a worker sees it that processes the timer for a query, before the task has started.
    """
    history = json.loads(path.read_text())
    last, has_fired, is_changed = "", False, False
    for event in history["events"]:
        has_fired = has_fired or event["eventType"] == "EVENT_TYPE_TIMER_FIRED"
        if event["eventType"] == "EVENT_TYPE_WORKFLOW_TASK_STARTED":
            if has_fired:
                event["eventTime"], is_changed = last, True
            last, has_fired = event["eventTime"], False
    return json.dumps(history) if is_changed else None


EARLY = {path.stem: history for path in STORED if (history := _with_early_timers(path))}


@pytest.mark.parametrize("name", EARLY)
async def test_a_timer_leads_to_the_same_whatever_the_time_of_its_task(name: str) -> None:
    await replay(WorkflowHistory.from_json(f"booking/{name}", EARLY[name]))
