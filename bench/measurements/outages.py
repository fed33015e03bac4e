"""A vendor that is away: how long its backlog takes once it is back.

E-mails, for their retries come at least every ten minutes; what they wait for is the schedule, not the engine.
"""

import asyncio
import time

import httpx

from bench.effort import Effort
from bench.http_client import encode
from bench.results import Row
from bench.rig import Rig
from bench.stats import throughput
from db.repositories.effect_planning import insert_effects
from domain.effects import EffectKind

RATE = 2.0
"""Messages a second while it is away."""

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


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """Messages at 2/s to a vendor that answers 503 all that time, and then answers."""
    await rig.database.execute(_GIVE_ADDRESSES, rig.tenant.business_id)
    await _integrate(rig)
    await _behave(rig, {"mood": "failing", "status": 503})
    count = await _messages(rig, effort.outage_seconds)
    await _behave(rig, {"mood": "well"})
    back = time.monotonic()
    await _until_drained(rig)
    seconds = time.monotonic() - back
    states = await rig.database.fetchrow(_STATES, rig.tenant.business_id)
    await _integrate(rig, enabled=False)
    name = f"backlog of {count:,} after {effort.outage_seconds / 60:g} min without a vendor"
    return [
        Row(f"{name}, drained in", "s", seconds),
        Row(f"{name}, drained at", "1/s", throughput(count, seconds)),
        Row(f"{name}, not carried out", "", float(states["lost"])),
    ]


async def _integrate(rig: Rig, *, enabled: bool = True) -> None:
    path = f"/v1/businesses/{rig.tenant.business_id}/integrations/{_VENDOR}"
    body = {"settings": {"sender": "bench@example.com"}, "secrets": {"api_key": _KEY}, "enabled": enabled}
    await rig.holdfast.expect(200, encode("PUT", path, token=rig.token(rig.tenant.owner), body=body))


async def _behave(rig: Rig, behaviour: dict[str, object]) -> None:
    async with httpx.AsyncClient(base_url=rig.servers.stack.settings.vendors_url, trust_env=False) as http:
        answer = await http.put(f"/control/{_VENDOR}/behaviour", params={"account": _KEY}, json=behaviour)
        answer.raise_for_status()


async def _messages(rig: Rig, seconds: float) -> int:
    """Write messages at the rate; how many."""
    count = int(RATE * seconds)
    for _ in range(count):
        await rig.database.execute(_ADD_MESSAGE, rig.tenant.business_id)
        await asyncio.sleep(1 / RATE)
    return count


async def _until_drained(rig: Rig) -> None:
    while (await rig.database.fetchrow(_STATES, rig.tenant.business_id))["open"]:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_SECONDS)
