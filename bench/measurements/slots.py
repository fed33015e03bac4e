"""Free slots: a month of fifty providers and a day of one, with few and with very many bookings in the table."""

from collections.abc import Sequence
from functools import partial

from api.caching import etag
from bench.isolated_stack import IsolatedStack, running_isolated_stack
from bench.load import closed_loop
from bench.results import Row, below, times_baseline_at_most
from bench.slot_requests import SlotRequest, compare, time_calculation, time_first_answer, tomorrow
from bench.stats import Latency, median_of
from bench.tenant import PROVIDERS
from bench.testbed import Testbed
from bench.workload import Workload

DAYS = 30
MONTH = f"slots, {DAYS} days of {PROVIDERS}"
DAY = "slots, 1 day of 1"
BASELINE = "SQL alone"

_GOALS = {MONTH: below(50), DAY: below(3.6)}
_FLAT = times_baseline_at_most(1.2)


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Send the same two requests while the table grows, then with the requested month mostly booked."""
    async with running_isolated_stack(testbed.servers) as isolated:
        month = SlotRequest.of(MONTH, isolated, DAYS)
        day = SlotRequest.of(DAY, isolated, 1, isolated.tenant.providers[0].provider_id)
        rows = await _rows_while_growing(isolated, workload, month, day)
        rows += await _answer_rows(isolated, workload, month)
        rows.append(await _calculation_row(isolated, workload, "free"))
        await isolated.bookings.fill(tomorrow(isolated), DAYS)
        return rows + await _rows_of_busy_month(isolated, workload, month, day)


async def _rows_while_growing(
    isolated: IsolatedStack, workload: Workload, month: SlotRequest, day: SlotRequest
) -> list[Row]:
    levels = []
    for bookings in workload.table_sizes:
        await isolated.bookings.grow_to(bookings)
        await isolated.checkpoint()
        name = f"{bookings:,} booked"
        first = [await time_first_answer(isolated, month) for _ in range(workload.cold_starts)]
        cold = Row(f"{MONTH}, {name}, cold", "ms", median_of(first), None, "", _GOALS[MONTH], first)
        rows = await _rows(isolated, workload, month, name)
        levels.append([cold, *rows, *await _rows(isolated, workload, day, name)])
    growth = _growth_rows(levels[0], levels[-1], workload.table_sizes[-1])
    return [row for level in levels for row in level] + growth


async def _rows(isolated: IsolatedStack, workload: Workload, request: SlotRequest, state: str) -> list[Row]:
    """Median and tail of one request."""
    found = await compare(isolated, workload, request)
    name, goal = f"{request.name}, {state}", _GOALS[request.name]
    return [
        Row(f"{name}, p50", "ms", found.holdfast.p50, found.baseline.p50, BASELINE, goal),
        Row(f"{name}, p99", "ms", found.holdfast.p99, found.baseline.p99, BASELINE),
    ]


def _growth_rows(first: Sequence[Row], last: Sequence[Row], bookings: int) -> list[Row]:
    """The medians with the fullest table compared with those with the empty table."""
    medians = [pair for pair in zip(first, last, strict=True) if pair[0].name.endswith("p50")]
    names = [f"{request}, {bookings:,} compared with 0 booked" for request in (MONTH, DAY)]
    return [
        Row(name, "ms", full.holdfast, empty.holdfast, "empty table", _FLAT)
        for name, (empty, full) in zip(names, medians, strict=True)
    ]


async def _answer_rows(isolated: IsolatedStack, workload: Workload, month: SlotRequest) -> list[Row]:
    """The size of the answer, and the time of a 304 (unchanged)."""
    body = (await isolated.holdfast.expect(200, month.holdfast)).body
    request = month.holdfast.replace(b"\r\n", f"\r\nIf-None-Match: {etag(body)}\r\n".encode(), 1)
    sends = [partial(isolated.holdfast.expect, 304, request)] * workload.month_requests
    samples, _ = await closed_loop(1, sends)
    unchanged = Latency.of([sample.seconds for sample in samples])
    return [
        Row(f"{MONTH}, free, the answer", "MB", len(body) / 1e6),
        Row(f"{MONTH}, free, unchanged (304), p50", "ms", unchanged.p50),
    ]


async def _calculation_row(isolated: IsolatedStack, workload: Workload, state: str) -> Row:
    return Row(f"{MONTH}, {state}, find_slots alone", "ms", await time_calculation(isolated, workload, DAYS))


async def _rows_of_busy_month(
    isolated: IsolatedStack, workload: Workload, month: SlotRequest, day: SlotRequest
) -> list[Row]:
    """The requested month mostly booked; then each provider also has different hours."""
    await isolated.checkpoint()
    state = "62 % taken"
    rows = [*await _rows(isolated, workload, month, state), *await _rows(isolated, workload, day, state)]
    rows.append(await _calculation_row(isolated, workload, state))
    await isolated.give_own_hours()
    return rows + await _rows(isolated, workload, month, f"{state}, own hours")
