"""Fields that a caller may not set: each gets 422, and nothing changes."""

import hashlib
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import insert, text

from db.models import ApiKey
from domain.callers import Scope
from runtime.ids import new_id
from tests.support.factories import future
from tests.support.stage import Json, Stage, ok, problem
from tests.support.transfers import send

STORED = text("""
SELECT (SELECT row_to_json(b)::text FROM businesses b WHERE id = :id),
       (SELECT json_agg(s ORDER BY id)::text FROM services s WHERE business_id = :id),
       (SELECT json_agg(p ORDER BY id)::text FROM providers p WHERE business_id = :id),
       (SELECT json_agg(c ORDER BY id)::text FROM customers c WHERE business_id = :id),
       (SELECT json_agg(m ORDER BY user_id, role)::text FROM memberships m WHERE business_id = :id),
       (SELECT count(*) FROM consents WHERE business_id = :id),
       (SELECT count(*) FROM time_off WHERE business_id = :id),
       (SELECT count(*) FROM weekly_hours WHERE business_id = :id),
       (SELECT count(*) FROM businesses WHERE slug LIKE :slug)
""")
COMMON: Json = {
    "id": str(uuid4()),
    "business_id": str(uuid4()),
    "created_at": "2020-01-01T00:00:00Z",
    "updated_at": "2020-01-01T00:00:00Z",
    "version": 7,
    "role": "owner",
    "__proto__": {},
}
SERVICE: Json = {"name": "Wash", "duration_minutes": 30, "price": {"amount_minor": 20_00}}
CONSENT: Json = {"purpose": "sms", "granted": True, "text": "Text me."}
AWAY: Json = {"starts_at": future(100).isoformat(), "ends_at": future(101).isoformat()}


def writes(stage: Stage) -> list[tuple[str, str, Json, Json]]:
    """Method, path, a body that would pass, and what else somebody might slip in."""
    home, customer = f"/v1/businesses/{stage.tenant.slug}", stage.tenant.customer_id
    founding = {"name": "New", "slug": f"{stage.tenant.slug}-new", "timezone": "UTC", "currency": "USD"}
    user = {"user_id": str(stage.tenant.principals["owner"].user_id)}
    mine: Json = {"owner_id": user["user_id"], "roles": [], "booking": {}}
    return [
        ("POST", "/v1/businesses", founding, mine | user | {"status": "active"}),
        ("PATCH", home, {"name": "New"}, mine | user),
        ("POST", f"{home}/services", SERVICE, {"price_minor": 1, "currency": "USD"}),
        ("PATCH", f"{home}/services/repair", {"name": "New"}, {"price_minor": 1, "currency": "USD"}),
        ("POST", f"{home}/providers", {"name": "Cho"}, {"last_assigned_at": None, "rank": 1}),
        ("PATCH", f"{home}/providers/ana", {"name": "New"}, {"last_assigned_at": None, "rank": 1}),
        ("POST", f"{home}/customers", {"name": "Robin"}, user | {"has_account": True}),
        ("PATCH", f"{home}/customers/{customer}", {"name": "New"}, user | {"sms_opt_in": True, "consents": []}),
        ("POST", f"{home}/customers/{customer}/consents", CONSENT, {"customer_id": str(uuid4())}),
        ("PUT", f"{home}/members/{user['user_id']}", {"role": "admin"}, {"provider_id": str(uuid4())} | user),
        ("POST", f"{home}/time-off", AWAY, {"provider_id": str(uuid4()), "conflicts": 0}),
        ("POST", f"{home}/providers/ana/time-off", AWAY, {"provider_id": str(uuid4()), "conflicts": 0}),
        ("PUT", f"{home}/hours", {"weekly": []}, {"own": True, "timezone": "UTC"}),
        ("PUT", f"{home}/areas", {"areas": []}, {"own": True}),
        ("PUT", f"{home}/exceptions/2030-01-01", {"kind": "closed"}, {"date": "2030-01-02"}),
        ("PUT", f"{home}/external-source", {"url": "https://x.example"}, {"as_of": None, "has_token": True}),
    ]


async def stored(stage: Stage) -> Any:
    parameters = {"id": stage.tenant.business_id, "slug": f"{stage.tenant.slug}%"}
    async with stage.engine.connect() as conn:
        return (await conn.execute(STORED, parameters)).one()


async def test_nothing_can_be_slipped_in_beside_what_a_body_may_say(stage: Stage) -> None:
    owner, before = stage.as_("owner"), await stored(stage)
    for method, path, body, further in writes(stage):
        for name, value in (COMMON | further).items():
            if name in body:
                continue
            refused = await owner.send(method, path, body | {name: value}, **{"If-Match": "*"})
            found = problem(refused, 422, "invalid_request")
            assert [error["pointer"] for error in found["errors"]] == [f"/body/{name}"], (method, path)
    assert await stored(stage) == before


async def test_nor_by_way_of_an_import(stage: Stage) -> None:
    before, user_id = await stored(stage), str(stage.tenant.principals["owner"].user_id)
    provider, customer = {"code": "ana", "name": "Ana"}, {"name": "Robin"}
    for section, row in (
        ("services", SERVICE | {"id": str(uuid4())}),
        ("services", SERVICE | {"business_id": str(uuid4())}),
        ("providers", provider | {"user_id": user_id}),
        ("providers", provider | {"last_assigned_at": None}),
        ("customers", customer | {"user_id": user_id}),
        ("customers", customer | {"created_at": "2020-01-01T00:00:00Z"}),
    ):
        problem(await send(stage, writes(stage)[1][1], {section: [row]}), 422, "import_invalid")
    for member in ("slug", "status", "id"):
        problem(await send(stage, writes(stage)[1][1], {"business": {member: "active"}}), 422, "import_invalid")
    assert await stored(stage) == before


async def with_key(stage: Stage, *scopes: Scope) -> dict[str, str]:
    """The header of a program that has these scopes."""
    key = f"hfk_{new_id().hex[-8:]}{uuid4().hex}"
    values = {
        "id": new_id(),
        "business_id": stage.tenant.business_id,
        "name": key[:20],
        "prefix": key[:12],
        "secret_hash": hashlib.sha256(key.encode()).digest(),
        "scopes": [*scopes],
        "created_by": stage.tenant.principals["owner"].user_id,
    }
    async with stage.engine.begin() as conn:
        await conn.execute(insert(ApiKey).values(values))
    return {"Authorization": f"Bearer {key}"}


async def test_a_key_for_the_catalogue_gives_nobody_a_role_and_reads_no_customers(stage: Stage) -> None:
    home, before = f"/v1/businesses/{stage.tenant.slug}", await stored(stage)
    key = await with_key(stage, Scope.MANAGE_BUSINESS)
    user = {"user_id": str(stage.tenant.principals["customer"].user_id)}

    async def ask(method: str, part: str, body: Any = None) -> httpx.Response:
        return await stage.api.send(method, home + part, body, **key, **{"If-Match": "*"})

    for method, part, body in (
        ("POST", "/providers", {"name": "Mallory"} | user),
        ("PATCH", "/providers/ana", user),
        ("PATCH", "/providers/ana", {"user_id": None}),
        ("PUT", f"/members/{user['user_id']}", {"role": "admin"}),
        ("GET", "/export?format=csv&section=customers", None),
        ("POST", "/import", {"customers": [{"name": "Robin"}]}),
        ("GET", "/customers", None),
    ):
        problem(await ask(method, part, body), 403, "forbidden")
    assert await stored(stage) == before
    assert (await ask("GET", "/export?format=csv&section=services")).status_code == 200
    whole = ok(await ask("GET", "/export"))
    assert (len(whole["services"]), "customers" in whole) == (1, False)
    ok(await ask("POST", "/import", {"services": [SERVICE]}))
    ok(await ask("PATCH", "/providers/ana", {"rating": 3}))
    assert ok(await stage.api.send("GET", f"{home}/services?all=true", **key))["items"]
