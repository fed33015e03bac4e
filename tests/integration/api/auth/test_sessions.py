"""Sessions: refresh tokens, what ends a session, and what is stored afterwards."""

import asyncio
import hashlib
import os
from typing import Any
from uuid import UUID

import jwt
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.repositories import maintenance, sessions, users
from tests.support.accounts import (
    CHEAP_HASH,
    PASSWORD,
    Account,
    SignedInUser,
    audited,
    forget_attempts,
    log_in,
    try_login,
    try_refresh,
)
from tests.support.api_client import ApiClient
from tests.support.factories import Tenant, future
from tests.support.stage import Json, ok, problem

pytestmark = pytest.mark.usefixtures("no_login_attempts")

NEW_PASSWORD = "another battery, another staple"


@pytest.fixture
async def robin(api: ApiClient, account: Account) -> SignedInUser:
    """Logged in."""
    return await log_in(api, account.email)


def session_of(tokens: Json) -> UUID:
    content = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    return UUID(content["sid"])


async def session_row(engine: AsyncEngine, signed_in: SignedInUser) -> Any:
    query = text(
        "SELECT end_reason, expires_at > now() + interval '6 days' AS is_long FROM sessions WHERE id = :id"
    )
    async with engine.connect() as conn:
        return (await conn.execute(query, {"id": session_of(signed_in.tokens)})).one()


async def pass_time(engine: AsyncEngine, signed_in: SignedInUser, seconds: int) -> None:
    """Let the uses of the session's refresh tokens, and the tokens themselves, be so much older."""
    statement = text("""
    UPDATE refresh_tokens SET used_at = used_at - :seconds * interval '1 second',
        expires_at = expires_at - :seconds * interval '1 second'
    WHERE session_id = :id
    """)
    async with engine.begin() as conn:
        await conn.execute(statement, {"seconds": seconds, "id": session_of(signed_in.tokens)})


async def assert_over(api: ApiClient, signed_in: SignedInUser) -> None:
    """Neither of its tokens is of any use."""
    problem(await signed_in.get("/v1/auth/me"), 401, "unauthenticated")
    problem(await try_refresh(api, signed_in.tokens["refresh_token"]), 401, "unauthenticated")


async def test_a_refresh_token_is_replaced_at_each_use_and_the_session_goes_on(
    api: ApiClient, engine: AsyncEngine, robin: SignedInUser
) -> None:
    async with engine.begin() as conn:
        soon = text("UPDATE sessions SET expires_at = now() + interval '1 minute' WHERE id = :id")
        await conn.execute(soon, {"id": session_of(robin.tokens)})
    second = SignedInUser(api, ok(await try_refresh(api, robin.tokens["refresh_token"])))
    third = SignedInUser(api, ok(await try_refresh(api, second.tokens["refresh_token"])))
    assert set(third.tokens) == set(robin.tokens)
    assert len({signed_in.tokens["refresh_token"] for signed_in in (robin, second, third)}) == 3
    assert len({session_of(signed_in.tokens) for signed_in in (robin, second, third)}) == 1
    ok(await third.get("/v1/auth/me"))
    assert (await session_row(engine, robin)).is_long


async def test_a_token_whose_answer_got_lost_may_be_used_again_for_some_seconds(
    api: ApiClient, engine: AsyncEngine, robin: SignedInUser
) -> None:
    ok(await try_refresh(api, robin.tokens["refresh_token"]))
    await pass_time(engine, robin, 8)
    again = ok(await try_refresh(api, robin.tokens["refresh_token"]))
    await pass_time(engine, robin, 3)  # it is the first use that counts
    problem(await try_refresh(api, robin.tokens["refresh_token"]), 401, "unauthenticated")
    problem(await try_refresh(api, again["refresh_token"]), 401, "unauthenticated")


async def test_a_token_has_no_grace_once_one_that_it_gave_was_used(
    api: ApiClient, engine: AsyncEngine, robin: SignedInUser
) -> None:
    second = ok(await try_refresh(api, robin.tokens["refresh_token"]))
    third = SignedInUser(api, ok(await try_refresh(api, second["refresh_token"])))
    problem(await try_refresh(api, robin.tokens["refresh_token"]), 401, "unauthenticated")
    await assert_over(api, third)
    assert (await session_row(engine, robin)).end_reason == "token_reused"


async def test_thief_and_owner_do_not_both_go_on_however_quick_they_are(
    api: ApiClient, engine: AsyncEngine, robin: SignedInUser
) -> None:
    thief, owner = [ok(await try_refresh(api, robin.tokens["refresh_token"])) for _ in range(2)]
    thief = ok(await try_refresh(api, thief["refresh_token"]))
    problem(await try_refresh(api, owner["refresh_token"]), 401, "unauthenticated")
    await assert_over(api, SignedInUser(api, thief))
    assert (await session_row(engine, robin)).end_reason == "token_reused"


async def test_of_two_that_the_grace_made_out_of_one_token_only_one_goes_on(
    api: ApiClient, engine: AsyncEngine, robin: SignedInUser
) -> None:
    thief, owner = [ok(await try_refresh(api, robin.tokens["refresh_token"])) for _ in range(2)]
    ok(await try_refresh(api, thief["refresh_token"]))
    await pass_time(engine, robin, 11)
    problem(await try_refresh(api, owner["refresh_token"]), 401, "unauthenticated")
    assert (await session_row(engine, robin)).end_reason == "token_reused"


async def test_a_token_used_again_later_ends_the_session_for_whoever_has_it(
    api: ApiClient, engine: AsyncEngine, robin: SignedInUser, account: Account
) -> None:
    other = await log_in(api, account.email)
    thief = SignedInUser(api, ok(await try_refresh(api, robin.tokens["refresh_token"])))
    await pass_time(engine, robin, 11)
    refusal = problem(await try_refresh(api, robin.tokens["refresh_token"]), 401, "unauthenticated")
    unknown = problem(await try_refresh(api, "A" * 43), 401, "unauthenticated")
    assert {**refusal, "request_id": ""} == {**unknown, "request_id": ""}
    await assert_over(api, thief)
    await assert_over(api, robin)
    ok(await other.get("/v1/auth/me"))
    assert (await session_row(engine, robin)).end_reason == "token_reused"
    lines = await audited(engine, session_of(robin.tokens))
    assert [line[:3] for line in lines] == [
        ("login", "done", None),
        ("refresh", "done", None),
        ("refresh", "denied", "token_reused"),
    ]
    assert {line[3:] for line in lines} == {("user", account.user_id)}


async def test_of_many_refreshes_at_once_each_gets_a_token_or_all_find_the_session_ended(
    api: ApiClient, engine: AsyncEngine, robin: SignedInUser
) -> None:
    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(try_refresh(api, robin.tokens["refresh_token"]) for _ in range(10)))

    fresh = [ok(answer)["refresh_token"] for answer in await all_at_once()]
    assert len(set(fresh)) == 10
    await pass_time(engine, robin, 11)
    assert {answer.status_code for answer in await all_at_once()} == {401}
    lines = await audited(engine, session_of(robin.tokens))
    assert [line[2] for line in lines].count("token_reused") == 1
    problem(await try_refresh(api, fresh[0]), 401, "unauthenticated")


async def test_a_refresh_token_runs_out_and_is_stored_as_a_hash_alone(
    api: ApiClient, engine: AsyncEngine, robin: SignedInUser
) -> None:
    async with engine.connect() as conn:
        found = await conn.execute(
            text("SELECT t.*, t::text AS everything FROM refresh_tokens t WHERE session_id = :id"),
            {"id": session_of(robin.tokens)},
        )
        row = found.one()
    assert row.token_hash == hashlib.sha256(robin.tokens["refresh_token"].encode()).digest()
    assert robin.tokens["refresh_token"] not in row.everything
    await pass_time(engine, robin, 7 * 86_400)
    problem(await try_refresh(api, robin.tokens["refresh_token"]), 401, "unauthenticated")


async def test_logging_out_ends_this_session_at_once_and_everywhere_ends_all(
    api: ApiClient, engine: AsyncEngine, robin: SignedInUser, account: Account
) -> None:
    phone, tablet = await asyncio.gather(log_in(api, account.email), log_in(api, account.email))
    assert (await phone.post("/v1/auth/logout")).status_code == 204
    await assert_over(api, phone)
    ok(await robin.get("/v1/auth/me"))
    assert (await robin.post("/v1/auth/logout-everywhere")).status_code == 204
    await assert_over(api, robin)
    await assert_over(api, tablet)
    reasons = [(await session_row(engine, signed_in)).end_reason for signed_in in (phone, robin, tablet)]
    assert reasons == ["logout", "logout_everywhere", "logout_everywhere"]
    by_user = ("user", account.user_id)
    assert ("logout", "done", None, *by_user) in await audited(engine, session_of(phone.tokens))
    assert ("logoutEverywhere", "done", None, *by_user) in await audited(engine, account.user_id)


async def test_a_closed_account_is_out_at_once(
    api: ApiClient, engine: AsyncEngine, robin: SignedInUser, account: Account
) -> None:
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE users SET active = false WHERE id = :id"), {"id": account.user_id})
    await assert_over(api, robin)


async def test_changing_the_password_takes_the_present_one_and_ends_every_other_session(
    api: ApiClient, engine: AsyncEngine, robin: SignedInUser, account: Account
) -> None:
    elsewhere = await log_in(api, account.email)

    async def change(current: str, new: str = NEW_PASSWORD) -> Any:
        body = {"current_password": current, "new_password": new}
        return await robin.post("/v1/auth/change-password", body)

    problem(await change(PASSWORD, "too short"), 422, "invalid_request")
    problem(await change("a guess"), 403, "wrong_password")
    assert (await change(PASSWORD)).status_code == 204
    ok(await robin.get("/v1/auth/me"))
    await assert_over(api, elsewhere)
    problem(await try_login(api, account.email), 401, "unauthenticated")
    ok(await try_login(api, account.email, NEW_PASSWORD))
    by_user = ("user", account.user_id)
    assert (await audited(engine, account.user_id))[:2] == [
        ("changePassword", "denied", "wrong_password", *by_user),
        ("changePassword", "done", None, *by_user),
    ]


async def test_no_session_begins_by_a_password_that_is_just_being_replaced(
    engine: AsyncEngine, account: Account
) -> None:
    async def begin() -> UUID | None:
        async with engine.begin() as conn:
            return await sessions.begin(
                conn, account.user_id, password_hash=CHEAP_HASH, token_hash=os.urandom(32), expires_at=future()
            )

    async with engine.begin() as conn:
        assert await users.reset_password(conn, account.email, password_hash="another") == account.user_id
        late = asyncio.create_task(begin())
        _, waiting = await asyncio.wait({late}, timeout=0.2)
        assert waiting, "it waits for what becomes of the password"
    assert await late is None


async def test_the_present_password_cannot_be_guessed_with_a_stolen_access_token(robin: SignedInUser) -> None:
    body = {"current_password": "a guess", "new_password": NEW_PASSWORD}
    for _ in range(5):
        problem(await robin.post("/v1/auth/change-password", body), 403, "wrong_password")
    answer = await robin.post("/v1/auth/change-password", body | {"current_password": PASSWORD})
    problem(answer, 429, "too_many_attempts")
    assert answer.headers["Retry-After"] == "1"


async def test_what_concerns_one_s_account_is_for_users(api: ApiClient, tenant: Tenant) -> None:
    for path in ("logout", "logout-everywhere", "change-password"):
        problem(await api.post(f"/v1/auth/{path}", {}), 401, "unauthenticated")
    problem(await api.get("/v1/auth/me"), 401, "unauthenticated")
    me = ok(await api.as_(tenant.principals["ana"]).get("/v1/auth/me"))
    assert me["memberships"] == [
        {
            "business_id": str(tenant.business_id),
            "role": "provider",
            "provider_id": str(tenant.providers["ana"]),
        }
    ]


_AGE = """
UPDATE sessions SET expires_at = now() - interval '2 days' WHERE id = :old;
INSERT INTO refresh_tokens (token_hash, session_id, expires_at)
    VALUES (decode(repeat('0a', 32), 'hex'), :young, now() - interval '1 second');
INSERT INTO account_requests (id, kind, email, expires_at)
    VALUES (:old, 'reset', 'old@example.com', now() - interval '1 second'),
           (:young, 'reset', 'young@example.com', now() + interval '1 minute');
INSERT INTO account_tokens (token_hash, request_id) VALUES (decode(repeat('0b', 32), 'hex'), :old);
INSERT INTO login_attempts (subject, failures, last_at, free_at)
    VALUES ('old', 9, now() - interval '2 hours', now() - interval '1 hour'), ('young', 9, now(), now());
INSERT INTO rate_counters (subject, minute, requests, before)
    VALUES ('old', extract(epoch FROM now())::bigint / 60 - 61, 1, 1),
           ('young', extract(epoch FROM now())::bigint / 60 - 59, 1, 1);
INSERT INTO idempotency_keys (scope, key, business_id, request_hash, response, created_at)
    VALUES (:old, 'key', :business, '0', '{}', now() - interval '25 hours'),
           (:young, 'key', :business, '0', '{}', now() - interval '23 hours')
"""

_LEFT = """
SELECT array_agg(x ORDER BY x) FROM (
    SELECT 'session ' || id FROM sessions WHERE id IN (:old, :young)
    UNION ALL SELECT 'token ' || count(*) FROM refresh_tokens WHERE session_id IN (:old, :young)
    UNION ALL SELECT 'request ' || id FROM account_requests WHERE id IN (:old, :young)
    UNION ALL SELECT 'mailed ' || count(*) FROM account_tokens WHERE request_id = :old
    UNION ALL SELECT 'attempts ' || subject FROM login_attempts
    UNION ALL SELECT 'requests ' || subject FROM rate_counters WHERE subject IN ('old', 'young')
    UNION ALL SELECT 'answer ' || scope FROM idempotency_keys WHERE scope IN (:old, :young)
) AS found (x)
"""


async def test_what_has_run_out_is_tidied_away_and_nothing_else(
    api: ApiClient, engine: AsyncEngine, account: Account, tenant: Tenant
) -> None:
    old, young = [await log_in(api, account.email) for _ in range(2)]
    await forget_attempts(engine)
    names = {"old": session_of(old.tokens), "young": session_of(young.tokens), "business": tenant.business_id}

    def filled(statement: str) -> Any:
        for name, value in names.items():
            statement = statement.replace(f":{name}", f"'{value}'")
        return text(statement)

    async with engine.begin() as conn:
        for statement in _AGE.split(";\n"):
            await conn.execute(filled(statement))
    async with autocommit(engine) as conn:
        await maintenance.purge_identity(conn)
        left = (await conn.execute(filled(_LEFT))).scalar_one()
    kept = names["young"]
    assert left == sorted(
        [
            f"answer {kept}",
            "attempts young",
            "mailed 0",
            f"request {kept}",
            "requests young",
            f"session {kept}",
            "token 1",
        ]
    )
