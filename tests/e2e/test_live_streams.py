"""Two API processes, 200 clients, bookings and commands; a process is killed, PostgreSQL is restarted meanwhile.

Every client hears every event that it may, once and in order. `HOLDFAST_STREAM_BOOKINGS=1000` makes a longer run.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.identity.tokens import Tokens, load_tokens
from db.models import Customer
from dev.ports import free_port
from dev.stack import Stack
from runtime.ids import new_id
from runtime.settings import Settings
from tests.support.audiences import Right, may_hear
from tests.support.callers import CallerFactory
from tests.support.e2e.stream_clients import (
    ServerSentEvents,
    StreamClient,
    Way,
    WebSockets,
    Wish,
    listening_clients,
)
from tests.support.factories import Tenant, add_user, future, make_tenant
from tests.support.processes import until_alive

pytestmark = pytest.mark.timeout(900)

BOOKINGS: Final = int(os.environ.get("HOLDFAST_STREAM_BOOKINGS", "100"))
_PROVIDERS: Final = 12
_CUSTOMERS: Final = 24
_WATCHED: Final = 22
"""Bookings that are listened to one by one, by their customers and with their links."""
_AT_ONCE: Final = 8
_PATIENCE: Final = 60.0
_PAUSE: Final = 0.1

_LOG: Final = text("SELECT * FROM events WHERE business_id = :id ORDER BY position NULLS LAST")
_UNFINISHED: Final = text("""
SELECT (SELECT count(*) FROM events WHERE business_id = :id AND position IS NULL)
     + (SELECT count(*) FROM bookings WHERE business_id = :id AND status IN ('pending', 'rejected'))
""")


@dataclass
class Business:
    """A business with many people, at the processes of the test."""

    tenant: Tenant
    tokens: Tokens
    http: httpx.AsyncClient
    urls: Sequence[str]
    key: str
    customers: list[tuple[UUID, UUID]]
    """Users, with their records."""
    booked: list[tuple[str, int]] = field(default_factory=list)
    """Bookings, with the numbers of their customers."""
    _requests: "count[int]" = field(default_factory=count)

    def token(self, user_id: UUID) -> str:
        return self.tokens.issue(user_id, user_id)

    async def post(self, user_id: UUID, path: str, body: Any = None) -> httpx.Response:
        """Send it, to one process or another, until it is answered."""
        headers = {"Authorization": f"Bearer {self.token(user_id)}", "Idempotency-Key": str(uuid4())}
        async with asyncio.timeout(_PATIENCE):
            while True:
                url = self.urls[next(self._requests) % len(self.urls)]
                try:
                    answer = await self.http.post(url + path, json=body, headers=headers, timeout=20)
                except httpx.TransportError:
                    await asyncio.sleep(_PAUSE)
                    continue
                if answer.status_code < 500 and "request_in_flight" not in answer.text:
                    return answer
                await asyncio.sleep(_PAUSE)

    async def book(self, number: int) -> str:
        """Book an hour with one of the providers; every hour of theirs once."""
        customer = number % len(self.customers)
        body = {
            "business_id": self.tenant.slug,
            "service_id": "repair",
            "starts_at": (future(72) + timedelta(hours=number // _PROVIDERS)).isoformat(),
            "provider_id": str(self.tenant.providers[f"p{number % _PROVIDERS}"]),
        }
        answer = await self.post(self.customers[customer][0], "/v1/bookings", body)
        assert answer.status_code == 201, answer.text
        self.booked.append((answer.json()["id"], customer))
        return str(answer.json()["id"])

    async def go_on(self, number: int, booking_id: str) -> None:
        """The provider rejects every fifth booking and accepts the others; the customer cancels some of these."""
        provider = self.tenant.principals[f"p{number % _PROVIDERS}"].user_id
        await self._command(provider, booking_id, "reject" if number % 5 == 0 else "accept")
        if number % 5 and number % 3 == 0:
            await self._command(self.customers[number % len(self.customers)][0], booking_id, "cancel")

    async def _command(self, user_id: UUID, booking_id: str, command: str) -> None:
        """Give a command as soon as the booking's status allows it."""
        async with asyncio.timeout(_PATIENCE):
            while (answer := await self.post(user_id, f"/v1/bookings/{booking_id}/{command}")).status_code == 409:
                await asyncio.sleep(_PAUSE)
        # Its provider before may have it no more, when a command is carried out although its answer got lost.
        assert answer.status_code in (200, 403, 404), answer.text


@asynccontextmanager
async def second_api(stack: Stack, log: Path) -> AsyncIterator[str]:
    """Another API process of the stack."""
    port = free_port()
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "api", "--port", str(port)),
            env=stack.environment,
            stdout=output,
            stderr=output,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=5) as http:
            await until_alive(http)
        yield url
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def business(stack: Stack, stack_engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Business]:
    """The business, and a second API process."""
    tenant = await make_tenant(stack_engine, providers={f"p{number}": 4.0 for number in range(_PROVIDERS)})
    customers = []
    async with stack_engine.begin() as conn:
        for _ in range(_CUSTOMERS):
            user_id, record = await add_user(conn, "customer"), new_id()
            values = {"id": record, "business_id": tenant.business_id, "user_id": user_id, "name": "Casey"}
            await conn.execute(insert(Customer).values(values))
            customers.append((user_id, record))
    settings = Settings(jwt_key_file=str(stack.home.jwt_key), access_token_minutes=60)
    key = await CallerFactory(stack_engine, settings, tenant, tenant).token_of("key")
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
    async with (
        second_api(stack, tmp_path / "api.log") as other,
        httpx.AsyncClient(timeout=None, limits=limits, trust_env=False) as http,
    ):
        yield Business(tenant, load_tokens(settings), http, (stack.api_url, other), str(key), customers)


async def test_every_client_hears_everything_once_and_in_order_whatever_is_killed_meanwhile(
    stack: Stack, stack_engine: AsyncEngine, business: Business
) -> None:
    clients = _clients_of_people(business)
    async with listening_clients(clients):
        watched = [await business.book(number) for number in range(_WATCHED)]
        of_bookings = _clients_of_bookings(business)
        async with listening_clients(of_bookings):
            clients += of_bookings
            assert len(clients) == 200
            await _keep_busy(stack, business, watched)
            log = await _whole_log(stack_engine, business)
            await _until_all_is_heard(clients, log)
    wrong = [client.wish.path for client in clients if client.heard != _expected(client, log)]
    assert wrong == []
    assert sum(client.connections for client in clients) >= 300  # half of them lost theirs with the process


async def _keep_busy(stack: Stack, business: Business, watched: Sequence[str]) -> None:
    """All bookings and commands; the first process is killed, and PostgreSQL is restarted, in between."""
    numbers = iter(range(_WATCHED, BOOKINGS))
    kill, restart = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        for number in numbers:
            await business.go_on(number, await business.book(number))
            if number >= BOOKINGS // 3:
                kill.set()
            if number >= BOOKINGS * 2 // 3:
                restart.set()

    async def disturb() -> None:
        await kill.wait()
        await stack.process("api").kill()  # the stack starts it again
        await restart.wait()
        await stack.stop_process("postgres")
        await stack.start_process("postgres")

    async with asyncio.TaskGroup() as group:
        group.create_task(disturb())
        for number, booking_id in enumerate(watched):
            group.create_task(business.go_on(number, booking_id))
        for _ in range(_AT_ONCE):
            group.create_task(work())


# --- clients ----------------------------------------------------------------------------------------------------


def _clients_of_people(business: Business) -> list[StreamClient]:
    """156 clients: desk and key, providers, customers. None of their events has happened yet."""
    tenant = business.tenant
    here = tenant.business_id
    desk = (Right(here, "desk"),)
    subject = {"business": str(here)}
    wishes = [Wish("/v1/events", subject, token, desk) for token in _desk_tokens(business) for _ in range(4)]
    for name, provider_id in tenant.providers.items():
        token = business.token(tenant.principals[name].user_id)
        wishes += [Wish("/v1/me/events", {}, token, (Right(here, "provider", provider_id),))] * 6
    for user_id, record in business.customers:
        wishes += [Wish("/v1/me/events", {}, business.token(user_id), (Right(here, "customer", record),))] * 3
    return _clients(business, wishes)


def _desk_tokens(business: Business) -> tuple[str, ...]:
    people = business.tenant.principals
    return business.token(people["owner"].user_id), business.token(people["admin"].user_id), business.key


def _clients_of_bookings(business: Business) -> list[StreamClient]:
    """44 clients, each of one booking, from its beginning."""
    now, here, wishes = datetime.now(UTC), business.tenant.business_id, []
    for booking_id, customer in business.booked:
        path, id_, subject = f"/v1/bookings/{booking_id}/events", UUID(booking_id), {"booking": booking_id}
        rights = (Right(here, "customer", booking_id=id_),)
        link = business.tokens.issue_manage(id_, now, now + timedelta(hours=1))
        tokens = (business.token(business.customers[customer][0]), link)
        wishes += [Wish(path, subject, token, rights, after="0") for token in tokens]
    return _clients(business, wishes)


def _clients(business: Business, wishes: Sequence[Wish]) -> list[StreamClient]:
    """Half of them begin at one process, half at the other, and half of each listen over WebSockets."""
    ways: tuple[Way, ...] = (ServerSentEvents(business.http), WebSockets())
    orders = (business.urls, business.urls[::-1])
    return [
        StreamClient(ways[number // 2 % len(ways)], wish, orders[number % 2]) for number, wish in enumerate(wishes)
    ]


# --- what must have been heard ----------------------------------------------------------------------------------


async def _whole_log(engine: AsyncEngine, business: Business) -> list[Mapping[str, Any]]:
    """The business's log, once nothing is added to it any more."""
    values = {"id": business.tenant.business_id}
    async with asyncio.timeout(_PATIENCE), engine.connect() as conn:
        while (await conn.execute(_UNFINISHED, values)).scalar_one():
            await asyncio.sleep(_PAUSE)
        return [dict(row) for row in (await conn.execute(_LOG, values)).mappings()]


def _expected(client: StreamClient, log: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(event["id"]) for event in log if may_hear(client.wish.rights, event)]


async def _until_all_is_heard(clients: Sequence[StreamClient], log: Sequence[Mapping[str, Any]]) -> None:
    """Wait until every client has heard as many as it must; a moment more would tell of any too many."""
    missing = {client: len(_expected(client, log)) for client in clients}
    async with asyncio.timeout(_PATIENCE):
        while any(len(client.heard) < expected for client, expected in missing.items()):
            await asyncio.sleep(_PAUSE)
    await asyncio.sleep(_PAUSE)
