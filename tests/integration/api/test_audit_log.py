"""The audit log: a line for every write and denial, for owners and admins, without personal data."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from db.models import AuditEntry
from dev.postgres import APP_ROLE
from domain.callers import CallerKind
from domain.errors import ERRORS_BY_CODE
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.factories import Tenant
from tests.support.personal_data import CANARY, live_a_life, traces_in
from tests.support.stage import Json, Stage, ok, problem

AUDITED_KINDS = {"anonymous", "user", "api_key", "guest"}
"""Those that the table's constraint knows."""


def path(tenant: Tenant, *parts: str) -> str:
    return "/".join(("/v1/businesses", tenant.slug, *parts))


def service(code: str) -> Json:
    return {
        "code": code,
        "name": "A service",
        "duration_minutes": 30,
        "price": {"amount_minor": 1, "currency": "USD"},
    }


async def log_of(stage: Stage, **filters: Any) -> list[Json]:
    """The lines of the business, newest first."""
    items: list[Json] = ok(await stage.as_("admin").get(path(stage.tenant, "audit-log"), **filters))["items"]
    return items


def seen(lines: list[Json]) -> list[tuple[str, str, str | None]]:
    return [(line["action"], line["outcome"], line["code"]) for line in lines]


@asynccontextmanager
async def nothing_can_be_noted(engine: AsyncEngine) -> AsyncIterator[None]:
    """The application may not add to the audit log."""
    await _run(engine, f"REVOKE INSERT ON audit_log FROM {APP_ROLE}")
    try:
        yield
    finally:
        await _run(engine, f"GRANT INSERT ON audit_log TO {APP_ROLE}")


async def _run(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as conn:
        await conn.execute(text(statement))


async def test_each_write_leaves_one_line_that_says_who_what_and_whence_and_a_refused_one_none(
    stage: Stage,
) -> None:
    owner = stage.as_("owner")
    answer = await owner.post(path(stage.tenant, "services"), service("cut"))
    made = ok(answer, 201)
    problem(await owner.post(path(stage.tenant, "services"), service("cut")), 409, "already_exists")
    problem(await owner.post(path(stage.tenant, "services"), {}), 422, "invalid_request")
    booking = await stage.book()
    ok(await stage.as_("owner").command(booking["id"], "cancel"))
    lines = await log_of(stage)
    assert seen(lines) == [
        ("cancelBooking", "done", None),
        ("createBooking", "done", None),
        ("createService", "done", None),
    ]
    owner_id, customer_id = (str(stage.tenant.principals[name].user_id) for name in ("owner", "customer"))
    assert [line["actor"] for line in lines] == [
        {"kind": "user", "id": owner_id},
        {"kind": "user", "id": customer_id},
        {"kind": "user", "id": owner_id},
    ]
    assert [line["object_id"] for line in lines] == [booking["id"], booking["id"], made["id"]]
    assert lines[-1]["request_id"] == answer.headers["X-Request-ID"]
    assert lines[-1]["address"] == "127.0.0.1"


async def test_what_cannot_be_noted_is_not_done_and_a_denial_stands_all_the_same(
    stage: Stage, engine: AsyncEngine
) -> None:
    request = path(stage.tenant, "api-keys"), {"name": "Widget", "scopes": ["book"]}
    async with nothing_can_be_noted(engine):
        problem(await stage.as_("owner").post(*request), 500, "internal_error")
        problem(await stage.as_("ana").post(*request), 403, "forbidden")
    assert await stage.count("api_keys") == 0
    assert await log_of(stage) == []


async def test_whoever_was_denied_is_in_the_log_of_the_business_that_they_tried(
    stage: Stage, tenant: Tenant, api_url: str, engine: AsyncEngine
) -> None:
    here = path(stage.tenant, "members")
    stranger, provider = tenant.principals["owner"], stage.tenant.principals["ana"]
    problem(await stage.api.as_(stranger).get(here), 404, "not_found")
    problem(await stage.as_("ana").get(here), 403, "forbidden")
    booking = await stage.book()
    problem(await stage.api.as_(stranger).get(f"/v1/bookings/{booking['id']}"), 404, "not_found")
    async with httpx.AsyncClient(base_url=api_url, headers={"X-Request-ID": str(uuid4())}) as nobody:
        bad = await nobody.get(here, headers={"Authorization": "Bearer made.up.token"})
    problem(bad, 401, "unauthenticated")
    lines = await log_of(stage, outcome="denied")
    assert seen(lines) == [
        ("listMembers", "denied", "unauthenticated"),
        ("getBooking", "denied", "not_found"),
        ("listMembers", "denied", "forbidden"),
        ("listMembers", "denied", "not_found"),
    ]
    who = [line["actor"]["id"] for line in lines]
    assert who == [None, str(stranger.user_id), str(provider.user_id), str(stranger.user_id)]
    assert lines[1]["object_id"] == booking["id"]
    own = ok(await stage.api.as_(stranger).get(path(tenant, "audit-log")))
    assert own["items"] == [], "it is the tried one's business"
    typed = path(stage.tenant, "providers/john-q-public/details")
    problem(await stage.api.as_(stranger).get(typed), 404, "not_found")
    assert (await log_of(stage, outcome="denied"))[0]["object_id"] is None, "what a stranger types may be anything"


async def test_it_is_read_by_page_and_by_filter(stage: Stage, tenant: Tenant) -> None:
    owner, admin = stage.as_("owner"), stage.as_("admin")
    made = [ok(await owner.post(path(stage.tenant, "services"), service(f"s{n}")), 201) for n in range(3)]
    await stage.as_("ana").post(path(stage.tenant, "services"), service("mine"))
    await admin.send(
        "PUT", path(stage.tenant, "exceptions", "2031-12-25"), {"kind": "closed", "name": "Christmas"}
    )
    everything = await log_of(stage)
    assert [line["at"] for line in everything] == sorted((line["at"] for line in everything), reverse=True)
    assert len(everything) == 5

    async def found(**filters: Any) -> list[int]:
        return [everything.index(line) for line in await log_of(stage, **filters)]

    assert await found(actor_id=str(stage.tenant.principals["admin"].user_id)) == [0]
    assert await found(outcome="denied") == [1]
    assert await found(action="createService") == [1, 2, 3, 4]
    assert await found(object_id=made[1]["id"]) == [3]
    assert await found(object_id="2031-12-25") == [0]
    assert await found(to=everything[1]["at"]) == [2, 3, 4]
    assert await found(**{"from": everything[1]["at"]}) == [0, 1]
    assert await found(actor_id=str(uuid4())) == []

    walked, cursor = [], None
    while True:
        paging: Json = {"cursor": cursor} if cursor else {}
        page = ok(await admin.get(path(stage.tenant, "audit-log"), limit=2, outcome="done", **paging))
        walked += page["items"]
        if not cursor:
            await owner.post(path(stage.tenant, "services"), service("later"))
        if (cursor := page["next_cursor"]) is None:
            break
        tampered = cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")
        for bad in (tampered, "x", "é"):
            problem(await admin.get(path(stage.tenant, "audit-log"), cursor=bad), 400, "invalid_cursor")
        stranger = stage.api.as_(tenant.principals["owner"])
        problem(await stranger.get(path(tenant, "audit-log"), cursor=cursor), 400, "invalid_cursor")
    assert [everything.index(line) for line in walked] == [0, 2, 3, 4]


@pytest.mark.parametrize(
    "question",
    [
        {"limit": 0},
        {"limit": 201},
        {"outcome": "maybe"},
        {"actor_id": "me"},
        {"action": "a b"},
        {"object_id": "a\x00"},
        {"from": "yesterday"},
        {"who": "me"},
        {"cursor": "c" * 301},
    ],
)
async def test_a_question_that_makes_no_sense_is_422(stage: Stage, question: Json) -> None:
    problem(await stage.as_("owner").get(path(stage.tenant, "audit-log"), **question), 422, "invalid_request")


async def test_only_those_who_run_the_business_read_its_log(stage: Stage, tenant: Tenant) -> None:
    there = path(stage.tenant, "audit-log")
    ok(await stage.as_("owner").get(there))
    problem(await stage.api.get(there), 401, "unauthenticated")
    problem(await stage.as_("ana").get(there), 403, "forbidden")
    problem(await stage.as_("customer").get(there), 404, "not_found")
    problem(await stage.api.as_(tenant.principals["admin"]).get(there), 404, "not_found")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        problem(await stage.as_("owner").send(method, there), 405, "method_not_allowed")


async def test_nothing_personal_is_in_it_whatever_people_type(stage: Stage, engine: AsyncEngine) -> None:
    booking = await live_a_life(stage)
    for typed in (
        f"{CANARY}@example.com",
        f"{CANARY}%20Roe",
        CANARY,
        "%00",
        "a%00b",
        "x" * 3000,
        "%ff%fe",
        "..%2f",
    ):
        for there in (f"/v1/bookings/{typed}", path(stage.tenant, "members", typed)):
            for asking in (stage.api, stage.as_("ana")):
                answer = await asking.send("DELETE" if "members" in there else "GET", f"{there}/history")
                assert answer.status_code < 500, (there, answer.text)
    async with engine.connect() as conn:
        lines = "\n".join((await conn.execute(text("SELECT CAST(t AS text) FROM audit_log t"))).scalars())
    assert booking["id"] in lines
    assert traces_in(lines) == []


async def test_many_writes_at_once_leave_a_line_each(api: ApiClient, stage: Stage) -> None:
    requests = [stage.as_("owner").post(path(stage.tenant, "services"), service(f"s{n}")) for n in range(20)]
    made = {ok(answer, 201)["id"] for answer in await asyncio.gather(*requests)}
    lines = await log_of(stage, limit=200)
    assert len(lines) == 20
    assert {line["object_id"] for line in lines} == made


def test_whatever_can_be_noted_fits(settings: Settings) -> None:
    longest = {column.name: getattr(column.type, "length", 0) for column in AuditEntry.__table__.columns}
    routes = [context.original_route for context in iter_route_contexts(create_app(settings).routes)]
    actions = [route.operation_id for route in routes if isinstance(route, APIRoute)]
    assert all(action is not None and len(action) <= longest["action"] for action in actions)
    assert all(len(code) <= longest["code"] for code in ERRORS_BY_CODE)
    assert longest["request_id"] >= 64
    assert {str(kind) for kind in CallerKind} == AUDITED_KINDS
