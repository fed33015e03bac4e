"""Payments that go on after an end: lapsed authorizations, declined captures, reopened bookings."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from db.repositories import effect_planning
from dev.vendors.stripe import Stripe
from domain.effects import EffectKind, Planned, Port, SequenceKey
from runtime.secrets import Secrets
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.businesses.payments import PRICE, Shop, make_shop
from tests.support.reconciliation import findings_of, round_of
from tests.support.simulator import Simulator
from tests.support.stage import Json, ok

FEE = PRICE // 2


@pytest.fixture
async def shop(api: ApiClient, engine: AsyncEngine, settings: Settings, vendors: Simulator) -> Shop:
    return await make_shop(api, engine, settings, vendors)


@pytest.fixture
def secrets(settings: Settings) -> Secrets:
    return Secrets(settings.secrets_key)


async def lapsed(shop: Shop) -> Json:
    """An accepted booking whose promise was not taken up in time."""
    await shop.charge(payment_at="completion")
    booking = await shop.buy(shop.methods.good)
    await shop.settled(booking, "assigned")
    ok(await shop.as_("ana").command(booking["id"], "accept"))
    await shop.quiet(booking)
    await shop.account.pass_hours(8 * 24)
    return booking


async def save_method(shop: Shop, booking: Json, secrets: Secrets, method: str) -> None:
    """Have the saved method be another: cards expire, and are filled up again."""
    async with shop.engine.begin() as conn:
        await conn.execute(
            text("UPDATE payments SET method_encrypted = :method WHERE booking_id = :id"),
            {"id": booking["id"], "method": secrets.encrypt(method)},
        )
    _stripe(shop).customers(shop.account.key).saved.add(((await shop.row(booking))["payer_ref"], method))


def _stripe(shop: Shop) -> Stripe:
    """The shop's gateway."""
    gateway = shop.account.simulated
    assert isinstance(gateway, Stripe)
    return gateway


async def retry(shop: Shop, booking: Json, kind: str) -> None:
    """The desk has the newest effect of a kind tried again."""
    query = text("SELECT id FROM effects WHERE booking_id = :id AND kind = :kind ORDER BY id DESC LIMIT 1")
    async with shop.engine.connect() as conn:
        effect_id = (await conn.execute(query, {"id": booking["id"], "kind": kind})).scalar_one()
    ok(await shop.as_("admin").post(f"/v1/bookings/{booking['id']}/jobs/{effect_id}/retry"))
    await shop.quiet(booking)


async def complete(shop: Shop, booking: Json) -> None:
    for command in ("start", "complete"):
        ok(await shop.as_("ana").command(booking["id"], command))
    await shop.quiet(booking)


async def test_a_fee_whose_promise_lapsed_is_promised_again_and_taken(shop: Shop) -> None:
    booking = await lapsed(shop)
    ok(await shop.as_("customer").command(booking["id"], "cancel"))
    await shop.quiet(booking)
    assert shop.money(booking) == [("authorize", PRICE), ("lapse", PRICE), ("authorize", FEE), ("capture", FEE)]
    row = await shop.row(booking)
    assert (row["state"], row["keep_minor"], row["captured_minor"], row["tries"]) == ("captured", FEE, FEE, 2)


async def test_what_the_desk_calls_off_costs_nothing_when_the_promise_lapsed(shop: Shop) -> None:
    booking = await lapsed(shop)
    ok(await shop.as_("owner").command(booking["id"], "cancel"))
    await shop.paid_up(booking, "released")
    assert shop.money(booking) == [("authorize", PRICE), ("lapse", PRICE)]


async def test_a_fee_that_is_declined_ends_failed_with_the_code_and_is_taken_when_it_is_retried(
    shop: Shop, secrets: Secrets
) -> None:
    booking = await lapsed(shop)
    await save_method(shop, booking, secrets, shop.methods.declined)
    ok(await shop.as_("customer").command(booking["id"], "cancel"))
    await shop.quiet(booking)
    assert (await shop.effects(booking))[-1] == ("settle_payment", "failed", "generic_decline")
    row = await shop.row(booking)
    assert (row["state"], row["failure"], row["keep_minor"]) == ("declined", "generic_decline", None)
    await save_method(shop, booking, secrets, shop.methods.good)
    await retry(shop, booking, "settle_payment")
    assert (await shop.effects(booking))[-1][1] == "done"
    assert shop.kept(booking) == FEE


async def test_a_capture_whose_new_promise_was_declined_is_found_and_succeeds_when_it_is_retried(
    shop: Shop, secrets: Secrets, client: Client
) -> None:
    booking = await lapsed(shop)
    await save_method(shop, booking, secrets, shop.methods.declined)
    await complete(shop, booking)
    assert (await shop.effects(booking))[-1] == ("capture_payment", "failed", "generic_decline")
    assert (await shop.payment(booking))["state"] == "declined"
    await round_of(shop, client)
    assert await findings_of(shop) == [("payment_uncaptured", "open")]
    assert [action for action, _ in shop.money(booking)] == ["authorize", "lapse"]
    await save_method(shop, booking, secrets, shop.methods.good)
    await retry(shop, booking, "capture_payment")
    assert (await shop.payment(booking))["state"] == "captured"
    assert shop.kept(booking) == PRICE
    await round_of(shop, client)
    assert await findings_of(shop) == [("payment_uncaptured", "resolved")]


@pytest.mark.parametrize("accepted", [False, True])
async def test_a_booking_that_is_brought_back_with_nothing_left_is_paid_anew(shop: Shop, accepted: bool) -> None:
    booking = await shop.buy(shop.methods.good)
    await shop.settled(booking, "assigned")
    if accepted:
        ok(await shop.as_("ana").command(booking["id"], "accept"))
        await shop.paid_up(booking, "captured")
    ok(await shop.as_("owner").command(booking["id"], "cancel"))
    await shop.quiet(booking)
    gone = shop.money(booking)
    back = await shop.override(booking, "pending")
    assert (back["status"], back["payment"]) == ("pending", "awaiting")
    await shop.quiet(booking)
    assert (await shop.next(booking))["phase"] == "awaiting_payment"
    await shop.pay(booking, shop.methods.good)
    await shop.settled(booking, "assigned")
    assert (await shop.payment(booking))["state"] == "authorized"
    ok(await shop.as_("ana").command(booking["id"], "accept"))
    await shop.paid_up(booking, "captured")
    assert shop.money(booking) == [*gone, ("authorize", PRICE), ("capture", PRICE)]
    ok(await shop.as_("owner").command(booking["id"], "cancel"))
    await shop.paid_up(booking, "refunded")
    assert shop.kept(booking) == 0


async def test_a_booking_that_is_brought_back_goes_on_with_what_was_kept(shop: Shop) -> None:
    booking = await kept_a_fee(shop)
    await shop.override(booking, "pending")
    assert (await shop.settled(booking, "assigned"))["payment"] == "authorized"
    assert shop.kept(booking) == FEE


async def kept_a_fee(shop: Shop) -> Json:
    """A booking that its customer has cancelled too late."""
    booking = await shop.buy(shop.methods.good)
    await shop.settled(booking, "assigned")
    ok(await shop.as_("ana").command(booking["id"], "accept"))
    await shop.paid_up(booking, "captured")
    ok(await shop.as_("customer").command(booking["id"], "cancel"))
    await shop.quiet(booking)
    assert shop.kept(booking) == FEE
    return booking


async def test_the_newest_end_decides_what_is_kept(shop: Shop) -> None:
    booking = await kept_a_fee(shop)
    await shop.override(booking, "accepted")
    ok(await shop.as_("owner").command(booking["id"], "cancel"))
    await shop.paid_up(booking, "refunded")
    older = Planned(
        kind=EffectKind.SETTLE_PAYMENT,
        port=Port.PAYMENTS,
        key=f"{booking['id']}/older",
        sequence_key=SequenceKey.PAYMENT,
        subject={"fee_percent": 50, "version": 4},
    )
    async with shop.engine.begin() as conn:
        await effect_planning.plan(conn, shop.tenant.business_id, booking["id"], [older])
    await shop.quiet(booking)
    assert (await shop.effects(booking))[-1] == ("settle_payment", "obsolete", "superseded")
    assert shop.kept(booking) == 0


async def test_reconciliation_settles_by_the_newest_end(shop: Shop, client: Client) -> None:
    booking = await kept_a_fee(shop)
    await shop.override(booking, "accepted")
    intent = _stripe(shop).payments(shop.account.key)[(await shop.row(booking))["gateway_ref"]]
    ok(await shop.as_("owner").command(booking["id"], "cancel"))
    await shop.paid_up(booking, "refunded")
    await shop.quiet(booking)
    async with shop.engine.begin() as conn:  # as if the newest had never been settled
        await conn.execute(
            text(
                "UPDATE payments SET state = 'captured', refunded_minor = :fee, keep_minor = :fee"
                " WHERE booking_id = :id"
            ),
            {"id": booking["id"], "fee": FEE},
        )
    intent.refunded = FEE
    assert (await round_of(shop, client)).repairing == 1
    await shop.quiet(booking)
    assert intent.refunded == PRICE
    assert (await shop.row(booking))["keep_minor"] == 0
