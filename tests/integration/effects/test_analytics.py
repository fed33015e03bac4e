"""Accepted bookings are reported to the business's analytics vendors if the customer consents."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import Customer
from db.repositories import effects, integrations
from db.repositories.integrations import NewIntegration
from db.repositories.rows import Row
from domain.effects import OPEN, EffectKind, Port
from domain.policies import Policy
from runtime.json import to_json_text
from runtime.secrets import Secrets
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.simulator import Simulator
from tests.support.stage import PATIENCE_SECONDS, Json, Stage, make_stage, ok
from tests.support.vendors.conversions import EMAIL, MAKERS, PHONE, Measured


@pytest.fixture
async def stage(api: ApiClient, engine: AsyncEngine) -> Stage:
    """A business whose customer can be written to."""
    made = await make_stage(api, engine, Policy())
    async with engine.begin() as conn:
        mine = Customer.id == made.tenant.customer_id
        address = f"{made.tenant.customer_id.hex}.{EMAIL}"
        await conn.execute(update(Customer).where(mine).values(email=address, phone=PHONE))
    return made


async def measured_by(stage: Stage, vendors: Simulator, settings: Settings) -> list[Measured]:
    """Accounts of the business with all of them."""
    accounts = [make(vendors) for make in MAKERS.values()]
    secrets = Secrets(settings.secrets_key)
    async with stage.engine.begin() as conn:
        for account in accounts:
            new = NewIntegration(
                port=Port.ANALYTICS,
                vendor=account.vendor,
                settings=account.settings,
                secrets_encrypted=secrets.encrypt(to_json_text(account.secrets)),
                keep_secrets=False,
            )
            await integrations.save(conn, stage.tenant.business_id, new)
    return accounts


async def say(stage: Stage, purpose: str, *, granted: bool) -> None:
    consent = {"purpose": purpose, "granted": granted, "source": "test", "text": "May we?"}
    path = f"/v1/businesses/{stage.tenant.slug}/customers/{stage.tenant.customer_id}/consents"
    ok(await stage.as_("owner").post(path, consent), 201)


async def accepted(stage: Stage, **body: Any) -> Json:
    booking = await stage.settled(await stage.book(**body), "assigned")
    return ok(await stage.as_("ana").command(booking["id"], "accept"))


async def reports(stage: Stage, booking: Json) -> Sequence[Row]:
    """The effects once they have ended."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with stage.engine.connect() as conn:
                all_ = await effects.list_of_booking(conn, stage.tenant.business_id, UUID(booking["id"]))
            found = [row for row in all_ if row["kind"] == EffectKind.REPORT_CONVERSION]
            if found and not any(row["state"] in OPEN for row in found):
                return found
            await asyncio.sleep(0.05)


async def test_an_accepted_booking_is_reported_once_to_each(
    stage: Stage, vendors: Simulator, settings: Settings
) -> None:
    accounts = await measured_by(stage, vendors, settings)
    await say(stage, "analytics", granted=True)
    booking = await accepted(stage, attribution={"gclid": "abc", "ga_client_id": "1.2"})
    found = await reports(stage, booking)
    assert {row["vendor"]: (row["state"], row["attempts"]) for row in found} == {
        account.vendor: ("done", 1) for account in accounts
    }
    for account in accounts:
        [entry] = account.applied()
        assert entry.key in (booking["reference"], f"{booking['id']}/report_conversion/{account.vendor}")
    await stage.override(booking, "pending")
    await stage.settled(booking, "assigned")
    ok(await stage.as_("ana").command(booking["id"], "accept"))
    assert len(await reports(stage, booking)) == len(accounts)  # it has converted, and does not do so again


async def test_without_consent_at_the_moment_of_sending_nothing_is_told(
    stage: Stage, vendors: Simulator, settings: Settings
) -> None:
    accounts = await measured_by(stage, vendors, settings)
    await say(stage, "analytics", granted=True)
    await say(stage, "marketing", granted=True)
    await say(stage, "analytics", granted=False)
    found = await reports(stage, await accepted(stage, attribution={"gclid": "abc"}))
    assert {(row["state"], row["last_error"]) for row in found} == {("obsolete", "no_consent")}
    assert [account.entries() for account in accounts] == [[], [], []]
    await say(stage, "analytics", granted=True)
    async with stage.engine.begin() as conn:
        for row in found:
            assert await effects.retry(conn, stage.tenant.business_id, row["id"]) is not None
    again = await reports(stage, {"id": str(found[0]["booking_id"])})
    assert {row["state"] for row in again} == {"done"}
    assert {account.vendor: len(account.applied()) for account in accounts} == dict.fromkeys(MAKERS, 1)
