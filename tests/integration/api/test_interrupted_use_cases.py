"""Every use case, cancelled at each await, and with a database that goes silent at each message.

The judge is what is committed: all of the use case or nothing, no transaction is left open, whatever is answered
afterwards on the same few connections is stored, and the same request again has the one effect.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.booking import BookingActivities
from api.app import create_app
from db.engine import autocommit
from db.repositories.rows import execute, row, rows
from domain.booking import SYSTEM
from domain.lifecycle import Status
from domain.policies import Policy
from domain.steps import Hold, Step, StepKind
from runtime.ids import new_id
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.factories import make_booking
from tests.support.interruptions import SilentDatabase, cancelled_at, ended, silent_database
from tests.support.stage import Json, Stage, make_stage, ok

_CONNECTIONS = 2
_FEWEST_AWAITS = 5
_FEWEST_MESSAGES = 3
_PROBES = (
    text("CREATE SCHEMA IF NOT EXISTS probes"),
    text("CREATE TABLE IF NOT EXISTS probes.notes (note text PRIMARY KEY)"),
    text("GRANT USAGE ON SCHEMA probes TO holdfast_app"),
    text("GRANT SELECT, INSERT ON probes.notes TO holdfast_app"),
)
_NOTE = text("INSERT INTO probes.notes (note) VALUES (:note)")
_NOTED = text("SELECT note FROM probes.notes WHERE note = ANY(:notes)")
_GIVE_BACK = text("""
WITH given_back AS (DELETE FROM holds WHERE business_id = :business_id RETURNING id)
DELETE FROM reservations WHERE id IN (SELECT id FROM given_back) AND expires_at IS NOT NULL
""")
_TRY_AGAIN = ("request_in_flight", "database_unavailable", "engine_unavailable")
_LEFT_OPEN = text("""
SELECT count(*) AS left_open FROM pg_stat_activity
WHERE application_name = :name AND state LIKE 'idle in transaction%' AND state_change < now() - interval '0.2 s'
""")


@dataclass
class Narrow:
    """An API in the test's own loop, with few connections, through a database that may fall silent."""

    stage: Stage
    """What a use case needs is made through another API."""
    client: ApiClient
    engine: AsyncEngine
    database: SilentDatabase

    def by(self, name: str) -> ApiClient:
        return self.client.as_(self.stage.tenant.principals[name])


@dataclass(frozen=True, slots=True)
class Case:
    """A use case: `prepare` gives what one try needs, `act` tries, `effect` counts what is committed."""

    prepare: Callable[[Narrow], Awaitable[Any]]
    act: Callable[[Narrow, Any], Coroutine[Any, Any, Any]]
    effect: str
    """SQL: a row of counts; all are 0 where nothing is committed, and all are 1 where the use case is."""


@pytest.fixture
async def narrow(
    settings: Settings, engine: AsyncEngine, servers_home: Path, api: ApiClient
) -> AsyncIterator[Narrow]:
    """The API with a tenant of its own; statements are given up after a third of a second."""
    async with engine.begin() as conn:
        for statement in _PROBES:
            await conn.execute(statement)
    url = make_url(settings.database_url)
    real = Path(str(url.query["host"]))
    target = real / f".s.PGSQL.{url.query['port']}"
    folder = servers_home / f"q{new_id().hex[-6:]}"
    async with silent_database(folder, target) as database:
        through = settings.model_copy(
            update={
                "database_url": settings.database_url.replace(quote(str(real)), quote(str(folder))),
                "database_pool_min": _CONNECTIONS,
                "database_pool_max": _CONNECTIONS,
                "database_command_timeout_seconds": 0.3,
                "command_timeout_seconds": 2,
            }
        )
        app = create_app(through)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api", timeout=30) as http,
        ):
            stage = await make_stage(api, engine, Policy())
            yield Narrow(stage, ApiClient.over(http, through), app.state.holdfast.engine, database)


async def a_time(narrow: Narrow) -> Json:
    body = {"business_id": narrow.stage.tenant.slug, "service_id": "repair"}
    return body | {"starts_at": narrow.stage.next_start().isoformat(), "key": str(new_id())}


async def send(client: ApiClient, path: str, body: Json) -> httpx.Response:
    sent = {name: value for name, value in body.items() if name != "key"}
    return await client.post(path, sent, **{"Idempotency-Key": body["key"]})


async def post(path: str, narrow: Narrow, body: Json) -> httpx.Response:
    return await send(narrow.by("customer"), path, body)


async def a_hold(narrow: Narrow) -> Json:
    body = await a_time(narrow)
    held = ok(await send(narrow.stage.as_("customer"), "/v1/holds", body), 201)
    return body | {"key": str(new_id()), "hold_id": held["id"]}


async def a_provider(_: Narrow) -> Json:
    return {"name": f"P {new_id()}", "key": str(new_id())}


async def add_provider(narrow: Narrow, body: Json) -> httpx.Response:
    path = f"/v1/businesses/{narrow.stage.tenant.slug}/providers"
    return await narrow.by("owner").post(path, {"name": body["name"]}, **{"Idempotency-Key": body["key"]})


async def an_offer(narrow: Narrow) -> Json:
    body = await a_time(narrow)
    created = ok(await send(narrow.stage.as_("customer"), "/v1/bookings", body), 201)
    offered = await narrow.stage.settled(created, "assigned")
    by = narrow.stage.tenant.name_of(offered["provider_id"])
    return body | {"key": str(new_id()), "id": offered["id"], "by": by}


async def accept(narrow: Narrow, body: Json) -> httpx.Response:
    path = f"/v1/bookings/{body['id']}/accept"
    return await narrow.by(body["by"]).post(path, **{"Idempotency-Key": body["key"]})


async def a_step(narrow: Narrow) -> Json:
    created = await make_booking(narrow.stage.engine, narrow.stage.tenant, starts_at=narrow.stage.next_start())
    after = created.entering(Status.ASSIGNED, created.phase_since)
    step = Step(
        kind=StepKind.TRANSITION,
        key=str(new_id()),
        old_status=Status.PENDING,
        was_flagged=False,
        after=after,
        hold=Hold.CHOOSE,
        at=created.phase_since,
        actor=SYSTEM,
    )
    return {"step": step, "id": str(created.booking_id), "starts_at": created.starts_at.isoformat()}


async def record(narrow: Narrow, body: Json) -> Any:
    return await BookingActivities(narrow.engine).record_step(body["step"])


_BOOKED = """
WITH b AS (SELECT id FROM bookings WHERE business_id = :business_id AND starts_at = :starts_at)
SELECT (SELECT count(*) FROM b) AS booked,
       (SELECT count(*) FROM booking_history WHERE booking_id IN (SELECT id FROM b) AND sequence = 1) AS history,
       (SELECT count(*) FROM events WHERE subject IN (SELECT id::text FROM b)
        AND type = 'scheduling.booking.created') AS event,
       (SELECT count(*) FROM audit_log WHERE object_id IN (SELECT id::text FROM b)
        AND action = 'createBooking') AS audited,
       (SELECT count(*) FROM reservations WHERE booking_id IN (SELECT id FROM b)) AS reserved,
       (SELECT count(*) FROM idempotency_keys WHERE key = :key) AS remembered
"""
_HELD = """
WITH h AS (SELECT id FROM holds WHERE business_id = :business_id AND starts_at = :starts_at)
SELECT (SELECT count(*) FROM h) AS held,
       (SELECT count(*) FROM reservations WHERE id IN (SELECT id FROM h)) AS reserved,
       (SELECT count(*) FROM audit_log WHERE object_id IN (SELECT id::text FROM h)) AS audited,
       (SELECT count(*) FROM idempotency_keys WHERE key = :key) AS remembered
"""
_ADDED = """
WITH p AS (SELECT id FROM providers WHERE business_id = :business_id AND name = :name)
SELECT (SELECT count(*) FROM p) AS added,
       (SELECT count(*) FROM audit_log WHERE object_id IN (SELECT id::text FROM p)) AS audited,
       (SELECT count(*) FROM idempotency_keys WHERE key = :key) AS remembered
"""
_ACCEPTED = """
SELECT (SELECT count(*) FROM booking_history WHERE booking_id = CAST(CAST(:id AS text) AS uuid)
        AND new_status = 'accepted') AS steps,
       (SELECT count(*) FROM events WHERE subject = CAST(:id AS text)
        AND type = 'scheduling.booking.accepted') AS events
"""
_ASSIGNED = """
SELECT (SELECT count(*) FROM booking_history WHERE booking_id = CAST(CAST(:id AS text) AS uuid)
        AND new_status = 'assigned') AS steps,
       (SELECT count(*) FROM events WHERE subject = CAST(:id AS text)
        AND type = 'scheduling.booking.assigned') AS events,
       (SELECT count(*) FROM bookings WHERE id = CAST(CAST(:id AS text) AS uuid) AND version = 2) AS projected
"""

CASES = {
    "create": Case(a_time, partial(post, "/v1/bookings"), _BOOKED),
    "hold": Case(a_time, partial(post, "/v1/holds"), _HELD),
    "redeem": Case(a_hold, partial(post, "/v1/bookings"), _BOOKED),
    "add provider": Case(a_provider, add_provider, _ADDED),
    "accept": Case(an_offer, accept, _ACCEPTED),
    "record step": Case(a_step, record, _ASSIGNED),
}


async def committed(narrow: Narrow, case: Case, body: Json) -> dict[str, int]:
    """What is committed of a try."""
    starts_at = datetime.fromisoformat(body["starts_at"]) if "starts_at" in body else None
    parameters = body | {"business_id": narrow.stage.tenant.business_id, "starts_at": starts_at}
    async with autocommit(narrow.stage.engine) as conn:
        return dict(await row(conn, text(case.effect), parameters))


async def check_connections(narrow: Narrow) -> None:
    """What is answered on the use case's own connections is stored, and none of them is in a transaction."""
    notes = [str(new_id()) for _ in range(_CONNECTIONS)]
    await asyncio.gather(*(_note(narrow.engine, note) for note in notes))
    async with autocommit(narrow.stage.engine) as conn:
        stored = {found["note"] for found in await rows(conn, _NOTED, {"notes": notes})}
    assert stored == set(notes)
    async with asyncio.timeout(5):
        while await _left_open(narrow.stage.engine):
            await asyncio.sleep(0.05)


async def _note(engine: AsyncEngine, note: str) -> None:
    async with engine.begin() as conn:
        await execute(conn, _NOTE, {"note": note})


async def _left_open(engine: AsyncEngine) -> int:
    async with autocommit(engine) as conn:
        return int((await row(conn, _LEFT_OPEN, {"name": "holdfast-api"}))["left_open"])


def was_answered(result: Any) -> bool:
    """Whether the try was answered as done."""
    return result.status_code in (200, 201) if isinstance(result, httpx.Response) else result is not None


async def check(narrow: Narrow, case: Case, body: Json, result: Any) -> None:
    """All or nothing is committed, and all of it where that was answered; then the same again has one effect."""
    found = await committed(narrow, case, body)
    assert len(set(found.values())) == 1, f"half of it is committed: {found}"
    if was_answered(result):
        assert set(found.values()) == {1}
    await check_connections(narrow)
    async with asyncio.timeout(20):
        while not was_answered(again := await case.act(narrow, body)):
            assert again.json()["code"] in _TRY_AGAIN, again.text
            await asyncio.sleep(0.05)
    assert set((await committed(narrow, case, body)).values()) == {1}
    async with narrow.stage.engine.begin() as conn:  # a customer may hold a few times at once only
        await execute(conn, _GIVE_BACK, {"business_id": narrow.stage.tenant.business_id})


@pytest.mark.parametrize("name", CASES)
async def test_a_use_case_that_is_cancelled_at_any_await_is_whole_or_nothing(narrow: Narrow, name: str) -> None:
    case = CASES[name]
    for place in itertools.count(1):
        body = await case.prepare(narrow)
        attempt = await cancelled_at(case.act(narrow, body), place)
        await check(narrow, case, body, attempt.result)
        if not attempt.is_interrupted:
            break
    assert place > _FEWEST_AWAITS


@pytest.mark.parametrize("loses", ["message", "answer"])
@pytest.mark.parametrize("name", CASES)
async def test_a_use_case_whose_database_falls_silent_is_whole_or_nothing(
    narrow: Narrow, name: str, loses: str
) -> None:
    case = CASES[name]
    for message in itertools.count(1):
        body = await case.prepare(narrow)
        narrow.database.fall_silent_at(message, answer=loses == "answer")
        result = await ended(case.act(narrow, body))
        narrow.database.speak()
        await check(narrow, case, body, result)
        if not narrow.database.is_silent:
            break
    assert message > _FEWEST_MESSAGES
