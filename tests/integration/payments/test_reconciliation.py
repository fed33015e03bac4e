"""Reconciliation of payments with the gateway after lost webhooks or actions at the gateway."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from dev.vendors.stripe import Stripe
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.businesses.payments import PRICE, Shop, make_shop
from tests.support.reconciliation import findings_of, round_of
from tests.support.simulator import Simulator
from tests.support.stage import Json, ok, until


@pytest.fixture
async def shop(api: ApiClient, engine: AsyncEngine, settings: Settings, vendors: Simulator) -> Shop:
    """It has no hook: whatever the gateway tells is lost."""
    return await make_shop(api, engine, settings, vendors)


async def captured(shop: Shop) -> Json:
    """A booking that was accepted and paid."""
    booking = await shop.buy(shop.methods.good)
    await shop.settled(booking, "assigned")
    ok(await shop.as_("ana").command(booking["id"], "accept"))
    await shop.paid_up(booking, "captured")
    await shop.quiet(booking)
    return booking


async def kept_at_the_gateway(shop: Shop, booking: Json) -> tuple[dict[str, Any], Any]:
    """The account's payments, and that of the booking."""
    gateway = shop.account.simulated
    assert isinstance(gateway, Stripe)
    intents = gateway.payments(shop.account.key)
    return intents, intents[(await shop.row(booking))["gateway_ref"]]


async def test_a_promise_that_nobody_told_of_is_heard_of_and_the_booking_goes_on(
    shop: Shop, client: Client
) -> None:
    booking = await shop.buy(shop.methods.challenged)
    await shop.paid_up(booking, "action_required")
    await shop.quiet(booking)
    await shop.account.authenticate((await shop.row(booking))["gateway_ref"])
    assert (await round_of(shop, client)).repairing == 1
    await shop.settled(booking, "assigned")
    await shop.quiet(booking)
    await round_of(shop, client)
    assert await findings_of(shop) == [("payment_unknown", "resolved")]


async def test_what_is_kept_of_a_booking_that_ended_is_given_back(shop: Shop, client: Client) -> None:
    booking = await captured(shop)
    ok(await shop.as_("owner").command(booking["id"], "cancel"))
    await shop.paid_up(booking, "refunded")
    await shop.quiet(booking)
    _, intent = await kept_at_the_gateway(shop, booking)
    intent.refunded = 0  # as if it had never been given back
    assert (await round_of(shop, client)).repairing == 1
    await shop.quiet(booking)
    assert intent.refunded == PRICE
    await round_of(shop, client)
    assert await findings_of(shop) == [("payment_unsettled", "resolved")]


async def test_money_that_was_taken_twice_is_for_people(shop: Shop, client: Client) -> None:
    booking = await captured(shop)
    assert await round_of(shop, client)
    assert await findings_of(shop) == []
    intents, intent = await kept_at_the_gateway(shop, booking)
    metadata = intent.metadata | {"holdfast_try": "2"}
    intents["pi_twice"] = replace(intent, id="pi_twice", metadata=metadata)
    assert (await round_of(shop, client)).flagged == 1
    assert await findings_of(shop) == [("payment_twice", "open")]
    seen = await until(
        lambda: shop.as_("admin").get(f"/v1/bookings/{booking['id']}"), lambda seen: bool(seen["needs_attention"])
    )
    assert seen["status"] == "accepted"
    assert intent.refunded == 0
