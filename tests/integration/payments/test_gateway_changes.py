"""A shop that changes its gateway, repeated payment attempts, and missing webhooks."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.repositories.payments import MOST_TRIES
from dev.vendors.fault_modes import FaultMode
from domain.effects import VendorError
from domain.policies import Cancellation, Policy
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.businesses.payments import PRICE, Shop, make_shop
from tests.support.simulator import Simulator
from tests.support.stage import Json, ok, problem, until


@pytest.fixture
async def shop(api: ApiClient, engine: AsyncEngine, settings: Settings, vendors: Simulator) -> Shop:
    """It has no hook: whatever the gateway tells is lost."""
    return await make_shop(api, engine, settings, vendors)


async def integrate(shop: Shop, vendor: str, method: str = "PUT", **body: Any) -> httpx.Response:
    path = f"/v1/businesses/{shop.tenant.slug}/integrations/{vendor}"
    return await shop.as_("owner").send(method, path, body or None)


async def authorisation(shop: Shop, booking: Json, state: str) -> None:
    """Wait until the booking's only try is in this state."""
    await until(
        lambda: shop.as_("owner").get(f"/v1/bookings/{booking['id']}/jobs"),
        lambda seen: [job["state"] for job in seen["items"] if job["kind"] == "authorize_payment"] == [state],
    )


async def syncs(shop: Shop, booking: Json) -> int:
    query = text("SELECT count(*) FROM effects WHERE booking_id = :id AND kind = 'sync_payment'")
    async with shop.engine.connect() as conn:
        return int((await conn.execute(query, {"id": booking["id"]})).scalar_one())


async def test_a_gateway_that_was_disabled_ends_what_it_began_and_only_then_may_go(shop: Shop) -> None:
    booking = await shop.buy(shop.methods.good)
    await shop.settled(booking, "assigned")
    ok(await integrate(shop, "stripe", enabled=False))
    ok(await integrate(shop, "payjp", secrets={"api_key": "sk_test_next"}))
    refused = problem(await integrate(shop, "stripe", "DELETE"), 409, "integration_in_use")
    assert refused["payments"] == 1
    ok(await shop.as_("owner").command(booking["id"], "cancel"))
    await shop.paid_up(booking, "released")
    await shop.quiet(booking)
    assert shop.money(booking) == [("authorize", PRICE), ("void", PRICE)]
    assert (await integrate(shop, "stripe", "DELETE")).status_code == 204


@pytest.mark.parametrize(("status", "state"), [(401, "failed"), (500, "retrying")])
async def test_a_method_that_could_not_be_tried_gives_way_to_another(shop: Shop, status: int, state: str) -> None:
    shop.account.behave(FaultMode.FAILING, times=1000, status=status)
    booking = await shop.buy(shop.methods.good)
    await authorisation(shop, booking, state)
    await shop.pay(booking, shop.methods.good)
    shop.account.behave(FaultMode.WELL)
    await shop.settled(booking, "assigned")
    assert shop.money(booking) == [("authorize", PRICE)]


async def test_a_method_that_is_being_tried_stays(shop: Shop) -> None:
    shop.account.behave(FaultMode.HANG, times=1)
    booking = await shop.buy(shop.methods.good)
    await authorisation(shop, booking, "running")
    path = f"/v1/bookings/{booking['id']}/payment"
    again = await shop.as_("customer").post(path, {"method": shop.methods.good})
    problem(again, 409, "nothing_to_pay")
    shop.account.behave(FaultMode.WELL)


@pytest.mark.parametrize(("state", "taken"), [("released", 0), ("refunded", PRICE)])
async def test_what_was_let_go_or_given_back_can_be_paid_again(shop: Shop, state: str, taken: int) -> None:
    booking = await shop.buy()
    before = "state = :state, tries = 1, captured_minor = :taken, refunded_minor = :taken, keep_minor = 0"
    async with shop.engine.begin() as conn:
        values = {"state": state, "taken": taken, "id": booking["id"]}
        await conn.execute(text(f"UPDATE payments SET {before} WHERE booking_id = :id"), values)
    await shop.pay(booking, shop.methods.good)
    await shop.settled(booking, "assigned")
    row = await shop.row(booking)
    assert (row["state"], row["tries"], row["captured_minor"], row["keep_minor"]) == ("authorized", 2, 0, None)


async def test_nobody_tests_cards_here(shop: Shop) -> None:
    booking = await shop.buy(shop.methods.declined)
    await shop.paid_up(booking, "declined")
    async with shop.engine.begin() as conn:
        worn = {"tries": MOST_TRIES, "id": booking["id"]}
        await conn.execute(text("UPDATE payments SET tries = :tries WHERE booking_id = :id"), worn)
    path = f"/v1/bookings/{booking['id']}/payment"
    refused = await shop.as_("customer").post(path, {"method": shop.methods.good})
    problem(refused, 409, "too_many_payment_tries")


async def test_a_page_that_asks_goes_on_though_the_gateway_does_not_call(shop: Shop) -> None:
    booking = await shop.buy(shop.methods.challenged)
    await until_authorizing(shop, booking)
    await shop.account.authenticate((await shop.row(booking))["gateway_ref"])
    await shop.payment(booking, "owner")
    assert await syncs(shop, booking) == 0
    await shop.payment(booking)
    await shop.settled(booking, "assigned")
    assert await syncs(shop, booking) == 1


async def until_authorizing(shop: Shop, booking: Json) -> None:
    """Wait until the customer is asked who they are, without asking as they would."""
    await until(
        lambda: shop.as_("owner").get(f"/v1/bookings/{booking['id']}/payment"),
        lambda seen: seen["state"] == "action_required",
    )
    await shop.quiet(booking)


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("refund.updated", "refund"),
        ("charge.refund.updated", "refund"),
        ("charge.dispute.created", "dispute"),
        ("charge.refunded", "charge"),
    ],
)
async def test_what_becomes_of_a_charge_is_asked_of_its_payment(
    shop: Shop, api_url: str, kind: str, about: str
) -> None:
    booking = await shop.buy(shop.methods.good)
    await shop.settled(booking, "assigned")
    ref = (await shop.row(booking))["gateway_ref"]
    details = {"object": about, "id": "xx_1", "payment_intent": ref, "metadata": {"holdfast_booking": "settled"}}
    event = {"id": f"evt_{booking['id']}", "type": kind, "data": {"object": details}}
    body, headers = shop.account.simulated.sign("whsec_test", event)
    async with httpx.AsyncClient(base_url=api_url) as http:
        path = f"/v1/hooks/stripe/{shop.integration_id}"
        assert (await http.post(path, content=body, headers=dict(headers))).status_code == 204
    assert await syncs(shop, booking) == 1


@pytest.mark.parametrize(
    ("deposit", "currency"), [(30, "USD"), (49, "JPY"), (1_000_000_00, "USD"), (29, "GBP"), (17_499, "HUF")]
)
async def test_a_deposit_that_the_gateway_does_not_take_is_refused_at_the_door(
    shop: Shop, deposit: int, currency: str
) -> None:
    priced = {"currency": currency, "price_minor": 2_000_000_00}
    await shop.charge(payment_mode="deposit", deposit_minor=deposit, **priced)
    request = shop.as_("customer").book(shop.tenant, starts_at=shop.next_start())
    problem(await request, 422, "payment_unavailable")


async def test_a_fee_below_what_the_gateway_charges_is_let_go(
    api: ApiClient, engine: AsyncEngine, settings: Settings, vendors: Simulator
) -> None:
    small = Policy(cancellation=Cancellation(window_minutes=14 * 24 * 60, fee_percent=1))
    shop = await make_shop(api, engine, settings, vendors, policy=small)
    await shop.charge(price_minor=4900)  # of which 49 cents would be owed
    booking = await shop.buy(shop.methods.good)
    await shop.paid_up(booking, "authorized")
    await shop.settled(booking, "assigned")
    ok(await shop.as_("customer").command(booking["id"], "cancel"))
    await shop.paid_up(booking, "released")
    assert shop.money(booking) == [("authorize", 4900), ("void", 4900)]


async def test_the_simulated_gateway_refuses_what_the_gateway_documents_to_refuse(shop: Shop) -> None:
    account = shop.account
    for amount, code in ((49, "amount_too_small"), (100_000_000, "amount_too_large")):
        charge_request = replace(await account.charge_request(shop.methods.good), amount=amount)
        with pytest.raises(VendorError) as raised:
            await account.gateway.authorize(account.call(), charge_request)
        assert (raised.value.code, raised.value.permanent) == (code, True)
    assert account.moved() == []
