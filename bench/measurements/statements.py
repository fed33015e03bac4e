"""Statements that the API sends to PostgreSQL per request, from PostgreSQL's log."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from bench.http_client import encode
from bench.results import Row, at_most
from bench.statement_log import StatementLog, logged
from bench.testbed import Testbed
from bench.workload import Workload

_APPLICATION = "holdfast-api"
_TRIES = 5


async def measure(testbed: Testbed, _workload: Workload) -> list[Row]:
    """Count the statements of a slot request, a hold and a booking."""
    day = testbed.slots.take().starts_at.date()
    query = f"service_id={testbed.tenant.service_id}&from={day}&to={day + timedelta(days=1)}"
    slots = encode("GET", f"/v1/businesses/{testbed.tenant.slug}/slots?{query}")
    async with logged(testbed.servers.stack, _APPLICATION) as log:
        rows = [
            Row("statements: slots", "", await _most(testbed, log, 200, [slots] * _TRIES), goal=at_most(2)),
            Row("statements: a hold", "", await _most(testbed, log, 201, _several(testbed.hold_request))),
            Row("statements: a booking", "", await _most(testbed, log, 201, _several(testbed.create_request))),
        ]
    await testbed.until_quiet()
    return rows


def _several(request: Callable[[], bytes]) -> list[bytes]:
    return [request() for _ in range(_TRIES)]


async def _most(testbed: Testbed, log: StatementLog, status: int, requests: Sequence[bytes]) -> int:
    """The highest count, without the first request: its connection may have to prepare the statements."""
    taken = []
    for request in requests:
        before = log.count()
        await testbed.holdfast.expect(status, request)
        taken.append(log.count() - before)
    return max(taken[1:])
