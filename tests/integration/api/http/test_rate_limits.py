"""Rate limits: one count across all processes for each user, API key and address.

The window slides: of the minute before counts what the last sixty seconds still reach into. So exactly the quota
passes within one minute of the clock; where a minute turns, at most one more for each second since.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.identity.credentials import KEY_MARK, PREFIX_LENGTH
from api.identity.signing_keys import load_keys
from db.engine import autocommit
from db.models import ApiKey, RateCounter
from dev.ports import free_port
from domain.accounts import token_hash
from domain.callers import Principal
from runtime.ids import new_id
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.applications import running
from tests.support.factories import Tenant, add_user
from tests.support.stage import problem

QUOTA = 60


@pytest.fixture(scope="module")
async def limited(settings: Settings) -> Settings:
    """Limits as they are by default, and addresses that a test may choose."""
    return settings.model_copy(update={"rate_limit_per_minute": QUOTA, "trusted_proxies": "127.0.0.1"})


@pytest.fixture(scope="module")
async def apps(limited: Settings, api_url: str) -> AsyncIterator[list[ApiClient]]:
    """Two applications on one database."""
    async with running(limited) as one, running(limited) as other:
        yield [one, other]


@pytest.fixture
async def user(engine: AsyncEngine) -> Principal:
    async with engine.begin() as conn:
        return Principal(user_id=await add_user(conn, "somebody"))


def left(answer: httpx.Response) -> int:
    """What `RateLimit` says is left."""
    name, remaining, seconds = answer.headers["RateLimit"].split(";")
    assert name in ('"default"', '"sign_in"')
    assert 0 <= int(seconds.removeprefix("t=")) <= 120
    return int(remaining.removeprefix("r="))


async def get(client: ApiClient, path: str, **headers: str) -> httpx.Response:
    return await client._http.get(path, headers=client.headers(**headers))


def minute() -> int:
    return int(time.time() // 60)


async def test_of_a_hundred_at_once_over_two_processes_the_quota_passes(
    apps: list[ApiClient], user: Principal, engine: AsyncEngine
) -> None:
    began, started = minute(), time.monotonic()
    answers = await asyncio.gather(*(apps[n % 2].as_(user).get("/v1/businesses") for n in range(100)))
    turned = minute() != began
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}
    most = QUOTA + (1 + int(time.monotonic() - started) if turned else 0)
    assert QUOTA <= statuses[200] <= most
    passed = [left(answer) for answer in answers if answer.status_code == 200]
    assert turned or sorted(passed) == list(range(QUOTA))

    refused = next(answer for answer in answers if answer.status_code == 429)
    body = problem(refused, 429, "rate_limited")
    assert "retry_after" not in body
    assert 1 <= int(refused.headers["Retry-After"]) <= 62
    assert refused.headers["RateLimit"] == f'"default";r=0;t={refused.headers["Retry-After"]}'
    assert refused.headers["RateLimit-Policy"] == '"default";q=60;w=60'

    # Both processes know by now, and a write is not carried out.
    for app in apps:
        body = {"name": "Too much", "slug": f"t-{new_id().hex}", "timezone": "UTC", "currency": "EUR"}
        problem(await app.as_(user).post("/v1/businesses", body, **{"Idempotency-Key": "k"}), 429, "rate_limited")
    async with autocommit(engine) as conn:
        subject = {"subject": f"user:{user.user_id}"}
        counted = await conn.execute(text("SELECT requests FROM rate_counters WHERE subject = :subject"), subject)
        assert turned or counted.scalar_one() == QUOTA


async def test_users_do_not_use_up_each_other_s_requests(
    apps: list[ApiClient], user: Principal, engine: AsyncEngine
) -> None:
    async with engine.begin() as conn:
        other = Principal(user_id=await add_user(conn, "somebody else"))
    answers = [await apps[n].as_(user).get("/v1/businesses") for n in (0, 1, 0)]
    assert [left(answer) for answer in answers] == [59, 58, 57]
    assert left(await apps[0].as_(other).get("/v1/businesses")) == 59


async def test_every_answer_says_how_the_caller_stands(apps: list[ApiClient], user: Principal) -> None:
    app = apps[0].as_(user)
    malformed = {"content": b"{", "headers": app.headers(**{"Content-Type": "application/json"})}
    answers = [
        await app.get("/v1/nowhere"),
        await app.send("DELETE", "/v1/businesses"),
        await app._http.post("/v1/businesses", **malformed),  # type: ignore[arg-type]
        await app._http.head("/v1/businesses", headers=app.headers()),
    ]
    assert [answer.status_code for answer in answers] == [404, 405, 422, 200]
    assert [left(answer) for answer in answers] == [59, 58, 57, 56]
    for path in ("/livez", "/readyz", "/health", "/metrics", "/openapi.json", "/docs"):
        assert "RateLimit" not in (await app.get(path)).headers


async def test_signing_in_has_a_tighter_limit_by_address(apps: list[ApiClient], user: Principal) -> None:
    """Whoever else the request says that it is from."""
    app = apps[0].as_(user)
    address = "198.51.100.7"
    sent = [
        await apps[n % 2].as_(user).post("/v1/auth/login", {}, **{"X-Forwarded-For": address}) for n in range(11)
    ]
    assert [left(answer) for answer in sent] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]
    assert {answer.status_code for answer in sent[:10]} == {422}
    problem(sent[10], 429, "rate_limited")
    assert sent[10].headers["RateLimit-Policy"] == '"sign_in";q=10;w=60'
    assert (await app.post("/v1/auth/login", {}, **{"X-Forwarded-For": "198.51.100.8"})).status_code == 422
    assert left(await get(app, "/v1/businesses", **{"X-Forwarded-For": address})) == 59


async def test_nobody_counts_by_address_and_a_network_of_ipv6_is_one(apps: list[ApiClient]) -> None:
    app = apps[0]
    seen = [
        left(await get(app, "/v1/businesses", **{"X-Forwarded-For": address}))
        for address in ("203.0.113.1", "203.0.113.2", "203.0.113.1", "::ffff:203.0.113.1")
    ]
    assert seen == [59, 59, 58, 57]
    seen = [
        left(await get(app, "/v1/businesses", **{"X-Forwarded-For": address}))
        for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:db8:1:3::1")
    ]
    assert seen == [59, 58, 59]


async def test_an_invented_forwarded_address_gives_no_fresh_requests(settings: Settings) -> None:
    """Without a trusted proxy the header is nobody's."""
    async with running(settings.model_copy(update={"rate_limit_per_minute": QUOTA})) as app:
        seen = [
            left(
                await get(
                    app, "/v1/nowhere", **{"X-Forwarded-For": f"192.0.2.{n}", "Forwarded": f"for=192.0.2.{n}"}
                )
            )
            for n in range(3)
        ]
    assert seen == [seen[0], seen[0] - 1, seen[0] - 2]


async def test_a_forged_token_uses_up_nobody_s_requests_but_its_sender_s(
    apps: list[ApiClient], user: Principal, limited: Settings
) -> None:
    import jwt  # noqa: PLC0415

    app = apps[0]
    token = app.as_(user).headers()["Authorization"].removeprefix("Bearer ")
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    head = jwt.get_unverified_header(token)
    assert head["kid"] in str(load_keys(limited).jwks())
    forged = jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=head)
    sent = {"Authorization": f"Bearer {forged}", "X-Forwarded-For": "203.0.113.77"}
    answers = [await app._http.get("/v1/businesses", headers=sent) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert [left(answer) for answer in answers] == [59, 58]
    assert left(await app.as_(user).get("/v1/businesses")) == 59
    assert left(await get(app, "/v1/businesses", **{"X-Forwarded-For": "203.0.113.77"})) == 57


@pytest.mark.parametrize(("scopes", "left_of_second"), [(["bookings:read", "book"], 58), (["book"], 59)])
async def test_a_key_counts_wherever_it_is_used_but_in_a_page_by_visitor_and_a_wrong_one_by_address(
    apps: list[ApiClient], tenant: Tenant, engine: AsyncEngine, scopes: list[str], left_of_second: int
) -> None:
    key = f"{KEY_MARK}{new_id().hex[-8:]}{new_id().hex}"
    row = {
        "id": new_id(),
        "business_id": tenant.business_id,
        "name": "server",
        "prefix": key[:PREFIX_LENGTH],
        "secret_hash": token_hash(key),
        "scopes": scopes,
        "created_by": tenant.principals["owner"].user_id,
    }
    async with engine.begin() as conn:
        await conn.execute(insert(ApiKey).values(**row))
    seen = []
    for sent, address in ((key, "203.0.113.90"), (key, "203.0.113.91"), (key + "x", f"198.51.100.{len(scopes)}")):
        headers = {"Authorization": f"Bearer {sent}", "X-Forwarded-For": address}
        seen.append(left(await apps[0]._http.get("/v1/businesses", headers=headers)))
    assert seen == [59, left_of_second, 59]


async def test_the_minute_before_counts_as_far_as_the_window_reaches(
    apps: list[ApiClient], engine: AsyncEngine
) -> None:
    async def left_after(minutes_ago: int, requests: int) -> int:
        async with engine.begin() as conn:
            somebody = Principal(user_id=await add_user(conn, "somebody"))
            values = {"minute": minute() - minutes_ago, "requests": requests, "before": QUOTA}
            await conn.execute(insert(RateCounter).values(subject=f"user:{somebody.user_id}", **values))
        return left(await apps[0].as_(somebody).get("/v1/businesses"))

    began = minute()
    half = await left_after(1, 30)
    elapsed = time.time() % 60
    long_ago = await left_after(2, QUOTA)
    if minute() == began:
        assert abs(half - (QUOTA - 30 * (1 - elapsed / 60) - 1)) <= 1
    assert long_ago == 59


async def test_a_database_that_is_away_lets_requests_pass_uncounted(settings: Settings) -> None:
    away = {"database_url": f"postgresql://127.0.0.1:{free_port()}/nowhere", "rate_limit_per_minute": 1}
    async with running(settings.model_copy(update=away)) as app:
        began = datetime.now().astimezone()
        for _ in range(3):
            answer = await app.get("/v1/nowhere")
            problem(answer, 404, "not_found")
            assert "RateLimit" not in answer.headers
        assert (datetime.now().astimezone() - began).total_seconds() < 2
