"""Free slots: a month of fifty providers and a day of one, with few bookings in the table and with very many."""

from collections.abc import Sequence
from functools import partial

from api.caching import etag
from bench import isolated_stack, rules
from bench.effort import Effort
from bench.isolated_stack import Annex
from bench.pace import closed_loop
from bench.questions import Question, ask, ask_first, tomorrow
from bench.results import Row, below, times_floor_at_most
from bench.rig import Rig
from bench.stats import Latency, typical
from bench.tenant import PROVIDERS

DAYS = 30
MONTH = f"slots, {DAYS} days of {PROVIDERS}"
DAY = "slots, 1 day of 1"
FLOOR = "SQL alone"

_GOALS = {MONTH: below(50), DAY: below(3.6)}
_FLAT = times_floor_at_most(1.2)


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """The same two questions while the table grows, then with the month itself mostly booked."""
    async with isolated_stack.opened(rig.servers) as on:
        month = Question.of(MONTH, on, DAYS)
        day = Question.of(DAY, on, 1, on.tenant.providers[0].provider_id)
        rows = await _while_growing(on, effort, month, day)
        rows += await _answer_rows(on, effort, month)
        rows.append(Row(f"{MONTH}, free, find_slots alone", "ms", await rules.alone(on, effort, DAYS)))
        await on.history.fill(tomorrow(on), DAYS)
        return rows + await _busy_rows(on, effort, month, day)


async def _while_growing(on: Annex, effort: Effort, month: Question, day: Question) -> list[Row]:
    levels = []
    for bookings in effort.history:
        await on.history.grow_to(bookings)
        await on.settle()
        name = f"{bookings:,} booked"
        first = [await ask_first(on, month) for _ in range(effort.cold_starts)]
        cold = Row(f"{MONTH}, {name}, cold", "ms", typical(first), None, "", _GOALS[MONTH], first)
        levels.append([cold, *await _rows(on, effort, month, name), *await _rows(on, effort, day, name)])
    return [row for level in levels for row in level] + _beside_empty(levels[0], levels[-1], effort.history[-1])


async def _rows(on: Annex, effort: Effort, question: Question, state: str) -> list[Row]:
    """Median and tail of one question."""
    asked = await ask(on, effort, question)
    name, goal = f"{question.name}, {state}", _GOALS[question.name]
    return [
        Row(f"{name}, p50", "ms", asked.own.p50, asked.floor.p50, FLOOR, goal),
        Row(f"{name}, p99", "ms", asked.own.p99, asked.floor.p99, FLOOR),
    ]


def _beside_empty(first: Sequence[Row], last: Sequence[Row], bookings: int) -> list[Row]:
    """The medians with the fullest table beside those with the empty one."""
    medians = [pair for pair in zip(first, last, strict=True) if pair[0].name.endswith("p50")]
    names = [f"{question}, {bookings:,} beside 0 booked" for question in (MONTH, DAY)]
    return [
        Row(name, "ms", full.holdfast, empty.holdfast, "empty table", _FLAT)
        for name, (empty, full) in zip(names, medians, strict=True)
    ]


async def _answer_rows(on: Annex, effort: Effort, month: Question) -> list[Row]:
    """How long the answer is, and how long it takes to say that it is still the same."""
    body = (await on.holdfast.expect(200, month.holdfast)).body
    request = month.holdfast.replace(b"\r\n", f"\r\nIf-None-Match: {etag(body)}\r\n".encode(), 1)
    samples, _ = await closed_loop(1, [partial(on.holdfast.expect, 304, request)] * effort.months)
    same = Latency.of([sample.seconds for sample in samples])
    return [
        Row(f"{MONTH}, free, the answer", "MB", len(body) / 1e6),
        Row(f"{MONTH}, free, unchanged (304), p50", "ms", same.p50),
    ]


async def _busy_rows(on: Annex, effort: Effort, month: Question, day: Question) -> list[Row]:
    """The month itself booked, then every provider with hours of their own on top of it."""
    await on.settle()
    rows = [*await _rows(on, effort, month, "62 % taken"), *await _rows(on, effort, day, "62 % taken")]
    rows.append(Row(f"{MONTH}, 62 % taken, find_slots alone", "ms", await rules.alone(on, effort, DAYS)))
    await on.give_own_hours()
    return rows + await _rows(on, effort, month, "62 % taken, own hours")
