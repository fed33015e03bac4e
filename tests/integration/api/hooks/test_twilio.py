"""Twilio's webhooks from the simulator: the state of texts, and STOP and START."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.adapters.twilio import Twilio as Adapter
from activities.ports import TextMessage
from activities.vendor_calls import Account, Call
from api.app import create_app
from dev.vendors.callbacks import CallbackMode
from dev.vendors.twilio import Inbound, Twilio
from domain.effects import Vendor
from runtime.settings import Settings
from tests.support.businesses.vendor_hooks import PHONE, BusinessWithHooks, make_business_with_hooks
from tests.support.factories import make_tenant
from tests.support.servers import served
from tests.support.simulator import Simulator
from tests.support.vendors.mails import a_call

OURS = "+12125550100"


@dataclass(frozen=True)
class Line:
    """A business that texts by Twilio."""

    business: BusinessWithHooks
    vendor: Twilio
    adapter: Adapter
    account: Account
    hook: str

    @property
    def sid(self) -> str:
        return str(self.account.settings["account_sid"])

    async def send(self, key: str, to: str = PHONE) -> str | None:
        known = a_call({}, {})
        call = Call(self.account, f"message/{key}", 1, known.first_attempt_at)
        reference = await self.adapter.send(call, TextMessage(to=to, body="On Monday."))
        await self.vendor.callbacks.until_sent(self.sid)
        return reference

    async def receive(self, body: str, sender: str = PHONE) -> None:
        await self.vendor.receive(self.sid, Inbound(sender=sender, to=OURS, body=body, url=self.hook))
        await self.vendor.callbacks.until_sent(self.sid)


@pytest.fixture(scope="module")
async def reachable(settings: Settings) -> AsyncIterator[Settings]:
    """Settings of an API that knows where it is reached: Twilio signs the URL."""
    own = settings.model_copy()
    async with served(create_app(own)) as url:
        own.public_url = url
        yield own


@pytest.fixture
async def line(engine: AsyncEngine, reachable: Settings, vendors: Simulator) -> Line:
    vendor, token = vendors.vendor(Vendor.TWILIO), uuid4().hex
    assert isinstance(vendor, Twilio)
    business = await make_business_with_hooks(engine, reachable, reachable.public_url)
    await business.give_phone()
    integration_id = await business.connect(Vendor.TWILIO, {"auth_token": token})
    settings = {"account_sid": f"AC{uuid4().hex}", "from_number": OURS}
    vendor.tokens[settings["account_sid"]] = token
    account = Account(settings, {"auth_token": token}, integration_id)
    adapter = Adapter(reachable.public_url, f"{vendors.url}/twilio")
    return Line(business, vendor, adapter, account, business.hook("twilio", integration_id))


async def test_a_text_is_sent_and_delivered(line: Line) -> None:
    key = await line.business.message("sms")
    reference = await line.send(key)
    assert tuple(await line.business.of_message(key)) == ("delivered", None, reference)


async def test_calls_that_come_twice_or_in_the_wrong_order_change_nothing(line: Line) -> None:
    key = await line.business.message("sms")
    line.vendor.callbacks.set_mode(line.sid, CallbackMode.REVERSED)
    await line.send(key)
    line.vendor.callbacks.release(line.sid)
    line.vendor.callbacks.set_mode(line.sid, CallbackMode.TWICE)
    await line.vendor.callbacks.until_sent(line.sid)
    await line.receive("Thank you!")
    assert (await line.business.of_message(key)).state == "delivered"
    assert [event.type for event in await line.business.events()] == ["message.delivered", "message.sent"]


async def test_a_text_that_is_not_delivered_has_failed_with_the_reason(line: Line) -> None:
    key = await line.business.message("sms")
    await line.send(key, to="+12125550404")
    assert (await line.business.of_message(key))[:2] == ("failed", "twilio_30003")


async def test_stop_and_start_are_kept_for_everybody_with_the_number(line: Line) -> None:
    await line.receive(" stop\n")
    assert await line.business.consents() == [("sms", False, "twilio_stop")]
    await line.receive("STOPALL")
    await line.receive("Unstop")
    assert await line.business.consents() == [("sms", False, "twilio_stop"), ("sms", True, "twilio_start")]
    [customer] = await line.business.rows("SELECT sms_opt_in FROM customers")
    assert customer.sms_opt_in


async def test_other_numbers_other_businesses_and_other_words_are_not_concerned(
    line: Line, engine: AsyncEngine
) -> None:
    elsewhere = BusinessWithHooks(engine, line.business.settings, await make_tenant(engine), line.business.url)
    await elsewhere.give_phone()
    await line.receive("Stop by at ten!")
    await line.receive("HELP")
    await line.receive("STOP", sender="+12125550199")
    assert await line.business.consents() == []
    await line.receive("STOP")
    assert await elsewhere.consents() == []
    assert len(await line.business.consents()) == 1
