"""Logging in, and what a token opens and does not open."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import httpx
import jwt
import pytest
from fastapi.routing import iter_route_contexts
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from api.auth.passwords import hash_password
from runtime.ids import new_id
from runtime.settings import Settings
from tests.api_client import ApiClient
from tests.factories import Tenant, add_user
from tests.integration.api.stage import Stage, ok, problem

PASSWORD = "correct horse battery staple"
PUBLIC = {
    ("POST", "/v1/auth/login"),
    ("GET", "/v1/businesses/{business}"),
    ("GET", "/v1/businesses/{business}/services"),
    ("GET", "/v1/businesses/{business}/services/{service}"),
    ("GET", "/v1/businesses/{business}/providers"),
    ("GET", "/v1/businesses/{business}/providers/{provider}"),
    ("GET", "/v1/businesses/{business}/providers/{provider}/areas"),
    ("GET", "/v1/businesses/{business}/providers/{provider}/hours"),
    ("GET", "/v1/businesses/{business}/areas"),
    ("GET", "/v1/businesses/{business}/exceptions"),
    ("GET", "/v1/businesses/{business}/hours"),
    ("GET", "/v1/businesses/{business}/slots"),
}


@dataclass(frozen=True)
class Account:
    user_id: UUID
    email: str


@pytest.fixture(scope="module")
def password_hash() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
async def account(engine: AsyncEngine, password_hash: str) -> Account:
    """Somebody who can log in."""
    async with engine.begin() as conn:
        user_id = await add_user(conn, "Robin", password_hash=password_hash)
    return Account(user_id, f"{user_id.hex}@users.example")


async def test_the_right_password_opens_with_a_token(api: ApiClient, account: Account) -> None:
    body = ok(await api.post("/v1/auth/login", {"email": account.email.upper(), "password": PASSWORD}))
    assert set(body) == {"access_token", "token_type", "expires_in"}
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 15 * 60
    content = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert content["sub"] == str(account.user_id)
    assert jwt.get_unverified_header(body["access_token"])["alg"] == "EdDSA"


async def test_the_token_carries_the_roles_and_works(stage: Stage, account: Account) -> None:
    async with stage.engine.begin() as conn:
        add = text("INSERT INTO memberships (user_id, business_id, role) VALUES (:user, :business, 'owner')")
        await conn.execute(add, {"user": account.user_id, "business": stage.tenant.business_id})
    booking = await stage.book()
    token = ok(await stage.api.post("/v1/auth/login", {"email": account.email, "password": PASSWORD}))
    said = {"Authorization": f"Bearer {token['access_token']}"}
    answer = await stage.api._http.get(f"/v1/bookings/{booking['id']}", headers=said)
    assert ok(answer)["id"] == booking["id"]


async def test_a_wrong_password_an_unknown_user_and_a_closed_account_are_told_the_same(
    api: ApiClient, account: Account, engine: AsyncEngine
) -> None:
    wrong = problem(await login(api, account.email, "wrong"), 401, "unauthenticated")
    unknown = problem(await login(api, "nobody@users.example", PASSWORD), 401, "unauthenticated")
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE users SET active = false WHERE id = :id"), {"id": account.user_id})
    closed = problem(await login(api, account.email, PASSWORD), 401, "unauthenticated")
    for told in (wrong, unknown, closed):
        told.pop("request_id")
    assert wrong == unknown == closed


async def login(api: ApiClient, email: str, password: str) -> httpx.Response:
    return await api.post("/v1/auth/login", {"email": email, "password": password})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "a@example.com"},
        {"email": "no-address", "password": "x"},
        {"email": "a@example.com", "password": ""},
        {"email": "a@example.com", "password": "x" * 1001},
        {"email": "a\x00@example.com", "password": "x"},
        {"email": "a@example.com", "password": "x", "role": "admin"},
    ],
)
async def test_a_login_without_sense_is_422_and_repeats_no_password(api: ApiClient, body: dict[str, str]) -> None:
    answer = await api.post("/v1/auth/login", body)
    problem(answer, 422, "invalid_request")
    assert "x" * 1001 not in answer.text


async def test_a_password_may_hold_any_character(api: ApiClient, account: Account) -> None:
    for password in ("nul\x00", "ünï🛠", "' OR 1=1 --"):
        problem(await login(api, account.email, password), 401, "unauthenticated")


FORGERIES: dict[str, Callable[[ApiClient], str]] = {
    "another scheme": lambda api: f"Basic {_token(api)}",
    "nothing behind the scheme": lambda _: "Bearer",
    "garbage": lambda _: "Bearer garbage",
    "no signature": lambda api: f"Bearer {_token(api).rpartition('.')[0]}.",
    "another signature": lambda api: f"Bearer {_token(api).rpartition('.')[0]}.{'A' * 86}",
    "alg none": lambda api: f"Bearer eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{_token(api).split('.')[1]}.",
    "very long": lambda _: f"Bearer {'a' * 20_000}",
}


def _token(api: ApiClient) -> str:
    return api.headers()["Authorization"].removeprefix("Bearer ")


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_token_opens_nothing(api: ApiClient, tenant: Tenant, forgery: str) -> None:
    header = FORGERIES[forgery](api.as_(tenant.principals["admin"]))
    answer = await api._http.get("/v1/bookings", headers={"Authorization": header})
    problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def routes() -> list[tuple[str, str]]:
    """Every route of the application under /v1."""
    found = [
        (method, context.path)
        for context in iter_route_contexts(create_app(Settings()).routes)
        for method in context.methods or ()
        if context.path is not None and context.path.startswith("/v1/")
    ]
    assert len(found) > 15
    return sorted(found)


@pytest.mark.parametrize(("method", "path"), routes())
async def test_every_route_but_login_and_the_catalogue_needs_a_token(
    api: ApiClient, method: str, path: str
) -> None:
    concrete = path.replace("{booking_id}", str(new_id())).replace("{business}", "nowhere")
    body = {"email": "a@example.com"} if method == "POST" else None
    answer = await api._http.request(method, concrete, json=body)
    if (method, path) in PUBLIC:
        assert answer.status_code in (404, 422)
    else:
        problem(answer, 401, "unauthenticated")
