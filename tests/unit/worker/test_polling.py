"""Polling goes on when a round fails, and a failed task delays no other and is due again."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from structlog.testing import capture_logs

from worker.polling import Task, Tasks, attempt_all, poll, retry_until_done

_LONG = timedelta(hours=1)
_PATIENCE = 5.0


class Rounds:
    """Rounds that end as they are told to; after the last of them nothing more comes."""

    def __init__(self, *ends: bool | Exception | None) -> None:
        self._ends = list(ends)
        self.over = asyncio.Event()

    async def run(self) -> bool | None:
        if not self._ends:
            self.over.set()
            await asyncio.Event().wait()
        end = self._ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end


async def until_over(rounds: Rounds, loop: Awaitable[None]) -> None:
    running = asyncio.ensure_future(loop)
    await asyncio.wait_for(rounds.over.wait(), _PATIENCE)
    running.cancel()


async def test_a_round_that_fails_is_logged_counted_and_followed_by_another() -> None:
    rounds = Rounds(None, ValueError("first\nsecond"), ExceptionGroup("all", [OSError("a"), KeyError("b")]))
    outcomes = Counter("rounds", "Rounds.", ("outcome",), registry=CollectorRegistry())
    with capture_logs() as logs:
        loop = poll(rounds.run, every=timedelta(), failure="it_failed", outcomes=outcomes)
        await until_over(rounds, loop)
    assert logs == [
        {"event": "it_failed", "log_level": "warning", "error": "ValueError: first"},
        {"event": "it_failed", "log_level": "warning", "errors": ["OSError: a", "KeyError: 'b'"]},
    ]
    [metric] = outcomes.collect()
    counted = {one.labels["outcome"]: one.value for one in metric.samples if one.name == "rounds_total"}
    assert counted == {"done": 1, "failed": 2}


@pytest.mark.parametrize(
    ("end", "pauses"),
    [
        (True, {"every": _LONG, "retry": _LONG}),
        (OSError(), {"every": _LONG, "when_busy": _LONG, "retry": timedelta()}),
        (None, {"every": timedelta(), "when_busy": _LONG, "retry": _LONG}),
        (OSError(), {"every": timedelta(), "when_busy": _LONG}),
    ],
)
async def test_the_pause_depends_on_how_the_round_ended(
    end: bool | Exception | None, pauses: dict[str, Any]
) -> None:
    rounds = Rounds(end)
    await until_over(rounds, poll(rounds.run, failure="it_failed", **pauses))


async def test_what_is_done_once_is_tried_until_it_succeeds() -> None:
    ends: list[Callable[[], None]] = [lambda: None, _fail]

    async def act() -> None:
        ends.pop()()

    with capture_logs() as logs:
        await retry_until_done(act, every=timedelta(), failure="it_failed")
    assert [log["event"] for log in logs] == ["it_failed"]
    assert ends == []


def _fail() -> None:
    raise OSError("away")


async def test_a_task_that_fails_holds_up_no_other_and_is_due_again() -> None:
    done: list[str] = []

    async def fail() -> None:
        done.append("fails")
        raise OSError("away")

    async def succeed() -> None:
        done.append("succeeds")

    tasks = Tasks([Task(fail, _LONG), Task(succeed, _LONG)])
    for _ in range(2):
        with pytest.raises(ExceptionGroup) as caught:
            await tasks.run_due()
        assert [type(error) for error in caught.value.exceptions] == [OSError]
    assert done == ["fails", "succeeds", "fails"]


async def test_a_task_without_an_interval_runs_in_every_round() -> None:
    done: list[str] = []

    async def every_round() -> None:
        done.append("every round")

    tasks = Tasks([Task(every_round)])
    await tasks.run_due()
    await tasks.run_due()
    assert done == ["every round"] * 2


@pytest.mark.parametrize("at_once", [1, 3])
async def test_no_more_are_attempted_at_once_than_may_be_and_the_errors_come_back(at_once: int) -> None:
    running, most = 0, 0

    async def act(item: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        if item % 2:
            raise ValueError(str(item))

    errors = await attempt_all(range(6), act, at_once=at_once)
    assert [str(error) for error in errors] == ["1", "3", "5"]
    assert most == at_once
