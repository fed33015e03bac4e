"""How many statements the API sends to PostgreSQL for one request, by PostgreSQL's own log."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from bench.effort import Effort
from bench.http_client import encode
from bench.results import Row, at_most
from bench.rig import Rig
from bench.statement_log import StatementLog, logged

_APPLICATION = "holdfast-api"
_TRIES = 5


async def measure(rig: Rig, _effort: Effort) -> list[Row]:
    """The requests of a booking's way: what is free, hold it, book it."""
    day = rig.slots.take().starts_at.date()
    query = f"service_id={rig.tenant.service_id}&from={day}&to={day + timedelta(days=1)}"
    slots = encode("GET", f"/v1/businesses/{rig.tenant.slug}/slots?{query}")
    async with logged(rig.servers.stack, _APPLICATION) as log:
        rows = [
            Row("statements: slots", "", await _most(rig, log, 200, [slots] * _TRIES), goal=at_most(2)),
            Row("statements: a hold", "", await _most(rig, log, 201, _several(rig.hold_request))),
            Row("statements: a booking", "", await _most(rig, log, 201, _several(rig.create_request))),
        ]
    await rig.until_quiet()
    return rows


def _several(request: Callable[[], bytes]) -> list[bytes]:
    return [request() for _ in range(_TRIES)]


async def _most(rig: Rig, log: StatementLog, status: int, requests: Sequence[bytes]) -> int:
    """The most that any of them took, but for the first: a connection may have to learn the statements."""
    taken = []
    for request in requests:
        before = log.count()
        await rig.holdfast.expect(status, request)
        taken.append(log.count() - before)
    return max(taken[1:])
