"""Personal data and secrets are in no log and in no payload of the engine."""

import asyncio
import json
import logging
from uuid import uuid4

import pytest
from temporalio.client import Client

from domain.names import booking_workflow_id
from runtime.settings import Settings
from tests.support.accounts import SignedInUser, forget_attempts, mails_to, token_in
from tests.support.api_client import ApiClient
from tests.support.factories import Tenant
from tests.support.personal_data import CANARY, PERSONAL, PHONE, live_a_life, traces_in
from tests.support.processes import api_process, process
from tests.support.stage import Stage, ok


async def test_a_booking_s_life_leaves_no_personal_data_in_the_logs(
    stage: Stage, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        booking = await live_a_life(stage)
    printed = capfd.readouterr()
    said = printed.out + printed.err + caplog.text
    assert booking["id"] in said, "the logs are the ones of this booking"
    assert traces_in(said) == []


async def test_the_engine_hears_ids_only(stage: Stage, client: Client) -> None:
    booking = await live_a_life(stage)
    history = await client.get_workflow_handle(booking_workflow_id(booking["id"])).fetch_history()
    stored = b"".join(event.SerializeToString() for event in history.events)
    assert booking["id"].encode() in stored
    assert traces_in(stored.decode("latin-1")) == []


async def keep_secrets(stage: Stage, settings: Settings) -> set[str]:
    """Prove who one is in every way, rightly and wrongly, and book with it; everything that proves it."""
    address, password = f"{CANARY}-{uuid4().hex}@example.com".lower(), f"{CANARY} opens the door"
    account = {"email": address, "password": password, "name": f"{CANARY} Roe"}
    ok(await stage.api.post("/v1/auth/register", account), 202)
    mailed = token_in((await mails_to(settings.mail_folder, address))[0])
    session = ok(await stage.api.post("/v1/auth/verify-email", {"token": mailed, "password": password}))
    signed_in = SignedInUser(stage.api, session)
    await stage.api.post("/v1/auth/login", {"email": address, "password": f"not {password}"})
    refreshed = ok(await stage.api.post("/v1/auth/refresh", {"refresh_token": session["refresh_token"]}))
    await stage.api.post("/v1/auth/refresh", {"refresh_token": f"{session['refresh_token']}x"})
    changed = {"current_password": password, "new_password": f"{password} again"}
    assert (await signed_in.post("/v1/auth/change-password", changed)).status_code == 204
    ok(await stage.api.post("/v1/auth/forgot-password", {"email": address}), 202)
    reset = token_in((await mails_to(settings.mail_folder, address, 2))[1])
    chosen = {"token": reset, "password": f"{password} at last"}
    assert (await stage.api.post("/v1/auth/reset-password", chosen)).status_code == 204
    tokens = [one[name] for one in (session, refreshed) for name in ("access_token", "refresh_token")]
    return {mailed, reset, *tokens, *await book_by_key_and_as_guest(stage)}


async def book_by_key_and_as_guest(stage: Stage) -> set[str]:
    """The API key, and the token of the guest's link."""
    root, slot = f"/v1/businesses/{stage.tenant.slug}", {"service_id": "repair"}
    body = {"name": CANARY, "scopes": ["book", "customers:manage", "business:manage"]}
    key = ok(await stage.as_("owner").post(f"{root}/api-keys", body), 201)["key"]
    program = stage.api.with_token(key)
    ok(await program.book(stage.tenant, **slot, starts_at=stage.next_start(), **PERSONAL), 201)
    person = {**PERSONAL["customer"], "consents": [{"purpose": "sms", "granted": True, "text": CANARY}]}
    await program.post(f"{root}/customers", person)
    await program.post(f"{root}/customers/search", {"email": PERSONAL["customer"]["email"]})
    ok(await program.post(f"{root}/import", {"customers": [{"name": f"{CANARY} Im Port", "phone": PHONE}]}))
    await program.post(f"{root}/import", {"customers": [{"name": CANARY, "phone": CANARY, CANARY: CANARY}]})
    await stage.api.with_token(f"{key}x").get(f"{root}/customers")
    booked = ok(await stage.api.book(stage.tenant, **slot, starts_at=stage.next_start(), **PERSONAL), 201)
    link = booked["manage"]["token"]
    guest = stage.api.with_token(link)
    ok(await guest.get(f"/v1/bookings/{booked['id']}"))
    ok(await guest.command(booked["id"], "cancel", reason=f"{CANARY} changed their mind"))
    await stage.api.with_token(f"{link}x").get(f"/v1/bookings/{booked['id']}")
    await guest.get(f"/v1/bookings/{CANARY}?{CANARY}={CANARY}")
    return {key, link}


async def test_api_and_worker_log_one_json_object_a_line_and_never_a_name_a_password_or_a_token(
    settings: Settings, tenant: Tenant, stage: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    async with process(settings, "worker") as worker_lines, api_process(settings) as (http, api_lines):
        alone = Stage(ApiClient.over(http, settings), stage.engine, tenant)
        await forget_attempts(stage.engine)
        secrets = await keep_secrets(alone, settings)
        async with asyncio.timeout(30):
            while not any("messages_sent" in line for line in worker_lines):
                await live_a_life(alone)  # the worker of the fixtures takes its share of the work
            await http.get("/livez", headers={"X-Request-ID": "the-last-one"})
            while not any("the-last-one" in line for line in api_lines):
                await asyncio.sleep(0.01)
    records = [json.loads(line) for line in [*worker_lines, *api_lines]]
    requests = [record for record in records if record.get("event") == "request"]
    assert requests[-1]["request_id"] == "the-last-one"
    assert {"method", "route", "status", "ms", "request_id", "service", "level", "timestamp"} <= set(requests[-1])
    assert len(requests) > 20
    printed = capfd.readouterr()
    said = "\n".join([*api_lines, *worker_lines, printed.out, printed.err])
    assert traces_in(said) == []
    assert len(secrets) == 8
    assert [secret for secret in secrets if secret in said or secret.rsplit(".", 1)[-1] in said] == []
