"""API keys: what their scopes permit, and that only the creator ever sees a key."""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, insert, text, update

from db.models import ApiKey
from runtime.ids import new_id
from tests.support.api_client import ApiClient
from tests.support.factories import Tenant, future
from tests.support.stage import Json, Stage, ok, problem

SHAPE = re.compile(r"(hfk_[A-Za-z0-9]{8})_([A-Za-z0-9_-]{43})")


@pytest.fixture
async def http(api_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=api_url, timeout=30) as client:
        yield client


def path(tenant: Tenant, *parts: str) -> str:
    return "/".join(("/v1/businesses", tenant.slug, "api-keys", *parts))


def bearer(key: str) -> dict[bytes, bytes]:
    return {b"Authorization": f"Bearer {key}".encode("latin-1")}


async def made(stage: Stage, *scopes: str, **body: Any) -> Json:
    """A key of the business, with the scope to read customers unless others are named."""
    request = {"name": str(new_id()), "scopes": scopes or ["customers:read"]} | body
    return ok(await stage.as_("owner").post(path(stage.tenant), request), 201)


async def test_a_key_opens_what_its_scopes_say_in_its_own_business_until_it_is_revoked(
    stage: Stage, tenant: Tenant, http: httpx.AsyncClient
) -> None:
    key = await made(stage, name="Widget")
    assert SHAPE.fullmatch(key["key"])
    assert key["prefix"] == key["key"][:12]
    assert key["last_used_at"] is None
    here, headers = f"/v1/businesses/{stage.tenant.slug}", bearer(key["key"])

    ok(await http.get(f"{here}/customers", headers=headers))
    problem(await http.get(f"/v1/businesses/{tenant.slug}/customers", headers=headers), 404, "not_found")
    lacking = problem(await http.get(f"{here}/export", headers=headers), 403, "forbidden")
    assert "business:manage" in lacking["detail"]
    user_id = stage.tenant.principals["customer"].user_id
    for method, what in (
        ("POST", "api-keys"),
        ("GET", "api-keys"),
        ("DELETE", f"api-keys/{key['id']}"),
        ("GET", "members"),
        ("PUT", f"members/{user_id}"),
        ("DELETE", f"members/{user_id}/owner"),
        ("GET", "audit-log"),
    ):
        body = {"POST": {"name": "Mine", "scopes": ["book"]}, "PUT": {"role": "admin"}}.get(method)
        problem(await http.request(method, f"{here}/{what}", json=body, headers=headers), 403, "forbidden")

    listed = ok(await stage.as_("admin").get(path(stage.tenant)))["items"]
    assert [item["id"] for item in listed] == [key["id"]]
    assert listed[0].keys() == key.keys() - {"key"}
    used = datetime.fromisoformat(listed[0]["last_used_at"])
    assert datetime.now(UTC) - used < timedelta(minutes=1)

    for _ in range(2):
        assert (await stage.as_("admin").send("DELETE", path(stage.tenant, key["id"]))).status_code == 204
    problem(await http.get(f"{here}/customers", headers=headers), 401, "unauthenticated")
    assert ok(await stage.as_("owner").get(path(stage.tenant)))["items"][0]["revoked_at"] is not None
    problem(await stage.as_("owner").send("DELETE", path(stage.tenant, str(new_id()))), 404, "not_found")


async def test_nothing_but_the_whole_key_opens_and_refusals_are_all_alike(
    stage: Stage, http: httpx.AsyncClient
) -> None:
    key, expiring = (await made(stage))["key"], await made(stage, expires_at=future().isoformat())
    customers = f"/v1/businesses/{stage.tenant.slug}/customers"
    ok(await http.get(customers, headers=bearer(expiring["key"])))
    async with stage.engine.begin() as conn:
        ran_out = update(ApiKey).where(ApiKey.id == expiring["id"]).values(expires_at=func.now())
        await conn.execute(ran_out)
    other_end = "A" if key[-1] != "A" else "B"
    refused = {
        problem(await http.get(customers, headers=bearer(sent)), 401, "unauthenticated")["detail"]
        for sent in (
            expiring["key"],
            key[:-1] + other_end,
            key[:-1],
            f"{key}A",
            key[:12],
            f"hfk_{'x' * 8}{key[12:]}",
            "hfk_",
            f"hfk_{chr(0xE9)}",
        )
    }
    assert len(refused) == 1
    ok(await http.get(customers, headers=bearer(key)))


async def test_the_secret_is_in_one_answer_and_nowhere_else(
    stage: Stage, http: httpx.AsyncClient, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await stage.as_("owner").post(path(stage.tenant), {"name": "Server", "scopes": ["book"]})
        key = ok(answer, 201)
        await http.get(path(stage.tenant), headers=bearer(key["key"]))
        listed = await stage.as_("owner").get(path(stage.tenant))
    assert answer.headers["Cache-Control"] == "no-store"
    printed = capfd.readouterr()
    problem(await http.delete(path(stage.tenant, key["key"]), headers=bearer(key["key"])), 403, "forbidden")
    found = SHAPE.fullmatch(key["key"])
    assert found is not None
    assert answer.text.count(found[2]) == 1
    stored = ""
    async with stage.engine.connect() as conn:
        for table in ("api_keys", "audit_log", "idempotency_keys"):
            rows = await conn.execute(text(f"SELECT CAST(t AS text) FROM {table} t"))
            stored += "\n".join(rows.scalars())
    assert key["id"] in stored
    assert found[2] not in printed.out + printed.err + caplog.text + listed.text + stored


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ""}, "/body/name"),
        ({"name": "n" * 101}, "/body/name"),
        ({"name": "a\x00b"}, "/body/name"),
        ({"scopes": []}, "/body/scopes"),
        ({"scopes": ["book", "book"]}, "/body/scopes"),
        ({"scopes": ["everything"]}, "/body/scopes/0"),
        ({"scopes": "book"}, "/body/scopes"),
        ({"expires_at": "2024-01-01T00:00:00Z"}, "/body/expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "/body/expires_at"),
        ({"prefix": "hfk_mine"}, "/body/prefix"),
    ],
)
async def test_a_key_that_makes_no_sense_is_not_made(stage: Stage, changes: Json, pointer: str) -> None:
    body = {"name": "Widget", "scopes": ["book"]} | changes
    refused = problem(await stage.as_("owner").post(path(stage.tenant), body), 422, "invalid_request")
    assert refused["errors"][0]["pointer"] == pointer
    assert await stage.count("api_keys") == 0


async def test_a_name_is_one_key_at_a_time_and_a_business_has_a_hundred(stage: Stage, api: ApiClient) -> None:
    owner, request = stage.as_("owner"), {"name": "Widget", "scopes": ["book"]}
    answers = await asyncio.gather(*(owner.post(path(stage.tenant), request) for _ in range(6)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 5}
    first = next(answer.json() for answer in answers if answer.status_code == 201)
    again = problem(await owner.post(path(stage.tenant), request), 409, "already_exists")
    assert again["id"] == first["id"]
    await owner.send("DELETE", path(stage.tenant, first["id"]))
    ok(await owner.post(path(stage.tenant), request), 201)

    await _insert(stage, 99, revoked=False)
    await _insert(stage, 120, revoked=True)
    problem(await owner.post(path(stage.tenant), request | {"name": "More"}), 409, "too_many_api_keys")
    listed = ok(await owner.get(path(stage.tenant)))["items"]
    assert Counter(item["revoked_at"] is None for item in listed) == {True: 100, False: 100}
    assert [item["id"] for item in listed] == sorted((item["id"] for item in listed), reverse=True)
    await owner.send("DELETE", path(stage.tenant, listed[-1]["id"]))
    ok(await owner.post(path(stage.tenant), request | {"name": "More"}), 201)


async def _insert(stage: Stage, count: int, *, revoked: bool) -> None:
    rows = [
        {
            "id": new_id(),
            "business_id": stage.tenant.business_id,
            "name": f"{revoked} {n}",
            "prefix": new_id().hex[-12:],
            "secret_hash": bytes(32),
            "scopes": ["book"],
            "created_by": stage.tenant.principals["owner"].user_id,
            "revoked_at": datetime.now(UTC) if revoked else None,
        }
        for n in range(count)
    ]
    async with stage.engine.begin() as conn:
        await conn.execute(insert(ApiKey), rows)


async def test_keys_are_the_business_of_its_owners_and_admins(stage: Stage, tenant: Tenant) -> None:
    key = await made(stage)
    for method, where in (("POST", ()), ("GET", ()), ("DELETE", (key["id"],))):
        body = {"name": "Mine", "scopes": ["book"]} if method == "POST" else None
        request = method, path(stage.tenant, *where), body
        problem(await stage.api.send(*request), 401, "unauthenticated")
        problem(await stage.as_("ana").send(*request), 403, "forbidden")
        problem(await stage.as_("customer").send(*request), 404, "not_found")
        problem(await stage.api.as_(tenant.principals["owner"]).send(*request), 404, "not_found")
    stranger = stage.api.as_(tenant.principals["owner"])
    problem(await stranger.send("DELETE", path(tenant, key["id"])), 404, "not_found")
    assert ok(await stage.as_("owner").get(path(stage.tenant)))["items"][0]["revoked_at"] is None
