"""Reads of bookings by the business's owner."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from bench.http_client import Answer, encode
from bench.load import Send, open_loop
from bench.results import Row
from bench.stats import Latency
from bench.testbed import Testbed
from bench.workload import Workload

RATE = 50
PAGE = 50
_BOOKINGS = 500

READS = {
    "GET one": "/v1/bookings/{id}",
    f"GET a page of {PAGE}": f"/v1/bookings?limit={PAGE}",
    "GET history": "/v1/bookings/{id}/history",
    "GET next": "/v1/bookings/{id}/next",
}


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Send every kind of read at 50/s for existing bookings."""
    rows = await testbed.database.fetch("SELECT id FROM bookings ORDER BY id DESC LIMIT $1", _BOOKINGS)
    token = testbed.token(testbed.tenant.owner)
    table = []
    for name, path in READS.items():
        sends = _reads(testbed, path, token, [row["id"] for row in rows], workload.operations_at(RATE))
        found = Latency.of([sample.seconds for sample in await open_loop(RATE, sends)])
        table += [Row(f"{name}, p50", "ms", found.p50), Row(f"{name}, p99", "ms", found.p99)]
    return table


def _reads(testbed: Testbed, path: str, token: str, ids: Sequence[UUID], count: int) -> list[Send[Answer]]:
    paths = (path.format(id=ids[number % len(ids)]) for number in range(count))
    return [partial(testbed.holdfast.expect, 200, encode("GET", path, token=token)) for path in paths]
