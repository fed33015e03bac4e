"""How long it takes, after a fault, until the first caller is served again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from bench.effort import Effort
from bench.recovery import Installation, installed
from bench.results import Row, at_most
from bench.rig import Rig
from bench.stats import typical

_REST_SECONDS: Final = 3.0
"""Between two faults: whatever the one before set off has ended."""
_FREEZE_SECONDS: Final = 30.0


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """Medians over several faults of each kind, on a stack of their own."""
    return await rig.servers.do(_measure(effort.rounds))


async def _measure(rounds: int) -> list[Row]:
    rows = []
    async with installed() as place:
        for name, goal, fault in _FAULTS:
            seconds = [await _after(place, fault) for _ in range(rounds)]
            rows.append(Row(name, "s", typical(seconds), goal=at_most(goal), rounds=seconds))
    return rows


async def _after(place: Installation, fault: Callable[[Installation], Awaitable[float]]) -> float:
    """The seconds from the end of a fault to the first answer, on a stack at rest."""
    await asyncio.sleep(_REST_SECONDS)
    await place.log_in()
    over = await fault(place)
    return time.monotonic() - over


async def _kill_api(place: Installation) -> float:
    over = _kill(place, "api")
    await place.book()
    return over


async def _kill_worker(place: Installation) -> float:
    booking_id = await place.book_and_be_offered()
    await asyncio.sleep(_REST_SECONDS)
    over = _kill(place, "worker")
    await place.accept(booking_id)
    return over


async def _restart(place: Installation) -> float:
    await place.kill_everything()
    over = time.monotonic()
    await place.start()
    await place.book_and_be_offered()
    return over


async def _freeze_postgres(place: Installation) -> float:
    """Until those who asked meanwhile are served, and one who asks afterwards."""
    booking_id = await place.book_and_be_offered()
    frozen = place.family("postgres")
    for process in frozen:
        process.suspend()
    async with asyncio.TaskGroup() as asking:
        asking.create_task(place.accept(booking_id))
        asking.create_task(place.book_and_be_offered())
        await asyncio.sleep(_FREEZE_SECONDS)
        for process in frozen:
            process.resume()
        over = time.monotonic()
        asking.create_task(place.book_and_be_offered())
    return over


def _kill(place: Installation, name: str) -> float:
    over = time.monotonic()
    place.family(name)[0].kill()
    return over


_FAULTS: Final = (
    ("API killed, first booking", 3, _kill_api),
    ("worker killed, first command", 3, _kill_worker),
    ("everything killed, first booking offered", 10, _restart),
    (f"PostgreSQL frozen for {_FREEZE_SECONDS:g} s, all served", 10, _freeze_postgres),
)
