"""An unavailable vendor: the time to drain its backlog after it is back.

It measures e-mails, which are retried at least every ten minutes: the schedule takes the time, not the engine.
"""

import asyncio
import time

import httpx

from bench.http_client import encode
from bench.results import Row
from bench.stats import throughput
from bench.testbed import Testbed
from bench.workload import Workload
from db.repositories.effect_planning import insert_effects
from domain.effects import EffectKind

RATE = 2.0
"""Messages per second during the outage."""

_POLL_SECONDS = 0.25
_VENDOR = "sendgrid"
_KEY = "SG.bench"

_SEND = f"""
SELECT m.business_id, m.booking_id, '{EffectKind.SEND_EMAIL}', i.vendor, i.id, 'message/' || m.key,
       CAST(NULL AS varchar), jsonb_build_object('message_id', m.id)
FROM message m JOIN integrations i ON i.business_id = m.business_id AND i.port = 'email'
"""

# A message about the newest booking, and the effect that sends it, as a step would have written them.
_ADD_MESSAGE = f"""
WITH booking AS (
    SELECT business_id, id, starts_at FROM bookings
    WHERE business_id = $1 AND status = 'assigned' ORDER BY id DESC LIMIT 1
), message AS (
    INSERT INTO messages (id, business_id, booking_id, key, kind, audience, channel, state, starts_at)
    SELECT uuidv7(), business_id, id, 'bench/' || gen_random_uuid(), 'received', 'customer', 'email', 'queued',
           starts_at
    FROM booking RETURNING id, business_id, booking_id, key
)
{insert_effects(_SEND)}
"""
_STATES = f"""
SELECT count(*) FILTER (WHERE state IN ('pending', 'running', 'retrying')) AS open,
       count(*) FILTER (WHERE state = 'done') AS done,
       count(*) FILTER (WHERE state NOT IN ('pending', 'running', 'retrying', 'done')) AS lost
FROM effects WHERE business_id = $1 AND kind = '{EffectKind.SEND_EMAIL}'
"""
_GIVE_ADDRESSES = "UPDATE customers SET email = id || '@example.com' WHERE business_id = $1 AND email IS NULL"


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Write messages at 2/s while the vendor answers 503; then let it answer, and wait for the backlog."""
    await testbed.database.execute(_GIVE_ADDRESSES, testbed.tenant.business_id)
    await _integrate(testbed)
    await _set_behaviour(testbed, {"mode": "failing", "status": 503})
    count = await _write_messages(testbed, workload.outage_seconds)
    await _set_behaviour(testbed, {"mode": "well"})
    recovered_at = time.monotonic()
    await _until_drained(testbed)
    seconds = time.monotonic() - recovered_at
    states = await testbed.database.fetchrow(_STATES, testbed.tenant.business_id)
    await _integrate(testbed, enabled=False)
    name = f"backlog of {count:,} after {workload.outage_seconds / 60:g} min without a vendor"
    return [
        Row(f"{name}, drained in", "s", seconds),
        Row(f"{name}, drained at", "1/s", throughput(count, seconds)),
        Row(f"{name}, not completed", "", float(states["lost"])),
    ]


async def _integrate(testbed: Testbed, *, enabled: bool = True) -> None:
    path = f"/v1/businesses/{testbed.tenant.business_id}/integrations/{_VENDOR}"
    body = {"settings": {"sender": "bench@example.com"}, "secrets": {"api_key": _KEY}, "enabled": enabled}
    await testbed.holdfast.expect(200, encode("PUT", path, token=testbed.token(testbed.tenant.owner), body=body))


async def _set_behaviour(testbed: Testbed, behaviour: dict[str, object]) -> None:
    async with httpx.AsyncClient(base_url=testbed.servers.stack.settings.vendors_url, trust_env=False) as http:
        answer = await http.put(f"/control/{_VENDOR}/behaviour", params={"account": _KEY}, json=behaviour)
        answer.raise_for_status()


async def _write_messages(testbed: Testbed, seconds: float) -> int:
    """Write messages at the rate; returns their number."""
    count = int(RATE * seconds)
    for _ in range(count):
        await testbed.database.execute(_ADD_MESSAGE, testbed.tenant.business_id)
        await asyncio.sleep(1 / RATE)
    return count


async def _until_drained(testbed: Testbed) -> None:
    while (await testbed.database.fetchrow(_STATES, testbed.tenant.business_id))["open"]:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_SECONDS)
