"""A webhook endpoint at the simulator, and events that are delivered to it.

Webhooks represent all effects: each is planned, handed over, claimed and completed in the same way.
"""

import asyncio
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import orjson

from bench.http_client import encode
from bench.testbed import Testbed

EVENT = "scheduling.booking.flagged"
"""An event type that no other measurement causes."""

_POLL_SECONDS = 0.05

_ADD_EVENTS = """
INSERT INTO events (id, business_id, type, source, subject, time, actor, data, schema_version)
SELECT uuidv7(), $1, $2, '/bench', gen_random_uuid()::text, clock_timestamp(), '{"role": "system"}', '{}', '1'
FROM generate_series(1, $3)
"""
_ENDED = "SELECT count(*) FROM effects WHERE target_id = $1 AND state = 'done'"
_WAITING = """
SELECT count(*) FROM effects WHERE target_id = $1 AND state IN ('pending', 'running', 'retrying')
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint that answers normally until a fault mode is set."""

    testbed: Testbed
    id: UUID
    account: str
    vendors_url: str

    @classmethod
    async def register(cls, testbed: Testbed, *event_types: str) -> "Endpoint":
        """Register an endpoint through the API and give its secret to the simulator."""
        account, vendors_url = str(uuid4()), testbed.servers.stack.settings.vendors_url
        body = {"url": f"{vendors_url}/webhook_receiver/hooks/{account}", "event_types": list(event_types)}
        path = f"/v1/businesses/{testbed.tenant.business_id}/webhook-endpoints"
        answer = await testbed.holdfast.expect(
            201, encode("POST", path, token=testbed.token(testbed.tenant.owner), body=body)
        )
        made = orjson.loads(answer.body)
        endpoint = cls(testbed, UUID(made["id"]), account, vendors_url)
        await endpoint._put(f"/webhook_receiver/secrets/{account}", {"secret": made["secret"]})
        return endpoint

    async def set_fault_mode(self, mode: str, **details: object) -> None:
        """Set how it answers from now on: `well`, `hang`, `failing`."""
        path = f"/control/webhook_receiver/behaviour?account={self.account}"
        await self._put(path, {"mode": mode, **details})

    async def _put(self, path: str, body: dict[str, object]) -> None:
        async with httpx.AsyncClient(base_url=self.vendors_url, trust_env=False) as http:
            (await http.put(path, json=body)).raise_for_status()

    async def add_events(self, count: int) -> None:
        """Add events for the endpoint, in one transaction."""
        await self.testbed.database.execute(_ADD_EVENTS, self.testbed.tenant.business_id, EVENT, count)

    async def until_ended(self, count: int) -> None:
        """Wait until this many events have been delivered since registration."""
        while await self.testbed.database.fetchval(_ENDED, self.id) < count:  # noqa: ASYNC110  # other processes
            await asyncio.sleep(_POLL_SECONDS)

    async def waiting(self) -> int:
        """The number of events not delivered yet."""
        return int(await self.testbed.database.fetchval(_WAITING, self.id))

    async def remove(self) -> None:
        """Delete the endpoint."""
        path = f"/v1/businesses/{self.testbed.tenant.business_id}/webhook-endpoints/{self.id}"
        await self.testbed.holdfast.expect(
            204, encode("DELETE", path, token=self.testbed.token(self.testbed.tenant.owner))
        )
