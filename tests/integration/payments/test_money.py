"""After random actions and gateway failures its ledger and our rows agree and are right.

Bookings go their way at random, side by side, while answers get lost and the gateway fails. Once nothing more
happens, nothing was taken twice, and nothing is kept of a booking that did not come about but the fee.
"""

import asyncio
import random
from typing import Final

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from dev.vendors.fault_modes import FaultMode
from domain.effects import Vendor
from domain.policies import Policy
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.businesses.payments import FEE, PRICE, Shop, make_shop
from tests.support.simulator import Simulator
from tests.support.stage import Json
from tests.support.vendors.gateways import Methods

_BOOKINGS: Final = 6
_MOVES: Final = (
    ("ana", "accept"),
    ("ana", "accept"),
    ("ana", "accept"),
    ("ana", "start"),
    ("ana", "start"),
    ("ana", "complete"),
    ("ana", "complete"),
    ("customer", "cancel"),
    ("owner", "cancel"),
    ("ana", "reject"),
)


@pytest.mark.parametrize(("vendor", "seed"), [(Vendor.STRIPE, 1), (Vendor.PAYJP, 2)])
async def test_the_gateway_s_ledger_and_our_rows_agree_in_the_end(
    vendor: Vendor, seed: int, api: ApiClient, engine: AsyncEngine, settings: Settings, vendors: Simulator
) -> None:
    chance = random.Random(seed)
    shop = await make_shop(api, engine, settings, vendors, vendor, policy=Policy(cancellation=FEE))
    await shop.charge(payment_at=chance.choice(["booking", "completion"]))
    bookings = await asyncio.gather(*(_begun(shop, chance) for _ in range(_BOOKINGS)))
    await asyncio.gather(*(_lives(shop, booking, chance) for booking in bookings))
    await asyncio.gather(*(shop.quiet(booking) for booking in bookings))
    for booking in bookings:
        await _agrees(shop, booking)


async def _begun(shop: Shop, chance: random.Random) -> Json:
    methods = Methods.of(shop.account.vendor)
    return await shop.buy(chance.choice([methods.good, methods.good, methods.declined, None]))


async def _lives(shop: Shop, booking: Json, chance: random.Random) -> None:
    """Somebody does something again and again, whether it is possible or not, while the gateway misbehaves."""
    await asyncio.sleep(chance.random())
    for _ in range(chance.randint(3, 9)):
        if chance.random() < 0.4:
            shop.account.behave(chance.choice([FaultMode.REPLY_LOST, FaultMode.FAILING]))
        who, command = chance.choice(_MOVES)
        if chance.random() < 0.2:
            method = Methods.of(shop.account.vendor).good
            await shop.as_("customer").post(f"/v1/bookings/{booking['id']}/payment", {"method": method})
        answer = await shop.as_(who).command(booking["id"], command)
        assert answer.status_code in (200, 403, 404, 409, 503), answer.text
        await asyncio.sleep(chance.random() / 4)


async def _agrees(shop: Shop, booking: Json) -> None:
    row, money = await shop.row(booking), shop.money(booking)
    done = [action for action, _ in money]
    assert done.count("authorize") <= 1, money
    assert done.count("capture") <= 1, money
    assert done.count("void") + done.count("capture") <= done.count("authorize"), money
    taken = sum(amount for action, amount in money if action == "capture")
    returned = sum(amount for action, amount in money if action == "refund")
    assert (row["captured_minor"], row["refunded_minor"]) == (taken, returned), money
    status = (await shop.as_("owner").get(f"/v1/bookings/{booking['id']}")).json()["status"]
    if status == "cancelled":
        assert row["state"] in ("released", "captured", "refunded"), (row["state"], money)
        assert taken - returned == row["keep_minor"], money
        assert row["keep_minor"] in (0, PRICE // 2), money
        assert "authorize" not in done or len(done) > 1, money
    if status == "completed" and row["state"] != "declined":
        assert (row["state"], taken) == ("captured", PRICE), (money, await shop.effects(booking))
