"""Registration and password reset: by mail, without revealing who has an account."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime.settings import Settings
from tests.support.accounts import (
    PASSWORD,
    Account,
    SignedInUser,
    audited,
    log_in,
    mails_to,
    new_address,
    token_in,
    try_login,
)
from tests.support.api_client import ApiClient
from tests.support.stage import PATIENCE_SECONDS, Json, ok, problem

pytestmark = pytest.mark.usefixtures("no_login_attempts")

NEW_PASSWORD = "another battery, another staple"
CANARY = "Canary Nightingale"


@pytest.fixture
def folder(settings: Settings) -> str:
    return settings.mail_folder


async def register(api: ApiClient, address: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    return await api.post("/v1/auth/register", {"email": address, "password": password, "name": CANARY} | more)


async def verify(api: ApiClient, token: str, password: str = PASSWORD) -> httpx.Response:
    return await api.post("/v1/auth/verify-email", {"token": token, "password": password})


async def forgot(api: ApiClient, address: str) -> httpx.Response:
    return await api.post("/v1/auth/forgot-password", {"email": address})


async def reset(api: ApiClient, token: str, password: str = NEW_PASSWORD) -> httpx.Response:
    return await api.post("/v1/auth/reset-password", {"token": token, "password": password})


async def requests_for(engine: AsyncEngine, address: str) -> list[Any]:
    query = text("""
    SELECT r.*, (SELECT count(*) FROM account_tokens t WHERE t.request_id = r.id) AS tokens
    FROM account_requests r WHERE email = :email ORDER BY id
    """)
    async with engine.connect() as conn:
        return list((await conn.execute(query, {"email": address})).all())


async def seen_to(engine: AsyncEngine, address: str) -> list[Any]:
    """The requests for an address, once nothing is left to be sent."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not all(row.sent_at for row in await requests_for(engine, address)):
            await asyncio.sleep(0.01)
    return await requests_for(engine, address)


def same(*answers: httpx.Response) -> bool:
    """Whether the answers tell the same."""
    bodies: list[Json] = [answer.json() | {"request_id": ""} for answer in answers]
    return all(body == bodies[0] for body in bodies) and len({answer.status_code for answer in answers}) == 1


async def test_an_account_is_opened_with_the_letter_and_the_password_together(
    api: ApiClient, engine: AsyncEngine, folder: str
) -> None:
    address = new_address()
    assert ok(await register(api, address.title()), 202) == {}
    problem(await try_login(api, address), 401, "unauthenticated")
    (mail,) = await mails_to(folder, address)
    token = token_in(mail)
    guessed = await verify(api, token, "a password that the one who clicks has not chosen")
    unknown = await verify(api, "A" * 43)
    problem(guessed, 422, "token_invalid")
    assert same(guessed, unknown)
    robin = SignedInUser(api, ok(await verify(api, token)))
    me = ok(await robin.get("/v1/auth/me"))
    assert (me["email"], me["name"], me["memberships"]) == (address, CANARY, [])
    again = await verify(api, token)
    assert same(again, unknown)
    ok(await try_login(api, address))
    (request,) = await requests_for(engine, address)
    assert await audited(engine, request.id) == [("register", "done", None, "anonymous", None)]
    assert request.password_hash.startswith("$argon2id$")


def files_of(folder: str, address: str) -> list[tuple[int, str]]:
    """The files of letters to an address: the permissions and the content of each."""
    files = [(file.stat().st_mode & 0o777, file.read_text()) for file in Path(folder).iterdir()]
    return [(mode, content) for mode, content in files if address in content]


async def test_a_letter_gives_nothing_away_but_its_token(api: ApiClient, folder: str) -> None:
    address = new_address()
    ok(await register(api, address), 202)
    (mail,) = await mails_to(folder, address)
    ((mode, content),) = files_of(folder, address)
    assert mode == 0o600
    assert mail["From"]
    assert mail["Date"]
    assert mail["Auto-Submitted"] == "auto-generated"
    token = token_in(mail)
    assert f"\nhttp://127.0.0.1:8000/verify-email#token={token}\n" in content
    assert CANARY not in content, "nobody can have their own words sent to somebody else"


async def test_registering_an_address_that_has_an_account_is_told_to_the_address_alone(
    api: ApiClient, engine: AsyncEngine, account: Account, folder: str
) -> None:
    taken = await register(api, account.email.upper(), NEW_PASSWORD)
    free = await register(api, new_address(), NEW_PASSWORD)
    assert same(taken, free)
    (mail,) = await mails_to(folder, account.email)
    assert mail["Subject"] == "You already have an account"
    assert "token" not in mail.get_content()
    assert [row.tokens for row in await seen_to(engine, account.email)] == [0]
    ok(await try_login(api, account.email))
    problem(await try_login(api, account.email, NEW_PASSWORD), 401, "unauthenticated")


async def test_of_two_who_register_one_address_each_needs_the_letter_and_their_own_password(
    api: ApiClient, folder: str
) -> None:
    address = new_address()
    ok(await register(api, address, "the password of a stranger"), 202)
    (strangers,) = await mails_to(folder, address)
    ok(await register(api, address), 202)
    _, own = await mails_to(folder, address, 2)
    problem(await verify(api, token_in(strangers)), 422, "token_invalid")
    ok(await verify(api, token_in(own)))
    late = await verify(api, token_in(strangers), "the password of a stranger")
    problem(late, 422, "token_invalid")


async def test_a_forgotten_password_is_replaced_once_and_every_session_ends(
    api: ApiClient, engine: AsyncEngine, account: Account, folder: str
) -> None:
    robin = await log_in(api, account.email)
    for _ in range(2):
        assert ok(await forgot(api, account.email), 202) == {}
    first, second = [token_in(mail) for mail in await mails_to(folder, account.email, 2)]
    for _ in range(5):
        await try_login(api, account.email, "wrong")
    problem(await try_login(api, account.email), 429, "too_many_attempts")
    problem(await reset(api, first, "too short"), 422, "invalid_request")
    assert (await reset(api, first)).status_code == 204
    problem(await robin.get("/v1/auth/me"), 401, "unauthenticated")
    for token in (first, second, "A" * 43):
        problem(await reset(api, token, PASSWORD), 422, "token_invalid")
    ok(await try_login(api, account.email, NEW_PASSWORD))
    problem(await try_login(api, account.email), 401, "unauthenticated")
    done = ("resetPassword", "done", None, "user", account.user_id)
    assert done in await audited(engine, account.user_id)
    async with engine.connect() as conn:
        reasons = await conn.execute(
            text("SELECT DISTINCT end_reason FROM sessions WHERE user_id = :id AND ended_at IS NOT NULL"),
            {"id": account.user_id},
        )
        assert reasons.scalars().all() == ["password_reset"]


async def test_asking_for_a_password_tells_nothing_and_writes_to_nobody_who_has_no_account(
    api: ApiClient, engine: AsyncEngine, account: Account, folder: str
) -> None:
    closed, unknown = account.email, new_address()
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE users SET active = false WHERE id = :id"), {"id": account.user_id})
    answers = [await forgot(api, closed), await forgot(api, unknown), await register(api, closed)]
    assert same(*answers)
    for address in (closed, unknown):
        assert {row.tokens for row in await seen_to(engine, address)} == {0}
        assert await mails_to(folder, address, 0) == []


async def test_a_token_is_good_for_its_own_purpose_and_time(
    api: ApiClient, engine: AsyncEngine, account: Account, folder: str
) -> None:
    address = new_address()
    ok(await register(api, address), 202)
    ok(await forgot(api, account.email), 202)
    verifying = token_in((await mails_to(folder, address))[0])
    resetting = token_in((await mails_to(folder, account.email))[0])
    problem(await reset(api, verifying), 422, "token_invalid")
    problem(await verify(api, resetting), 422, "token_invalid")
    lasts = [(await requests_for(engine, to))[0] for to in (address, account.email)]
    assert [round((row.expires_at - row.created_at).total_seconds() / 3600) for row in lasts] == [24, 1]
    async with engine.begin() as conn:
        over = text("UPDATE account_requests SET expires_at = now() WHERE email IN (:a, :b)")
        await conn.execute(over, {"a": address, "b": account.email})
    problem(await verify(api, verifying), 422, "token_invalid")
    problem(await reset(api, resetting), 422, "token_invalid")


async def test_changing_the_password_makes_a_link_to_a_new_one_useless(
    api: ApiClient, account: Account, folder: str
) -> None:
    robin = await log_in(api, account.email)
    ok(await forgot(api, account.email), 202)
    token = token_in((await mails_to(folder, account.email))[0])
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await robin.post("/v1/auth/change-password", body)).status_code == 204
    problem(await reset(api, token, PASSWORD), 422, "token_invalid")


async def test_nobody_s_mailbox_is_filled(api: ApiClient, engine: AsyncEngine, account: Account) -> None:
    answers = [await forgot(api, account.email) for _ in range(5)]
    assert same(*answers)
    assert answers[0].status_code == 202
    assert len(await requests_for(engine, account.email)) == 3
    for _ in range(5):
        ok(await forgot(api, new_address()), 202)
    refused = await forgot(api, new_address())
    problem(refused, 429, "too_many_attempts")
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    problem(await register(api, new_address()), 429, "too_many_attempts")


@pytest.mark.parametrize(
    "body",
    [
        {"email": "no address"},
        {"email": "a@example.com\r\nBcc: b@example.com"},
        {"password": "x" * 11},
        {"password": "x" * 201},
        {"password": "e\u0301" * 11},
        {"name": ""},
        {"name": "  "},
        {"name": "x" * 201},
        {"name": "red \x1b[31m"},
        {"name": "two\nlines"},
        {"name": "\u200d"},
        {"name": "Robin \u202eeoD"},
        {"role": "admin"},
        {"active": True},
        {"id": "00000000-0000-0000-0000-000000000001"},
    ],
)
async def test_a_registration_without_sense_is_422(api: ApiClient, body: Json) -> None:
    problem(await register(api, **({"address": new_address()} | _renamed(body))), 422, "invalid_request")


@pytest.mark.parametrize("name", ["\u0639\u0644\u06cc\u200c\u0631\u0636\u0627", "Ann \U0001f469\u200d\U0001f52c"])
async def test_a_name_is_taken_as_it_is_spelt(api: ApiClient, engine: AsyncEngine, name: str) -> None:
    address = new_address()
    ok(await register(api, address, name=name), 202)
    assert [row.name for row in await requests_for(engine, address)] == [name]


def _renamed(body: Json) -> Json:
    return {"address" if name == "email" else name: value for name, value in body.items()}
