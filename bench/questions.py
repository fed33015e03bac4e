"""Questions for free slots, put to Holdfast and to its floor in turns, one at a time."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from uuid import UUID

from bench.effort import Effort
from bench.http_client import HttpClient, encode
from bench.isolated_stack import Annex
from bench.pace import closed_loop
from bench.stats import Latency


@dataclass(frozen=True, slots=True)
class Question:
    """Slots of one service, as requests to both."""

    name: str
    days: int
    holdfast: bytes
    floor: bytes

    @classmethod
    def of(cls, name: str, on: Annex, days: int, provider_id: UUID | None = None) -> "Question":
        """Slots from tomorrow on; without a provider, of all of them."""
        first = tomorrow(on)
        path = f"/businesses/{on.tenant.business_id}/slots?service_id={on.tenant.service_id}"
        path += f"&from={first}&to={first + timedelta(days=days)}"
        path += f"&provider_id={provider_id}" if provider_id else ""
        return cls(name, days, encode("GET", f"/v1{path}"), encode("GET", path))


@dataclass(frozen=True, slots=True)
class Asked:
    """How fast a question was answered by both."""

    own: Latency
    floor: Latency


def tomorrow(on: Annex) -> date:
    """The first day that is asked for, by the business's clock: all of it lies ahead."""
    return datetime.now(on.tenant.hours.zone).date() + timedelta(days=1)


async def ask(on: Annex, effort: Effort, question: Question) -> Asked:
    """Put it to both in turns; about a single day it is put more often, for that is answered sooner."""
    count = effort.months if question.days > 1 else 4 * effort.months
    own: list[float] = []
    floor: list[float] = []
    for _ in range(effort.rounds):
        floor += await _turn(on.floor, question.floor, count)
        own += await _turn(on.holdfast, question.holdfast, count)
    return Asked(Latency.of(own), Latency.of(floor))


async def ask_first(on: Annex, question: Question) -> float:
    """Milliseconds of the first answer that a new process of the API gives."""
    await on.fresh_api()
    await on.holdfast.open(1)
    (seconds,) = await _turn(on.holdfast, question.holdfast, 1)
    return seconds * 1000


async def _turn(client: HttpClient, request: bytes, count: int) -> list[float]:
    samples, _ = await closed_loop(1, [partial(client.expect, 200, request)] * count)
    return [sample.seconds for sample in samples]
