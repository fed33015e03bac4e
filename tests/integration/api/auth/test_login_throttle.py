"""Failed logins are throttled by account and by address, and nobody is locked out for good."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.addresses import network_of
from api.app import running_app
from api.auth.throttle import Throttle
from api.deps import AppState
from api.request_context import RequestContext
from domain.errors import TooManyAttemptsError
from runtime.settings import Settings
from tests.support.accounts import (
    make_account,
    new_address,
    try_login,
)
from tests.support.api_client import ApiClient
from tests.support.stage import ok, problem

pytestmark = pytest.mark.usefixtures("no_login_attempts")

From = Callable[[str], Throttle]
HERE = "203.0.113.7"


@pytest.fixture(scope="module")
async def app(settings: Settings, temporal: object) -> AsyncIterator[AppState]:
    async with running_app(settings) as app:
        yield app


@pytest.fixture
def from_(app: AppState) -> From:
    """The throttle as a request from this address meets it."""
    return lambda address: Throttle(app, RequestContext("a-request", address))


async def wait_of(throttle: Throttle, account: str) -> int:
    """How long an attempt would have to wait; it is counted when not at all."""
    try:
        await throttle.take(account)
    except TooManyAttemptsError as refusal:
        return int(refusal.extra["retry_after"])
    return 0


async def let_time_pass(engine: AsyncEngine, time: timedelta) -> None:
    """Let all that was counted be so much older."""
    older = f"- interval '{time.total_seconds()} seconds'"
    async with engine.begin() as conn:
        await conn.execute(text(f"UPDATE login_attempts SET last_at = last_at {older}, free_at = free_at {older}"))


async def test_after_five_guesses_each_further_one_waits_twice_as_long(engine: AsyncEngine, from_: From) -> None:
    for n in range(5):
        assert await wait_of(from_(f"203.0.113.{n}"), "robin@example.com") == 0
    waits = []
    for _ in range(11):
        waits.append(await wait_of(from_("198.51.100.1"), "ROBIN@example.com"))
        await let_time_pass(engine, timedelta(seconds=waits[-1]))
        assert await wait_of(from_(HERE), "robin@example.com") == 0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    await let_time_pass(engine, timedelta(seconds=3601))
    assert [await wait_of(from_(HERE), "robin@example.com") for _ in range(6)] == [0, 0, 0, 0, 0, 1]


async def test_of_guesses_at_once_no_more_get_through_than_one_after_the_other(from_: From) -> None:
    waits = await asyncio.gather(
        *(wait_of(from_(f"203.0.113.{n}"), "robin@example.com") for n in range(30)),
    )
    assert sorted(waits) == [0] * 5 + [1] * 25


async def test_an_address_that_tries_many_accounts_is_slowed_and_others_are_not(
    engine: AsyncEngine, from_: From
) -> None:
    waits = [await wait_of(from_("2001:db8::1"), f"{n}@example.com") for n in range(20)]
    assert set(waits) == {0}
    assert await wait_of(from_("2001:db8::ffff:2"), "robin@example.com") == 1
    assert await wait_of(from_("2001:db8:0:1::1"), "robin@example.com") == 0
    await let_time_pass(engine, timedelta(seconds=1))
    assert await wait_of(from_("2001:db8::1"), "robin@example.com") == 0
    assert await wait_of(from_("2001:db8::1"), "robin@example.com") == 2


async def test_an_attempt_that_is_refused_counts_for_nobody(engine: AsyncEngine, from_: From) -> None:
    for _ in range(30):
        await wait_of(from_(HERE), "robin@example.com")
    assert [await wait_of(from_(HERE), f"{n}@example.com") for n in range(16)] == [0] * 15 + [1]


async def test_success_gives_the_account_a_new_start_and_takes_back_its_own_count_of_the_address(
    engine: AsyncEngine, from_: From
) -> None:
    throttle = from_(HERE)
    for _ in range(3):
        await throttle.take("robin@example.com")
    own = await throttle.take("robin@example.com")
    async with engine.begin() as conn:
        await throttle.succeeded(conn, own)
    assert [await wait_of(throttle, "robin@example.com") for _ in range(6)] == [0] * 5 + [1]
    rest = [await wait_of(throttle, f"{n}@example.com") for n in range(13)]
    assert rest == [0] * 12 + [1], "3 + 5 + 12 failures"


async def test_a_success_among_failures_cuts_nobody_else_s_wait_short(engine: AsyncEngine, from_: From) -> None:
    throttle = from_(HERE)
    own = await throttle.take("robin@example.com")
    for n in range(19):
        await throttle.take(f"{n}@example.com")
    async with engine.begin() as conn:
        await throttle.succeeded(conn, own)
    assert await wait_of(throttle, "x@example.com") == 1


async def test_nothing_of_whom_is_counted_can_be_read(engine: AsyncEngine, from_: From) -> None:
    await from_(HERE).take("robin@example.com")
    async with engine.connect() as conn:
        stored = str((await conn.execute(text("SELECT a::text FROM login_attempts a"))).all())
    assert "robin" not in stored
    assert HERE not in stored


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (HERE, HERE),
        ("::ffff:203.0.113.7", HERE),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_one_client_is_one_address_or_one_network(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_a_login_is_refused_alike_for_accounts_that_exist_and_others(
    api: ApiClient, engine: AsyncEngine, from_: From
) -> None:
    account = await make_account(engine)
    refusals = []
    for address in (account.email, new_address()):
        for _ in range(4):
            await from_(HERE).take(address)
        problem(await try_login(api, address, "wrong"), 401, "unauthenticated")
        answer = await try_login(api, address)
        refusals.append(problem(answer, 429, "too_many_attempts") | {"request_id": ""})
        assert answer.headers["Retry-After"] == "1"
        assert "retry_after" not in answer.json()
    assert refusals[0] == refusals[1]
    await let_time_pass(engine, timedelta(seconds=1))
    ok(await try_login(api, account.email))
    problem(await try_login(api, account.email, "wrong"), 401, "unauthenticated")
