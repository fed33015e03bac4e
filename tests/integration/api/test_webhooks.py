"""Webhook endpoints through the API: access, refusals and secrets."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from domain.callers import Scope
from domain.webhooks import MOST_ENDPOINTS
from runtime.ids import new_id
from tests.support.api_client import ApiClient
from tests.support.api_keys import key_holder
from tests.support.applications import running
from tests.support.stage import Json, Stage, make_stage, ok, patch, problem

URL = "https://hooks.example.com/holdfast"


@pytest.fixture
async def stage(api: ApiClient, engine: Any) -> Stage:
    return await make_stage(api, engine)


def path(stage: Stage, *parts: str) -> str:
    return "/".join([f"/v1/businesses/{stage.tenant.slug}/webhook-endpoints", *parts])


async def create(stage: Stage, url: str = URL, **body: Any) -> Json:
    return ok(await stage.as_("owner").post(path(stage), {"url": url, **body}), 201)


async def test_the_secret_is_told_once_and_stored_encrypted(stage: Stage) -> None:
    made = await create(stage, description="Ours", event_types=["scheduling.booking.*"])
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["state"] == "enabled"
    response = await stage.as_("owner").get(path(stage, made["id"]))
    assert ok(response) == made
    listing = await stage.as_("owner").get(path(stage))
    assert ok(listing) == {"items": [made]}
    rotated = ok(await stage.as_("owner").post(path(stage, made["id"], "rotate-secret")))
    assert rotated["secret"] not in ("", secret)
    assert rotated["former_secret_until"] > made["created_at"]
    async with stage.engine.connect() as conn:
        query = text("SELECT CAST(row_to_json(w) AS text) FROM webhook_endpoints w WHERE id = :id")
        stored = (await conn.execute(query, {"id": made["id"]})).scalar_one()
    kept = await stage.as_("owner").get(path(stage, made["id"]))
    for where in (response.text, listing.text, kept.text, stored):
        assert secret.removeprefix("whsec_") not in where
        assert rotated["secret"].removeprefix("whsec_") not in where


async def test_a_creation_that_is_repeated_names_the_endpoint_that_is_there(stage: Stage) -> None:
    answers = await asyncio.gather(
        *(stage.as_("owner").post(path(stage), {"url": URL}) for _ in range(4)),
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    [made] = [answer.json() for answer in answers if answer.status_code == 201]
    taken = problem(await stage.as_("owner").post(path(stage), {"url": URL}), 409, "already_exists")
    assert taken["id"] == made["id"]
    other = await create(stage, "https://other.example.com/")
    problem(await patch(stage.as_("owner"), path(stage, other["id"]), {"url": URL}), 409, "already_exists")


async def test_an_endpoint_is_changed_as_it_was_read_and_deleted_for_good(stage: Stage) -> None:
    made, owner = await create(stage), stage.as_("owner")
    tag = (await owner.get(path(stage, made["id"]))).headers["ETag"]
    problem(await owner.send("PATCH", path(stage, made["id"]), {"description": "x"}), 428, "precondition_required")
    changes = {"state": "disabled", "event_types": ["scheduling.booking.accepted"]}
    response = await patch(owner, path(stage, made["id"]), changes, **{"If-Match": tag})
    changed = ok(response)
    assert (changed["state"], changed["disabled_reason"], changed["url"]) == ("disabled", "by_hand", URL)
    problem(await patch(owner, path(stage, made["id"]), {}, **{"If-Match": tag}), 412, "stale")
    for action in ("replay", f"deliveries/{new_id()}/retry"):
        problem(await owner.post(path(stage, made["id"], action)), 409, "endpoint_disabled")
    enabled = ok(await patch(owner, path(stage, made["id"]), {"state": "enabled"}))
    assert (enabled["state"], enabled["disabled_reason"]) == ("enabled", None)
    assert enabled["event_types"] == ["scheduling.booking.accepted"]
    assert (await owner.send("DELETE", path(stage, made["id"]))).status_code == 204
    for method, action in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/rotate-secret")):
        problem(await owner.send(method, path(stage, made["id"]) + action), 404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://hooks.example.com/"},
        {"url": "https://10.0.0.1/"},
        {"url": "https://[::ffff:10.0.0.1]/"},
        {"url": "https://169.254.169.254/latest/meta-data"},
        {"url": "https://user:secret@hooks.example.com/"},
        {"url": "https://2852039166/"},
        {"url": "ftp://hooks.example.com/"},
        {"url": "hooks"},
        {"url": "https://exa mple.com/"},
        {"url": "https://hooks.example.com/#part"},
        {"url": ""},
        {"url": URL, "event_types": ["scheduling.booking.acepted"]},
        {"url": URL, "event_types": ["*"]},
        {"url": URL, "secret": "whsec_mine"},
        {},
    ],
    ids=str,
)
async def test_an_address_or_a_type_that_cannot_be_is_refused(stage: Stage, body: Json) -> None:
    answer = problem(await stage.as_("owner").post(path(stage), body), 422, "invalid_request")
    assert "secret@" not in str(answer)
    assert await stage.count("webhook_endpoints") == 0


async def test_a_url_is_kept_with_its_host_in_ascii_and_is_the_same_however_it_is_typed(stage: Stage) -> None:
    made = await create(stage, "https://M\u00fcller.example/hooks")
    assert made["url"] == "https://xn--mller-kva.example/hooks"
    again = await stage.as_("owner").post(path(stage), {"url": "https://m\u00fcller.example:443/hooks"})
    assert problem(again, 409, "already_exists")["id"] == made["id"]
    tag = (await stage.as_("owner").get(path(stage, made["id"]))).headers["ETag"]
    moved = await patch(
        stage.as_("owner"), path(stage, made["id"]), {"url": "https://\u00fc.example/"}, **{"If-Match": tag}
    )
    assert ok(moved)["url"] == "https://xn--tda.example/"


async def test_a_business_has_no_more_endpoints_than_it_may(stage: Stage) -> None:
    for number in range(MOST_ENDPOINTS):
        await create(stage, f"{URL}/{number}")
    problem(await stage.as_("owner").post(path(stage), {"url": URL}), 409, "too_many_webhook_endpoints")


async def test_endpoints_are_for_the_desk_and_for_no_key(stage: Stage) -> None:
    made, other = await create(stage), await make_stage(stage.api, stage.engine)
    for scope in (Scope.MANAGE_BUSINESS, Scope.READ_EVENTS):
        problem(await (await key_holder(stage, scope)).get(path(stage)), 403, "forbidden")
    problem(await stage.as_("ana").get(path(stage)), 403, "forbidden")
    problem(await other.as_("owner").get(path(stage)), 404, "not_found")
    for action in ("", "/deliveries"):
        problem(await other.as_("owner").get(path(other, made["id"]) + action), 404, "not_found")
    problem(await other.as_("owner").post(path(other, made["id"], "test")), 404, "not_found")


async def test_without_a_key_of_our_own_no_secret_is_stored(stage: Stage, settings: Any) -> None:
    async with running(settings.model_copy(update={"secrets_key": None})) as keyless:
        answer = await keyless.as_(stage.tenant.principals["owner"]).post(path(stage), {"url": URL})
    problem(answer, 422, "invalid_request")
