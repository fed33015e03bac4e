"""An endpoint of the bench's business at the simulator, and events that it is told of.

Webhooks stand for all effects: every one of them is planned, handed over, claimed and ended alike.
"""

import asyncio
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import orjson

from bench.http_client import encode
from bench.rig import Rig

EVENT = "scheduling.booking.flagged"
"""A type that no measurement brings about otherwise."""

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
    """One that answers well until it is told otherwise."""

    rig: Rig
    id: UUID
    account: str
    vendors_url: str

    @classmethod
    async def register(cls, rig: Rig, *event_types: str) -> "Endpoint":
        """Register it through the API, and let the simulator know its secret."""
        account, vendors_url = str(uuid4()), rig.servers.stack.settings.vendors_url
        body = {"url": f"{vendors_url}/webhook_receiver/hooks/{account}", "event_types": list(event_types)}
        path = f"/v1/businesses/{rig.tenant.business_id}/webhook-endpoints"
        answer = await rig.holdfast.expect(201, encode("POST", path, token=rig.token(rig.tenant.owner), body=body))
        made = orjson.loads(answer.body)
        endpoint = cls(rig, UUID(made["id"]), account, vendors_url)
        await endpoint._put(f"/webhook_receiver/secrets/{account}", {"secret": made["secret"]})
        return endpoint

    async def behave(self, mood: str, **particulars: object) -> None:
        """How it answers from now on: `well`, `hang`, `failing`."""
        path = f"/control/webhook_receiver/behaviour?account={self.account}"
        await self._put(path, {"mood": mood, **particulars})

    async def _put(self, path: str, body: dict[str, object]) -> None:
        async with httpx.AsyncClient(base_url=self.vendors_url, trust_env=False) as http:
            (await http.put(path, json=body)).raise_for_status()

    async def add_events(self, count: int) -> None:
        """Events that it is told of, all in one transaction."""
        await self.rig.database.execute(_ADD_EVENTS, self.rig.tenant.business_id, EVENT, count)

    async def until_ended(self, count: int) -> None:
        """Return once so many have been delivered since it was registered."""
        while await self.rig.database.fetchval(_ENDED, self.id) < count:  # noqa: ASYNC110  # other processes
            await asyncio.sleep(_POLL_SECONDS)

    async def waiting(self) -> int:
        """How many are yet to be delivered."""
        return int(await self.rig.database.fetchval(_WAITING, self.id))

    async def remove(self) -> None:
        """Have it told of nothing any more."""
        path = f"/v1/businesses/{self.rig.tenant.business_id}/webhook-endpoints/{self.id}"
        await self.rig.holdfast.expect(204, encode("DELETE", path, token=self.rig.token(self.rig.tenant.owner)))
