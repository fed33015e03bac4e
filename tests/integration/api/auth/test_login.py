"""Logging in, and what an access token permits."""

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
import pytest
from argon2 import PasswordHasher
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.auth.passwords import hash_password
from tests.support.accounts import (
    PASSWORD,
    Account,
    audited,
    log_in,
    make_account,
    new_address,
    try_login,
)
from tests.support.api_client import ApiClient
from tests.support.factories import Tenant
from tests.support.stage import Stage, ok, problem

pytestmark = pytest.mark.usefixtures("no_login_attempts")


async def test_the_right_password_opens_with_two_tokens(
    api: ApiClient, account: Account, engine: AsyncEngine
) -> None:
    body = ok(await try_login(api, account.email.upper()))
    assert set(body) == {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"}
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 15 * 60
    assert body["refresh_expires_in"] == 7 * 86_400
    assert len(body["refresh_token"]) == 43
    content = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert content["sub"] == str(account.user_id)
    done = ("login", "done", None, "user", account.user_id)
    assert await audited(engine, content["sid"]) == [done]


COMPOSED, DECOMPOSED = "caf\u00e9 caf\u00e9 caf\u00e9", "cafe\u0301 cafe\u0301 cafe\u0301"


@pytest.mark.parametrize("typed", [COMPOSED, DECOMPOSED, "cafe\u0301 caf\u00e9 caf\u00e9"])
@pytest.mark.parametrize("chosen", [COMPOSED, DECOMPOSED])
async def test_a_password_is_one_however_a_keyboard_composes_it(
    api: ApiClient, engine: AsyncEngine, chosen: str, typed: str
) -> None:
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    before = await make_account(engine, cheap.hash(chosen))  # as it was stored when nothing was composed
    ok(await try_login(api, before.email, typed))
    now = await make_account(engine, hash_password(chosen))
    ok(await try_login(api, now.email, typed))
    problem(await try_login(api, now.email, "cafe cafe cafe"), 401, "unauthenticated")


async def test_the_token_has_the_roles_of_its_user_as_they_are_now(stage: Stage, account: Account) -> None:
    booking = await stage.book()
    robin = await log_in(stage.api, account.email)
    problem(await robin.get(f"/v1/bookings/{booking['id']}"), 404, "not_found")
    async with stage.engine.begin() as conn:
        add = text("INSERT INTO memberships (user_id, business_id, role) VALUES (:user, :business, 'owner')")
        await conn.execute(add, {"user": account.user_id, "business": stage.tenant.business_id})
    assert ok(await robin.get(f"/v1/bookings/{booking['id']}"))["id"] == booking["id"]
    roles = [{"business_id": str(stage.tenant.business_id), "role": "owner", "provider_id": None}]
    me = {"id": str(account.user_id), "email": account.email, "name": "Robin", "memberships": roles}
    assert ok(await robin.get("/v1/auth/me")) == me


async def test_a_wrong_password_an_unknown_user_and_a_closed_account_are_told_the_same(
    api: ApiClient, account: Account, engine: AsyncEngine
) -> None:
    wrong = problem(await try_login(api, account.email, "wrong"), 401, "unauthenticated")
    unknown = problem(await try_login(api, new_address()), 401, "unauthenticated")
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE users SET active = false WHERE id = :id"), {"id": account.user_id})
    closed = problem(await try_login(api, account.email), 401, "unauthenticated")
    for refusal in (wrong, unknown, closed):
        refusal.pop("request_id")
    assert wrong == unknown == closed
    denied = ("login", "denied", "unauthenticated", "anonymous", None)
    assert await audited(engine, account.user_id) == [denied]


async def test_an_unknown_user_is_refused_no_faster_than_a_known_one(api: ApiClient, engine: AsyncEngine) -> None:
    account = await make_account(engine, hash_password(PASSWORD))

    async def seconds(address: str) -> float:
        started = time.perf_counter()
        problem(await try_login(api, address, "wrong"), 401, "unauthenticated")
        return time.perf_counter() - started

    taken = [(await seconds(account.email), await seconds(new_address())) for _ in range(3)]
    known, unknown = (statistics.median(column) for column in zip(*taken, strict=True))
    assert unknown > known / 3, "without hashing it would be a tenth"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "a@example.com"},
        {"email": "no-address", "password": "x"},
        {"email": "a@example.com", "password": ""},
        {"email": "a@example.com", "password": "x" * 1001},
        {"email": "a\x00@example.com", "password": "x"},
        {"email": "a@example.com\r\nBcc: b@example.com", "password": "x"},
        {"email": f"{'a' * 250}@example.com", "password": "x"},
        {"email": "a@example.com", "password": "x", "role": "admin"},
        {"email": "a@example.com", "password": ["x"]},
    ],
)
async def test_a_login_without_sense_is_422_and_repeats_no_password(api: ApiClient, body: dict[str, str]) -> None:
    answer = await api.post("/v1/auth/login", body)
    problem(answer, 422, "invalid_request")
    assert "x" * 1001 not in answer.text


async def test_a_password_may_hold_any_character_that_there_is(api: ApiClient, account: Account) -> None:
    for password in ("nul\x00", "ünï🛠", "' OR 1=1 --"):
        problem(await try_login(api, account.email, password), 401, "unauthenticated")
    half_a_pair = rb'{"email": "a@example.com", "password": "\ud800"}'
    answer = await api._http.post(
        "/v1/auth/login", content=half_a_pair, headers={"Content-Type": "application/json"}
    )
    problem(answer, 422, "invalid_request")


FORGERIES: dict[str, Callable[[ApiClient], str]] = {
    "another scheme": lambda api: f"Basic {_token(api)}",
    "nothing behind the scheme": lambda _: "Bearer",
    "garbage": lambda _: "Bearer garbage",
    "no signature": lambda api: f"Bearer {_token(api).rpartition('.')[0]}.",
    "another signature": lambda api: f"Bearer {_token(api).rpartition('.')[0]}.{'A' * 86}",
    "alg none": lambda api: f"Bearer eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{_token(api).split('.')[1]}.",
    "very long": lambda _: f"Bearer {'a' * 20_000}",
    "a login that there is not": lambda api: f"Bearer {api._tokens.issue(*_somebody_and_nothing(api))}",
    "an expired manage link": lambda api: f"Bearer {_manage(api, timedelta(seconds=-1))}",
    "another installation's key": lambda _: "Bearer " + jwt.encode({"sub": "x"}, "k" * 32, "HS256"),
}


def _token(api: ApiClient) -> str:
    return api.headers()["Authorization"].removeprefix("Bearer ")


def _somebody_and_nothing(api: ApiClient) -> tuple[UUID, UUID]:
    assert api._principal is not None
    return api._principal.user_id, uuid4()


def _manage(api: ApiClient, lasts: timedelta) -> str:
    now = datetime.now(UTC)
    return api._tokens.issue_manage(uuid4(), now - timedelta(days=1), now + lasts)


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_token_opens_nothing(api: ApiClient, tenant: Tenant, forgery: str) -> None:
    header = FORGERIES[forgery](api.as_(tenant.principals["admin"]))
    for path in ("/v1/bookings", "/v1/auth/me"):
        answer = await api._http.get(path, headers={"Authorization": header})
        problem(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_two_authorization_headers_are_none(api: ApiClient, tenant: Tenant) -> None:
    header = api.as_(tenant.principals["admin"]).headers()["Authorization"]
    twice = [("Authorization", header), ("Authorization", header)]
    problem(await api._http.get("/v1/auth/me", headers=twice), 401, "unauthenticated")


async def test_a_manage_link_opens_no_account(api: ApiClient, tenant: Tenant) -> None:
    manage = _manage(api.as_(tenant.principals["admin"]), timedelta(days=1))
    said = {"Authorization": f"Bearer {manage}"}
    problem(await api._http.get("/v1/auth/me", headers=said), 403, "forbidden")


async def test_anybody_can_read_the_public_keys_and_check_a_token_with_them(
    api: ApiClient, tenant: Tenant
) -> None:
    answer = await api.get("/.well-known/jwks.json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    token = _token(api.as_(tenant.principals["admin"]))
    key = jwt.PyJWKSet.from_dict(ok(answer))[jwt.get_unverified_header(token)["kid"]]
    content = jwt.decode(token, key, algorithms=["EdDSA"], audience="holdfast-api")
    assert content["sub"] == str(tenant.principals["admin"].user_id)
