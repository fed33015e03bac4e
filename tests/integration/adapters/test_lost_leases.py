"""An attempt that lost its lease changes nothing: every adapter confirms the lease first."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from activities.adapters.klaviyo import Klaviyo
from activities.adapters.sendgrid import SendGrid
from activities.adapters.servicetitan import ServiceTitan
from activities.adapters.smtp import SmtpMailer
from activities.adapters.twilio import Twilio
from activities.adapters.webhook import HttpWebhookSender
from activities.ports import ChargeRequest, TextMessage, WebhookRequest
from activities.vendor_calls import Call
from dev.ports import free_port
from domain.effects import LeaseLostError, Vendor
from domain.jobs import Job, JobState
from tests.support.simulator import Simulator
from tests.support.vendors.conversions import MAKERS, conversion
from tests.support.vendors.gateways import GatewayAccount
from tests.support.vendors.mails import a_call, a_mail
from tests.support.vendors.servicetitan import ServiceTitanTenant, job_details

Change = Callable[[Simulator], Awaitable[Any]]


async def _lost() -> None:
    raise LeaseLostError


def losing(call: Call, *, attempt: int = 1) -> Call:
    """The same call after its attempt was stopped for too long."""
    return replace(call, attempt=attempt, confirm=_lost)


def of_gateway(vendor: Vendor, method: str, *arguments: Any) -> Change:
    def change(simulator: Simulator) -> Awaitable[Any]:
        account = GatewayAccount.at(vendor, simulator)
        action: Awaitable[Any] = getattr(account.gateway, method)(losing(account.call()), *arguments)
        return action

    return change


def of_servicetitan(method: str, *arguments: Any) -> Change:
    def change(simulator: Simulator) -> Awaitable[Any]:
        url, servicetitan = f"{simulator.url}/servicetitan", ServiceTitanTenant(simulator)
        action: Awaitable[Any] = getattr(ServiceTitan(url, url), method)(losing(servicetitan.call), *arguments)
        return action

    return change


def of_analytics(vendor: Vendor) -> Change:
    def change(simulator: Simulator) -> Awaitable[Any]:
        measured = MAKERS[vendor](simulator)
        call = losing(a_call(measured.settings, measured.secrets))
        return measured.adapter.report(call, conversion())

    return change


def sendgrid(attempt: int) -> Change:
    def change(simulator: Simulator) -> Awaitable[Any]:
        call = losing(a_call({"sender": "desk@ana.example"}, {"api_key": f"SG.{uuid4().hex}"}), attempt=attempt)
        return SendGrid(f"{simulator.url}/sendgrid").send(call, a_mail())

    return change


def twilio(attempt: int) -> Change:
    def change(simulator: Simulator) -> Awaitable[Any]:
        settings = {"account_sid": f"AC{uuid4().hex}", "from_number": "+12125550100"}
        call = losing(a_call(settings, {"auth_token": "token"}), attempt=attempt)
        return Twilio("https://book.example/", f"{simulator.url}/twilio").send(
            call, TextMessage("+12125550142", "Hello")
        )

    return change


def klaviyo(simulator: Simulator) -> Awaitable[Any]:
    return Klaviyo(f"{simulator.url}/klaviyo").send(losing(a_call({}, {"api_key": "pk_1"})), a_mail())


def smtp(_simulator: Simulator) -> Awaitable[Any]:
    settings = {"host": "127.0.0.1", "port": free_port(), "security": "none", "sender": "desk@ana.example"}
    mailer = SmtpMailer("", "no-reply@holdfast.example", allow_loopback=True)
    return mailer.send(losing(a_call(settings, {})), a_mail())


def webhook(_simulator: Simulator) -> Awaitable[Any]:
    hook = WebhookRequest(f"http://127.0.0.1:{free_port()}/", {}, b"{}")
    return HttpWebhookSender(allow_loopback=True).deliver(losing(a_call({}, {})), hook)


ORDER = ChargeRequest(uuid4(), 1, 5000, "JPY", "cus_1", "pm_card_visa")
NOW = datetime.now(UTC)
JOB = Job("1", uuid4(), JobState.OPEN, NOW, NOW, "2", "Other words")
OF_GATEWAYS: dict[str, tuple[Any, ...]] = {
    "payer": (ORDER.booking_id,),
    "authorize": (ORDER,),
    "capture": ("pi_1", 5000),
    "void": ("pi_1",),
    "refund": ("pi_1", 5000),
}
OF_JOBS: dict[str, tuple[Any, ...]] = {
    "create": (job_details(),),
    "change": (JOB, job_details()),
    "cancel": (JOB,),
    "revive": (JOB,),
}
CHANGES: dict[tuple[Vendor, str], Change] = {
    (Vendor.SMTP, "send"): smtp,
    (Vendor.KLAVIYO, "send"): klaviyo,
    (Vendor.SENDGRID, "send"): sendgrid(1),
    (Vendor.SENDGRID, "send after a look"): sendgrid(2),
    (Vendor.TWILIO, "send"): twilio(1),
    (Vendor.TWILIO, "send after a look"): twilio(2),
    (Vendor.WEBHOOK, "deliver"): webhook,
    **{(Vendor.SERVICETITAN, name): of_servicetitan(name, *arguments) for name, arguments in OF_JOBS.items()},
    **{
        (vendor, name): of_gateway(vendor, name, *arguments)
        for vendor in (Vendor.STRIPE, Vendor.PAYJP)
        for name, arguments in OF_GATEWAYS.items()
    },
    **{(vendor, "report"): of_analytics(vendor) for vendor in MAKERS},
}


@pytest.mark.parametrize("which", CHANGES, ids=" ".join)
async def test_nothing_is_changed_when_the_lease_is_lost(which: tuple[Vendor, str], vendors: Simulator) -> None:
    before = len(vendors.ledger.entries(which[0], applied=True))
    with pytest.raises(LeaseLostError):
        await CHANGES[which](vendors)
    done = vendors.ledger.entries(which[0], applied=True)[before:]
    assert {entry.action for entry in done} <= {"token"}


def test_every_vendor_that_effects_go_to_is_among_them() -> None:
    assert {vendor for vendor, _ in CHANGES} == set(Vendor) - {Vendor.S3}  # which carries out no effect
