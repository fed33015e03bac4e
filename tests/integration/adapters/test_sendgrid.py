"""E-mails by SendGrid, against the simulator: sent once even if the answer is lost."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from activities.adapters.sendgrid import SendGrid
from activities.vendor_calls import Call
from dev.vendors.fault_modes import Behaviour, FaultMode
from dev.vendors.sendgrid import SendGrid as Simulated
from domain.effects import Vendor, VendorError
from tests.support.simulator import Simulator
from tests.support.vendors.mails import a_call, a_mail, again

SENDER = {"sender": "desk@ana.example"}


@pytest.fixture
def key() -> str:
    return f"SG.{uuid4().hex}"


@pytest.fixture
def sendgrid(vendors: Simulator) -> SendGrid:
    return SendGrid(f"{vendors.url}/sendgrid")


def a_first_call(key: str) -> Call:
    return a_call(dict(SENDER), {"api_key": key})


def behave(vendors: Simulator, key: str, mode: FaultMode, **how: Any) -> None:
    vendors.behave(Vendor.SENDGRID, Behaviour(mode=mode, times=1, **how), key)


async def test_it_is_sent_with_the_key_of_its_effect(vendors: Simulator, sendgrid: SendGrid, key: str) -> None:
    call = a_first_call(key)
    reference = await sendgrid.send(call, a_mail())
    [entry] = vendors.applied(Vendor.SENDGRID, key)
    assert (entry.action, entry.key) == ("mail.send", call.key)
    assert entry.detail["message_id"] == reference
    assert entry.detail["to"] == "zoe@example.com"


async def test_after_a_lost_reply_it_is_found_and_not_sent_again(
    vendors: Simulator, sendgrid: SendGrid, key: str
) -> None:
    call, mail = a_first_call(key), a_mail()
    behave(vendors, key, FaultMode.REPLY_LOST)
    with pytest.raises(VendorError, match="reply_lost"):
        await sendgrid.send(call, mail)
    reference = await sendgrid.send(again(call), mail)
    [entry] = vendors.applied(Vendor.SENDGRID, key)
    assert entry.detail["message_id"] == reference


async def test_what_was_never_sent_is_sent_by_the_second_attempt(
    vendors: Simulator, sendgrid: SendGrid, key: str
) -> None:
    call, mail = a_first_call(key), a_mail()
    behave(vendors, key, FaultMode.FAILING, status=503)
    with pytest.raises(VendorError, match="http_503"):
        await sendgrid.send(call, mail)
    await sendgrid.send(again(call), mail)
    assert len(vendors.applied(Vendor.SENDGRID, key)) == 1


async def test_where_it_cannot_be_looked_up_its_events_are_given_time_to_come(
    vendors: Simulator, sendgrid: SendGrid, key: str
) -> None:
    simulated = vendors.vendor(Vendor.SENDGRID)
    assert isinstance(simulated, Simulated)
    simulated.without_activity.add(key)
    call, mail = a_first_call(key), a_mail()
    behave(vendors, key, FaultMode.REPLY_LOST)
    with pytest.raises(VendorError) as lost:
        await sendgrid.send(call, mail)
    assert (lost.value.code, lost.value.retry_after) == ("reply_lost", timedelta(minutes=1))
    await sendgrid.send(again(call), mail)  # no event has come: for all that is known it was not sent
    assert len(vendors.applied(Vendor.SENDGRID, key)) == 2


async def test_it_waits_as_long_as_it_is_asked_to(vendors: Simulator, sendgrid: SendGrid, key: str) -> None:
    behave(vendors, key, FaultMode.RATE_LIMITED, seconds=7)
    with pytest.raises(VendorError) as busy:
        await sendgrid.send(a_first_call(key), a_mail())
    assert (busy.value.code, busy.value.permanent) == ("rate_limited", False)
    assert busy.value.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"to": "no address"}, "http_400"), ({"subject": ""}, "http_400")],
)
async def test_what_is_wrong_with_an_email_is_not_tried_again(
    vendors: Simulator, sendgrid: SendGrid, key: str, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(VendorError) as refused:
        await sendgrid.send(a_first_call(key), a_mail(**changes))
    assert (refused.value.code, refused.value.permanent) == (code, True)
    assert vendors.applied(Vendor.SENDGRID, key) == []


async def test_a_key_that_is_not_valid_is_not_tried_again(sendgrid: SendGrid) -> None:
    with pytest.raises(VendorError) as refused:
        await sendgrid.send(a_first_call("nonsense"), a_mail())
    assert (refused.value.code, refused.value.permanent) == ("unauthorized", True)
