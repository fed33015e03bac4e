"""Paid bookings end to end: HTTP, workflow, gateway and back."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from dev.vendors.callbacks import CallbackMode
from domain.effects import Vendor
from domain.policies import Policy
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.businesses.payments import FEE, PRICE, Shop, make_shop
from tests.support.factories import future
from tests.support.schedules import held, redeem
from tests.support.simulator import Simulator
from tests.support.stage import Json, ok, problem


@pytest.fixture
async def shop(api: ApiClient, engine: AsyncEngine, settings: Settings, vendors: Simulator) -> Shop:
    return await make_shop(api, engine, settings, vendors)


@pytest.mark.parametrize("vendor", [Vendor.STRIPE, Vendor.PAYJP])
async def test_a_booking_is_authorised_offered_accepted_and_captured(
    vendor: Vendor, api: ApiClient, engine: AsyncEngine, settings: Settings, vendors: Simulator
) -> None:
    shop = await make_shop(api, engine, settings, vendors, vendor)
    booking = await shop.buy(shop.methods.good)
    assert (booking["status"], booking["payment"]) == ("pending", "awaiting")
    offered = await shop.settled(booking, "assigned")
    assert offered["payment"] == "authorized"
    assert shop.money(booking) == [("authorize", PRICE)]
    ok(await shop.as_("ana").command(booking["id"], "accept"))
    paid = await shop.paid_up(booking, "captured")
    assert paid["captured"]["amount_minor"] == PRICE
    assert shop.money(booking) == [("authorize", PRICE), ("capture", PRICE)]
    assert await shop.events(booking) == [("payment.authorized", PRICE), ("payment.captured", PRICE)]
    assert (await shop.row(booking))["method_encrypted"] is None
    kinds = [step["kind"] for step in await shop.history(booking)]
    assert kinds in (
        ["created", "paid", *["transition"] * 2],
        ["created", "payment_asked", "paid", *["transition"] * 2],
    )


async def test_nobody_is_offered_a_booking_before_it_is_paid(shop: Shop) -> None:
    booking = await shop.buy()
    pending = await shop.settled(booking, "pending")
    assert pending["provider_id"] is not None
    coming = await shop.next(booking)
    assert (coming["phase"], coming["deadline"]["kind"]) == ("awaiting_payment", "payment_expires")
    assert coming["next_attempt_at"] is None
    seen = await shop.payment(booking)
    assert (seen["state"], seen["expires_at"]) == ("awaiting", coming["deadline"]["at"])
    await shop.pay(booking, shop.methods.good)
    await shop.settled(booking, "assigned")
    problem(
        await shop.as_("customer").post(f"/v1/bookings/{booking['id']}/payment", {"method": "pm_card_visa"}),
        409,
        "nothing_to_pay",
    )


async def test_after_a_decline_another_method_pays(shop: Shop) -> None:
    booking = await shop.buy(shop.methods.declined)
    declined = await shop.paid_up(booking, "declined")
    assert declined["failure"] == "generic_decline"
    await shop.pay(booking, shop.methods.good)
    await shop.settled(booking, "assigned")
    assert shop.money(booking) == [("authorize", PRICE)]
    assert [kind for kind, _ in await shop.events(booking)] == ["payment.declined", "payment.authorized"]


@pytest.mark.parametrize("mode", [CallbackMode.TWICE, CallbackMode.REVERSED])
async def test_the_bank_asks_the_customer_and_the_gateway_s_call_completes_it(
    shop: Shop, api_url: str, mode: CallbackMode
) -> None:
    await shop.connect_hook(api_url)
    shop.account.simulated.callbacks.set_mode(shop.account.key, mode)
    booking = await shop.buy(shop.methods.challenged)
    payment = await shop.paid_up(booking, "action_required")
    assert payment["action"]["client_secret"]
    assert (await shop.payment(booking, "owner"))["action"] is None  # the customer's alone
    await shop.account.authenticate((await shop.row(booking))["gateway_ref"])
    shop.account.simulated.callbacks.release(shop.account.key)
    await shop.settled(booking, "assigned")
    assert shop.money(booking) == [("authorize", PRICE)]
    assert (await shop.payment(booking))["action"] is None


async def test_a_call_that_nobody_signed_is_refused(shop: Shop, api_url: str) -> None:
    path = f"/v1/hooks/stripe/{shop.integration_id}"
    event = {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {"id": "pi_1"}}}
    problem(await shop.api.post(path, event), 401, "unauthenticated")


async def test_cancelling_before_anything_is_taken_lets_it_go(shop: Shop) -> None:
    booking = await shop.buy(shop.methods.good)
    await shop.settled(booking, "assigned")
    ok(await shop.as_("owner").command(booking["id"], "cancel"))
    seen = await shop.paid_up(booking, "released")
    assert (seen["captured"]["amount_minor"], seen["keep"]["amount_minor"]) == (0, 0)
    assert shop.money(booking) == [("authorize", PRICE), ("void", PRICE)]


@pytest.mark.parametrize(
    ("who", "window", "kept"),
    [("customer", FEE.window_minutes, PRICE // 2), ("customer", 60, 0), ("owner", None, 0)],
)
async def test_the_cancellation_policy_decides_what_is_given_back(
    who: str,
    window: int | None,
    kept: int,
    api: ApiClient,
    engine: AsyncEngine,
    settings: Settings,
    vendors: Simulator,
) -> None:
    cancellation = FEE.model_copy(update={} if window is None else {"window_minutes": window})
    policy = Policy(cancellation=cancellation, auto_accept=True)
    shop = await make_shop(api, engine, settings, vendors, policy=policy)
    booking = await shop.buy(shop.methods.good)
    await shop.paid_up(booking, "captured")
    ok(await shop.as_(who).command(booking["id"], "cancel"))
    await shop.quiet(booking)
    seen = await shop.payment(booking)
    assert seen["keep"]["amount_minor"] == kept == shop.kept(booking)
    assert seen["state"] == ("captured" if kept else "refunded")
    assert seen["refunded"]["amount_minor"] == PRICE - kept


async def test_a_fee_that_is_owed_stays_owed_however_far_the_customer_moves_it(
    api: ApiClient, engine: AsyncEngine, settings: Settings, vendors: Simulator
) -> None:
    shop = await make_shop(api, engine, settings, vendors, policy=Policy(cancellation=FEE, auto_accept=True))
    booking = await shop.buy(shop.methods.good)
    await shop.paid_up(booking, "captured")
    before = (await shop.next(booking))["cancellation"]
    assert (before["fee"]["amount_minor"], before["is_due"]) == (PRICE // 2, True)
    later = future(72 + 28 * 24)
    moved = await shop.as_("customer").command(booking["id"], "reschedule", starts_at=later)
    assert datetime.fromisoformat(ok(moved)["starts_at"]) == later
    ahead = (await shop.next(booking))["cancellation"]
    assert (ahead["fee"], ahead["is_due"]) == (before["fee"], True)
    assert datetime.fromisoformat(ahead["free_until"]) < datetime.now(UTC)
    ok(await shop.as_("customer").command(booking["id"], "cancel"))
    await shop.quiet(booking)
    assert (await shop.payment(booking))["keep"]["amount_minor"] == PRICE // 2 == shop.kept(booking)


async def test_of_a_promise_only_the_fee_is_taken(shop: Shop) -> None:
    await shop.charge(payment_at="completion")
    booking = await shop.buy(shop.methods.good)
    await shop.settled(booking, "assigned")
    ok(await shop.as_("ana").command(booking["id"], "accept"))
    ok(await shop.as_("customer").command(booking["id"], "cancel"))
    await shop.quiet(booking)
    assert shop.money(booking) == [("authorize", PRICE), ("capture", PRICE // 2)]
    assert (await shop.payment(booking))["keep"]["amount_minor"] == PRICE // 2


async def test_a_deposit_is_all_that_can_be_kept(shop: Shop) -> None:
    await shop.charge(payment_mode="deposit", deposit_minor=1000)
    booking = await shop.buy(shop.methods.good)
    await shop.settled(booking, "assigned")
    ok(await shop.as_("customer").command(booking["id"], "cancel"))
    await shop.quiet(booking)
    assert shop.money(booking) == [("authorize", 1000), ("capture", 1000)]


async def test_a_promise_that_lapsed_is_made_again_before_it_is_captured(shop: Shop) -> None:
    await shop.charge(payment_at="completion")
    booking = await shop.buy(shop.methods.good)
    await shop.settled(booking, "assigned")
    await shop.account.pass_hours(8 * 24)
    for command in ("accept", "start", "complete"):
        ok(await shop.as_("ana").command(booking["id"], command))
    await shop.paid_up(booking, "captured")
    assert [action for action, _ in shop.money(booking)] == ["authorize", "lapse", "authorize", "capture"]
    assert (await shop.row(booking))["tries"] == 2


async def test_a_retry_after_25_hours_still_captures_once(shop: Shop) -> None:
    booking = await shop.buy(shop.methods.good)
    await shop.settled(booking, "assigned")
    shop.account.lose_the_reply(behind="list", to="capture", hours=25)
    ok(await shop.as_("ana").command(booking["id"], "accept"))
    await shop.paid_up(booking, "captured")
    assert shop.money(booking) == [("authorize", PRICE), ("capture", PRICE)]
    assert await shop.attempts(booking, "capture_payment") == 2


async def test_an_authorisation_whose_reply_was_lost_is_found_a_day_later(shop: Shop) -> None:
    shop.account.lose_the_reply(behind="customer.create", to="authorize", hours=25)
    booking = await shop.buy(shop.methods.good)
    await shop.settled(booking, "assigned")
    assert shop.money(booking) == [("authorize", PRICE)]
    assert await shop.attempts(booking, "authorize_payment") == 2


async def test_a_refund_whose_reply_was_lost_is_not_given_twice(
    api: ApiClient, engine: AsyncEngine, settings: Settings, vendors: Simulator
) -> None:
    shop = await make_shop(api, engine, settings, vendors, policy=Policy(cancellation=FEE, auto_accept=True))
    booking = await shop.buy(shop.methods.good)
    await shop.paid_up(booking, "captured")
    shop.account.lose_the_reply(behind="list", to="refund", hours=25)
    ok(await shop.as_("customer").command(booking["id"], "cancel"))
    await shop.quiet(booking)
    assert shop.kept(booking) == PRICE // 2
    assert await shop.attempts(booking, "settle_payment") == 2


async def test_a_payment_that_nobody_told_of_is_told_by_recovery(shop: Shop) -> None:
    booking = await shop.buy()
    async with shop.engine.begin() as conn:
        await conn.execute(
            text("UPDATE payments SET state = 'authorized' WHERE booking_id = :id"), {"id": booking["id"]}
        )
    await shop.settled(booking, "assigned")


async def test_a_business_without_a_gateway_takes_no_paid_booking(shop: Shop) -> None:
    await shop.charge(currency="USD")
    async with shop.engine.begin() as conn:
        await conn.execute(
            text("UPDATE integrations SET enabled = false WHERE id = :id"), {"id": shop.integration_id}
        )
    request: Json = {"starts_at": shop.next_start(), "payment": {"method": "pm_card_visa"}}
    problem(await shop.as_("customer").book(shop.tenant, **request), 422, "payment_unavailable")
    await shop.charge(payment_mode="none")
    problem(await shop.as_("customer").book(shop.tenant, **request), 422, "invalid_request")
    free = await shop.book()
    assert free["payment"] is None
    problem(await shop.as_("customer").get(f"/v1/bookings/{free['id']}/payment"), 404, "not_found")
    assert await shop.effects(free) == []


async def test_a_hold_is_paid_as_it_was_promised_or_has_expired(shop: Shop) -> None:
    first, second = [await held(shop, shop.next_start()) for _ in range(2)]
    await shop.charge(payment_mode="deposit", deposit_minor=1000, price_minor=3 * PRICE)
    paid: Json = {"payment": {"method": shop.methods.good}}
    booking = ok(await redeem(shop, first, **paid), 201)
    await shop.settled(booking, "assigned")
    assert (booking["price"]["amount_minor"], shop.money(booking)) == (PRICE, [("authorize", PRICE)])
    await shop.charge(payment_mode="none", deposit_minor=None)
    problem(await redeem(shop, second, **paid), 409, "hold_expired")
