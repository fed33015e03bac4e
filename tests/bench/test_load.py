"""Load generation, with operations of a given duration."""

import asyncio
import gc
from functools import partial

import pytest

from bench.load import closed_loop, open_loop, schedule


def test_a_schedule_is_even() -> None:
    assert schedule(10.0, 4, 3) == [10.0, 10.25, 10.5]


async def test_open_loop_does_not_wait_for_answers() -> None:
    in_progress, most = 0, 0

    async def slow() -> None:
        nonlocal in_progress, most
        in_progress += 1
        most = max(most, in_progress)
        await asyncio.sleep(0.1)
        in_progress -= 1

    await open_loop(100, [slow] * 10)
    assert most > 1


async def test_open_loop_counts_a_stall_for_every_operation_that_it_delays() -> None:
    one_at_a_time = asyncio.Lock()

    async def operation(seconds: float) -> None:
        async with one_at_a_time:
            await asyncio.sleep(seconds)

    sends = [partial(operation, 0.3), *[partial(operation, 0.0)] * 3]
    samples = await open_loop(50, sends)
    assert all(sample.seconds > 0.2 for sample in samples)


async def test_open_loop_keeps_results_in_order() -> None:
    async def number(value: int) -> int:
        return value

    samples = await open_loop(1000, [partial(number, value) for value in range(20)])
    assert [sample.result for sample in samples] == list(range(20))
    assert all(sample.answered_at >= sample.due_at for sample in samples)


async def test_closed_loop_never_has_more_requests_in_progress_than_clients() -> None:
    in_progress, most, calls = 0, 0, 0

    async def operation() -> None:
        nonlocal in_progress, most, calls
        in_progress, calls = in_progress + 1, calls + 1
        most = max(most, in_progress)
        await asyncio.sleep(0)
        in_progress -= 1

    samples, seconds = await closed_loop(3, [operation] * 20)
    assert (most, calls, len(samples)) == (3, 20, 20)
    assert seconds > 0


async def test_a_failure_ends_the_load_and_enables_the_garbage_collector_again() -> None:
    async def fail() -> None:
        raise ConnectionError("away")

    with pytest.raises(ConnectionError):
        await open_loop(1000, [fail] * 3)
    assert gc.isenabled()
