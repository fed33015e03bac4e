"""SendGrid's webhooks from the simulator: the state of e-mails, and unsubscriptions."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.adapters.sendgrid import SendGrid as Adapter
from activities.vendor_calls import Account, Call
from api.app import create_app
from dev.vendors.callbacks import CallbackMode
from dev.vendors.sendgrid import EmailEvent, SendGrid
from domain.effects import Vendor
from runtime.settings import Settings
from tests.support.businesses.vendor_hooks import BusinessWithHooks, make_business_with_hooks
from tests.support.servers import served
from tests.support.simulator import Simulator
from tests.support.vendors.mails import a_call, a_mail


@dataclass(frozen=True)
class Sender:
    """A business that sends by SendGrid."""

    business: BusinessWithHooks
    vendor: SendGrid
    adapter: Adapter
    account: str

    async def send(self, key: str, to: str = "zoe@example.com") -> str | None:
        call = a_call({"sender": "desk@ana.example"}, {"api_key": self.account})
        keyed = Call(_with_id(call.account), f"message/{key}", 1, call.first_attempt_at)
        reference = await self.adapter.send(keyed, a_mail(to=to))
        await self.vendor.callbacks.until_sent(self.account)
        return reference

    async def happen(self, key: str, event: str) -> None:
        await self.vendor.add_event(self.account, EmailEvent(event=event, effect=f"message/{key}"))
        await self.vendor.callbacks.until_sent(self.account)


def _with_id(account: Account) -> Account:
    return Account(account.settings, account.secrets)


@pytest.fixture(scope="module")
async def own_url(settings: Settings) -> AsyncIterator[str]:
    async with served(create_app(settings)) as url:
        yield url


@pytest.fixture
async def sender(engine: AsyncEngine, settings: Settings, own_url: str, vendors: Simulator) -> Sender:
    vendor, account = vendors.vendor(Vendor.SENDGRID), f"SG.{uuid4().hex}"
    assert isinstance(vendor, SendGrid)
    business = await make_business_with_hooks(engine, settings, own_url)
    integration_id = await business.connect(Vendor.SENDGRID, {"webhook_public_key": vendor.public_key(account)})
    vendor.set_webhook(account, business.hook("sendgrid", integration_id))
    return Sender(business, vendor, Adapter(f"{vendors.url}/sendgrid"), account)


async def test_an_email_is_sent_delivered_and_opened(sender: Sender) -> None:
    key = await sender.business.message("email")
    reference = await sender.send(key)
    assert tuple(await sender.business.of_message(key)) == ("delivered", None, reference)
    await sender.happen(key, "open")
    assert (await sender.business.of_message(key)).state == "opened"


async def test_events_that_come_twice_or_in_the_wrong_order_change_nothing(sender: Sender) -> None:
    key = await sender.business.message("email")
    sender.vendor.callbacks.set_mode(sender.account, CallbackMode.REVERSED)
    await sender.send(key)
    await sender.happen(key, "open")
    assert (await sender.business.of_message(key)).state == "queued"
    sender.vendor.callbacks.set_mode(sender.account, CallbackMode.TWICE)
    sender.vendor.callbacks.release(sender.account)
    await sender.happen(key, "click")
    assert (await sender.business.of_message(key)).state == "opened"
    assert sorted(event.type for event in await sender.business.events()) == [
        "click",
        "delivered",
        "open",
        "processed",
    ]


async def test_that_it_came_back_is_the_last_word(sender: Sender) -> None:
    key = await sender.business.message("email")
    await sender.send(key, to="zoe@bounce.example.com")
    assert (await sender.business.of_message(key))[:2] == ("bounced", "sendgrid_bounce")
    await sender.happen(key, "delivered")
    assert (await sender.business.of_message(key)).state == "bounced"


async def test_what_we_gave_up_on_and_was_sent_all_the_same_is_delivered(sender: Sender) -> None:
    key = await sender.business.message("email", state="failed", error="reply_lost")
    reference = await sender.send(key)
    assert tuple(await sender.business.of_message(key)) == ("delivered", None, reference)
    suppressed = await sender.business.message("email", state="suppressed", error="no_consent")
    await sender.send(suppressed)
    assert (await sender.business.of_message(suppressed))[:2] == ("suppressed", "no_consent")


@pytest.mark.parametrize("event", ["unsubscribe", "spamreport"])
async def test_who_wants_no_more_has_refused_emails(sender: Sender, event: str) -> None:
    key = await sender.business.message("email")
    await sender.send(key)
    await sender.happen(key, event)
    await sender.happen(key, event)
    assert await sender.business.consents() == [("email", False, "sendgrid")]


async def test_what_staff_do_with_theirs_says_nothing_of_the_customer(sender: Sender) -> None:
    key = await sender.business.message("email", audience="provider")
    await sender.send(key)
    await sender.happen(key, "spamreport")
    assert await sender.business.consents() == []


async def test_another_accounts_events_are_not_taken(sender: Sender, vendors: Simulator) -> None:
    key, stranger = await sender.business.message("email"), f"SG.{uuid4().hex}"
    sender.vendor.set_webhook(stranger, str(sender.vendor._webhook(sender.account).url))
    call = a_call({"sender": "eve@eve.example"}, {"api_key": stranger})
    await sender.adapter.send(Call(call.account, f"message/{key}", 1, call.first_attempt_at), a_mail())
    await sender.vendor.callbacks.until_sent(stranger)
    assert (await sender.business.of_message(key)).state == "queued"
    assert await sender.business.events() == []


async def test_events_of_other_peoples_emails_are_answered_and_do_nothing(sender: Sender) -> None:
    await sender.send("not-one-of-ours")
    assert {event.type for event in await sender.business.events()} == {"processed", "delivered"}
    async with httpx.AsyncClient() as http:
        answer = await http.post(str(sender.vendor._webhook(sender.account).url), json=[])
    assert answer.status_code == 401
