"""Every creation with an Idempotency-Key happens once and replays the same answer."""

from typing import Any

import httpx
from sqlalchemy import text

from tests.support.factories import future
from tests.support.stage import Json, Stage, ok, problem
from tests.support.transfers import document, founded, send

AWAY: Json = {"starts_at": future(100).isoformat(), "ends_at": future(101).isoformat()}
SERVICE: Json = {"name": "Wash", "duration_minutes": 30, "price": {"amount_minor": 20_00}}
CONSENT: Json = {"purpose": "sms", "granted": True, "text": "Text me."}


def kinds(stage: Stage) -> list[tuple[str, str, Json, Json]]:
    """What can be created: operation, path, a body, and another that could be created as well."""
    home = f"/v1/businesses/{stage.tenant.slug}"
    consents = f"{home}/customers/{stage.tenant.customer_id}/consents"
    founding = {"name": "New", "slug": f"{stage.tenant.slug}-new", "timezone": "UTC", "currency": "USD"}
    return [
        ("createBusiness", "/v1/businesses", founding, founding | {"slug": f"{stage.tenant.slug}-other"}),
        ("createService", f"{home}/services", SERVICE, SERVICE | {"name": "Wax"}),
        ("createProvider", f"{home}/providers", {"name": "Cho"}, {"name": "Dee"}),
        ("createCustomer", f"{home}/customers", {"name": "Robin"}, {"name": "Alex"}),
        ("addConsent", consents, CONSENT, CONSENT | {"granted": False}),
        ("createBusinessTimeOff", f"{home}/time-off", AWAY, AWAY | {"note": "Painters"}),
        ("createProviderTimeOff", f"{home}/providers/ana/time-off", AWAY, AWAY | {"kind": "block"}),
    ]


async def lines(stage: Stage, action: str) -> list[tuple[Any, ...]]:
    """What the audit log has of an action of this owner's: whose business, which object, and how it ended."""
    query = text("SELECT business_id, object_id, outcome FROM audit_log WHERE actor_id = :id AND action = :action")
    parameters = {"id": stage.tenant.principals["owner"].user_id, "action": action}
    async with stage.engine.connect() as conn:
        return [tuple(row) for row in await conn.execute(query, parameters)]


def content_of(answer: httpx.Response) -> tuple[Any, ...]:
    """All that is the same in every answer to one key."""
    names = ("Location", "ETag", "Content-Type")
    return answer.status_code, answer.content, *(answer.headers.get(name) for name in names)


async def test_a_replay_is_byte_identical_and_another_body_is_refused(stage: Stage) -> None:
    owner = stage.as_("owner")
    for operation, path, body, other in kinds(stage):
        first = await owner.post(path, body, **{"Idempotency-Key": "one key"})
        made = ok(first, 201)
        assert first.headers["ETag"], operation
        for spelled in ("one key", '"one key"'):
            assert content_of(await owner.post(path, body, **{"Idempotency-Key": spelled})) == content_of(first), (
                operation
            )
        reused = await owner.post(path, other, **{"Idempotency-Key": "one key"})
        problem(reused, 422, "idempotency_key_reused")
        ok(await owner.post(path, other, **{"Idempotency-Key": "another key"}), 201)
        audited = await lines(stage, operation)
        assert len(audited) == 2, "a replay does nothing"
        if operation == "createBusiness":
            assert {str(line[0]) for line in audited} >= {made["id"]}
        if operation != "addConsent":  # it is known by its customer
            assert made["id"] in {line[1] for line in audited}, operation


async def test_a_refusal_is_not_remembered_under_the_key(stage: Stage) -> None:
    owner, path = stage.as_("owner"), f"/v1/businesses/{stage.tenant.slug}/services"
    key = {"Idempotency-Key": "first refused"}
    problem(await owner.post(path, SERVICE | {"code": "repair"}, **key), 409, "already_exists")
    ok(await owner.post(path, SERVICE, **key), 201)


async def test_an_import_under_a_key_is_stored_and_audited_once_and_a_dry_run_not_at_all(stage: Stage) -> None:
    path = await founded(stage, "replayed")
    assert ok(await send(stage, path, document(), key="k", dry_run=True))["dry_run"] is True
    assert await lines(stage, "importBusiness") == []
    first = await send(stage, path, document(), key="k")
    assert ok(first)["counts"]["services"]["created"] == 2
    assert content_of(await send(stage, path, document(), key="k")) == content_of(first)
    problem(await send(stage, path, {"services": []}, key="k"), 422, "idempotency_key_reused")
    [(business_id, _, outcome)] = await lines(stage, "importBusiness")
    assert (path.endswith(str(business_id)), outcome) == (True, "done")
