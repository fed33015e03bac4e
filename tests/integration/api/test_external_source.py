"""A business's external calendar through the API: access, refusals and secrets."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from db.models import ExternalSource, ExternalTime
from domain.policies import Policy
from runtime.ids import new_id
from runtime.secrets import Secrets
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.applications import running
from tests.support.stage import Json, Stage, make_stage, ok, problem

URL = "https://calendar.example/slots"
TOKEN = "token-of-the-vendor"
"""What a source is without being asked for it."""
DEFAULTS = {
    "url": URL,
    "has_token": False,
    "on_stale": "open",
    "interval_seconds": 60,
    "max_age_seconds": 900,
    "horizon_days": 60,
    "state": "waiting",
    "as_of": None,
    "age_seconds": None,
    "checked_at": None,
    "error": None,
}


def path(stage: Stage) -> str:
    return f"/v1/businesses/{stage.tenant.slug}/external-source"


async def stored(stage: Stage, column: str) -> Any:
    query = text(f"SELECT {column} FROM external_sources WHERE business_id = :id")
    async with stage.engine.connect() as conn:
        return (await conn.execute(query, {"id": stage.tenant.business_id})).scalar_one()


async def heard(stage: Stage, *, ago: timedelta) -> None:
    """As if the source had said something about Ana so long ago."""
    now = datetime.now(UTC)
    await stage.change(ExternalSource, as_of=now - ago, checked_at=now, error="timeout")
    async with stage.engine.begin() as conn:
        await conn.execute(
            ExternalTime.__table__.insert().values(  # type: ignore[attr-defined]
                business_id=stage.tenant.business_id,
                provider_id=stage.tenant.providers["ana"],
                kind="busy",
                starts_at=now,
                ends_at=now + timedelta(hours=1),
            )
        )


async def test_a_source_is_set_read_replaced_and_removed(stage: Stage) -> None:
    owner = stage.as_("owner")
    problem(await owner.get(path(stage)), 404, "not_found")
    problem(await owner.post(f"{path(stage)}/refresh"), 404, "not_found")
    assert ok(await owner.send("PUT", path(stage), {"url": URL})) == DEFAULTS
    assert ok(await owner.get(path(stage))) == DEFAULTS
    chosen = {"on_stale": "closed", "interval_seconds": 10, "max_age_seconds": 10, "horizon_days": 400}
    for _ in range(2):
        assert ok(await stage.as_("admin").send("PUT", path(stage), {"url": URL, **chosen})) == DEFAULTS | chosen
    assert ok(await owner.send("PUT", path(stage), {"url": URL})) == DEFAULTS
    for _ in range(2):
        assert (await owner.send("DELETE", path(stage))).status_code == 204
    problem(await owner.get(path(stage)), 404, "not_found")


async def test_only_the_desk_of_the_business_has_to_do_with_it(stage: Stage, api: ApiClient) -> None:
    ok(await stage.as_("owner").send("PUT", path(stage), {"url": URL}))
    other = await make_stage(api, stage.engine, Policy())
    for caller, status, code in (
        (api, 401, "unauthenticated"),
        (stage.as_("customer"), 404, "not_found"),
        (other.as_("owner"), 404, "not_found"),
        (stage.as_("ana"), 403, "forbidden"),
    ):
        problem(await caller.get(path(stage)), status, code)
        problem(await caller.send("PUT", path(stage), {"url": "https://elsewhere.example/"}), status, code)
        problem(await caller.send("DELETE", path(stage)), status, code)
        problem(await caller.post(f"{path(stage)}/refresh"), status, code)
    assert ok(await stage.as_("owner").get(path(stage))) == DEFAULTS


async def test_the_state_follows_the_age_of_the_data(stage: Stage) -> None:
    owner = stage.as_("owner")
    ok(await owner.send("PUT", path(stage), {"url": URL, "max_age_seconds": 600}))
    await heard(stage, ago=timedelta(minutes=9))
    fresh = ok(await owner.get(path(stage)))
    assert (fresh["state"], fresh["age_seconds"] // 60, fresh["error"]) == ("fresh", 9, "timeout")
    stale = ok(await owner.send("PUT", path(stage), {"url": URL, "max_age_seconds": 500}))
    assert (stale["state"], stale["as_of"]) == ("stale", fresh["as_of"])


async def test_a_source_is_due_at_once_when_it_is_set_and_when_it_is_asked_for(stage: Stage) -> None:
    owner = stage.as_("owner")
    ok(await owner.send("PUT", path(stage), {"url": URL}))
    assert await stored(stage, "next_check_at <= now()")
    for request in (owner.post(f"{path(stage)}/refresh"), owner.send("PUT", path(stage), {"url": URL})):
        await stage.change(ExternalSource, next_check_at=datetime.now(UTC) + timedelta(hours=1))
        assert (await request).status_code in (200, 202)
        assert await stored(stage, "next_check_at <= now()")


async def test_another_url_begins_without_data_and_removing_forgets_them(stage: Stage) -> None:
    owner = stage.as_("owner")
    ok(await owner.send("PUT", path(stage), {"url": URL}))
    await heard(stage, ago=timedelta(minutes=1))
    ok(await owner.send("PUT", path(stage), {"url": URL, "on_stale": "closed"}))
    assert await stage.count("external_times") == 1
    moved = ok(await owner.send("PUT", path(stage), {"url": f"{URL}/other"}))
    assert moved == DEFAULTS | {"url": f"{URL}/other"}
    assert await stage.count("external_times") == 0
    await heard(stage, ago=timedelta(minutes=1))
    await owner.send("DELETE", path(stage))
    assert await stage.count("external_times") == 0


async def test_a_token_is_stored_encrypted_and_stays_until_it_is_changed_removed_or_the_url_is_another(
    stage: Stage, settings: Settings
) -> None:
    owner, token = stage.as_("owner"), f"{TOKEN}-{new_id()}"

    async def put(**body: Any) -> Json:
        response = await owner.send("PUT", path(stage), {"url": URL, **body})
        assert token not in response.text
        return ok(response)

    assert (await put(token=token))["has_token"]
    encrypted = await stored(stage, "token_encrypted")
    assert token not in encrypted
    assert Secrets(settings.secrets_key).decrypt(encrypted) == token
    assert (await put(on_stale="closed"))["has_token"]
    assert await stored(stage, "token_encrypted") == encrypted
    assert not (await put(token=None))["has_token"]
    assert (await put(token=token))["has_token"]
    assert not (await put(url=f"{URL}/other"))["has_token"]


async def test_without_a_key_a_token_is_refused_and_the_setting_named(stage: Stage, settings: Settings) -> None:
    async with running(settings.model_copy(update={"secrets_key": None})) as api:
        owner = api.as_(stage.tenant.principals["owner"])
        refusal = problem(
            await owner.send("PUT", path(stage), {"url": URL, "token": TOKEN}), 422, "invalid_request"
        )
        assert "HOLDFAST_SECRETS_KEY" in refusal["detail"]
        assert TOKEN not in str(refusal)
        problem(await owner.get(path(stage)), 404, "not_found")
        ok(await owner.send("PUT", path(stage), {"url": URL}))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/body/url"),
        ({"url": "http://calendar.example/"}, "/body/url"),
        ({"url": "https://10.0.0.1/"}, "/body/url"),
        ({"url": "https://user:hunter2@calendar.example/"}, "/body/url"),
        ({"url": "https://calendar.example/" + "a" * 2000}, "/body/url"),
        ({"url": "https://calendar.example/\x00"}, "/body/url"),
        ({"url": URL, "token": "hunter2 hunter2"}, "/body/token"),
        ({"url": URL, "token": "hunter2\r\nHost: x"}, "/body/token"),
        ({"url": URL, "token": ""}, "/body/token"),
        ({"url": URL, "on_stale": "ajar"}, "/body/on_stale"),
        ({"url": URL, "interval_seconds": 9}, "/body/interval_seconds"),
        ({"url": URL, "interval_seconds": 600, "max_age_seconds": 599}, "/body"),
        ({"url": URL, "horizon_days": 401}, "/body/horizon_days"),
        ({"url": URL, "max_age_seconds": 10**12}, "/body/max_age_seconds"),
        ({"url": URL, "as_of": "2030-01-01T00:00:00Z"}, "/body/as_of"),
    ],
)
async def test_what_cannot_be_is_refused_where_it_is_wrong(stage: Stage, body: Json, pointer: str) -> None:
    refusal = problem(await stage.as_("owner").send("PUT", path(stage), body), 422, "invalid_request")
    assert [error["pointer"] for error in refusal["errors"]] == [pointer]
    assert "hunter2" not in str(refusal)
    assert await stage.count("external_sources") == 0


async def test_our_own_network_is_refused_by_an_api_that_is_not_a_developer_s(
    stage: Stage, settings: Settings
) -> None:
    async with running(settings.model_copy(update={"outbound_allow_loopback": False})) as api:
        owner = api.as_(stage.tenant.principals["owner"])
        for url in ("http://127.0.0.1:8000/", "https://127.0.0.1/", "https://[::1]/"):
            problem(await owner.send("PUT", path(stage), {"url": url}), 422, "invalid_request")
