"""Reads, as a customer and as the owner see them."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from bench.effort import Effort
from bench.http_client import Answer, encode
from bench.pace import Send, open_loop
from bench.results import Row
from bench.rig import Rig
from bench.stats import Latency

RATE = 50
PAGE = 50
_WANTED = 500

READS = {
    "GET one": "/v1/bookings/{id}",
    f"GET a page of {PAGE}": f"/v1/bookings?limit={PAGE}",
    "GET history": "/v1/bookings/{id}/history",
    "GET next": "/v1/bookings/{id}/next",
}


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """Every read at 50/s, as the business's owner, over bookings that are there."""
    rows = await rig.database.fetch("SELECT id FROM bookings ORDER BY id DESC LIMIT $1", _WANTED)
    token = rig.token(rig.tenant.owner)
    table = []
    for name, path in READS.items():
        sends = _reads(rig, path, token, [row["id"] for row in rows], effort.paced(RATE))
        found = Latency.of([sample.seconds for sample in await open_loop(RATE, sends)])
        table += [Row(f"{name}, p50", "ms", found.p50), Row(f"{name}, p99", "ms", found.p99)]
    return table


def _reads(rig: Rig, path: str, token: str, ids: Sequence[UUID], count: int) -> list[Send[Answer]]:
    paths = (path.format(id=ids[number % len(ids)]) for number in range(count))
    return [partial(rig.holdfast.expect, 200, encode("GET", path, token=token)) for path in paths]
