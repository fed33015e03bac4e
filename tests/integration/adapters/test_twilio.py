"""Texts by Twilio, against the simulator: sent once, although Twilio has no idempotency keys."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from activities.adapters.twilio import Twilio
from activities.ports import RecipientOptedOutError, TextMessage
from activities.vendor_calls import Call
from dev.vendors.fault_modes import Behaviour, FaultMode
from dev.vendors.twilio import Inbound
from dev.vendors.twilio import Twilio as Simulated
from domain.effects import Vendor, VendorError
from tests.support.simulator import Simulator
from tests.support.vendors.mails import a_call, again

OURS, THEIRS = "+12125550100", "+12125550142"
NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture
def sid() -> str:
    return f"AC{uuid4().hex}"


@pytest.fixture
def twilio(vendors: Simulator) -> Twilio:
    return Twilio("https://book.example/", f"{vendors.url}/twilio")


def a_first_call(sid: str, token: str = "token", **sender: str) -> Call:
    return a_call({"account_sid": sid} | (sender or {"from_number": OURS}), {"auth_token": token})


def a_text(body: str = "Your appointment ABC-123 is on Monday, 10:00.", to: str = THEIRS) -> TextMessage:
    return TextMessage(to=to, body=body)


def behave(vendors: Simulator, sid: str, mode: FaultMode, **how: Any) -> None:
    vendors.behave(Vendor.TWILIO, Behaviour(mode=mode, times=1, **how), sid)


def simulated(vendors: Simulator) -> Simulated:
    vendor = vendors.vendor(Vendor.TWILIO)
    assert isinstance(vendor, Simulated)
    return vendor


async def test_it_is_sent_and_its_states_are_asked_for(vendors: Simulator, twilio: Twilio, sid: str) -> None:
    call = a_first_call(sid)
    reference = await twilio.send(call, a_text())
    [entry] = vendors.applied(Vendor.TWILIO, sid)
    assert (entry.action, entry.key) == ("message.create", reference)
    [message] = [one for one in simulated(vendors).messages if one.account == sid]
    path = f"https://book.example/v1/hooks/twilio/{call.account.integration_id}"
    assert message.callback == f"{path}?effect={call.key.replace('/', '%2F')}#rc=5&rp=all"
    assert message.sender == OURS


async def test_a_messaging_service_chooses_the_number(vendors: Simulator, twilio: Twilio, sid: str) -> None:
    service = f"MG{uuid4().hex}"
    call = a_first_call(sid, messaging_service_sid=service)
    first = await twilio.send(call, a_text())
    assert await twilio.send(again(call), a_text()) == first
    [message] = [one for one in simulated(vendors).messages if one.account == sid]
    assert message.sender == service


async def test_after_a_lost_reply_it_is_found_and_not_sent_again(
    vendors: Simulator, twilio: Twilio, sid: str
) -> None:
    call = a_first_call(sid)
    behave(vendors, sid, FaultMode.REPLY_LOST)
    with pytest.raises(VendorError, match="reply_lost"):
        await twilio.send(call, a_text())
    reference = await twilio.send(again(call), a_text())
    [entry] = vendors.applied(Vendor.TWILIO, sid)
    assert entry.key == reference


async def test_another_text_to_the_same_number_is_not_taken_for_it(
    vendors: Simulator, twilio: Twilio, sid: str
) -> None:
    await twilio.send(a_first_call(sid), a_text("Another one."))
    call = a_first_call(sid)
    await twilio.send(again(call), a_text())
    earlier = Call(call.account, "another", 2, call.first_attempt_at + timedelta(minutes=1))
    await twilio.send(earlier, a_text())  # the same words, but of before its first attempt
    assert len(vendors.applied(Vendor.TWILIO, sid)) == 3


async def test_it_waits_as_long_as_it_is_asked_to(vendors: Simulator, twilio: Twilio, sid: str) -> None:
    behave(vendors, sid, FaultMode.RATE_LIMITED, seconds=4)
    with pytest.raises(VendorError) as busy:
        await twilio.send(a_first_call(sid), a_text())
    assert (busy.value.code, busy.value.retry_after) == ("rate_limited", timedelta(seconds=4))
    behave(vendors, sid, FaultMode.FAILING, status=503)
    with pytest.raises(VendorError) as failing:
        await twilio.send(a_first_call(sid), a_text())
    assert (failing.value.code, failing.value.permanent) == ("http_503", False)


@pytest.mark.parametrize(("to", "code"), [("12", "twilio_21211"), ("+15005550009", "twilio_21614")])
async def test_a_number_that_is_none_is_not_tried_again(twilio: Twilio, sid: str, to: str, code: str) -> None:
    with pytest.raises(VendorError) as refused:
        await twilio.send(a_first_call(sid), a_text(to=to))
    assert (refused.value.code, refused.value.permanent) == (code, True)


async def test_a_token_that_is_not_valid_is_not_tried_again(twilio: Twilio, sid: str) -> None:
    await twilio.send(a_first_call(sid), a_text())
    with pytest.raises(VendorError) as refused:
        await twilio.send(a_first_call(sid, token="another"), a_text())
    assert (refused.value.code, refused.value.permanent) == ("unauthorized", True)


async def test_who_has_told_twilio_to_stop_is_known(vendors: Simulator, twilio: Twilio, sid: str) -> None:
    vendor = simulated(vendors)
    await vendor.receive(sid, Inbound(sender=THEIRS, to=OURS, body="stop", url=NOWHERE))
    with pytest.raises(RecipientOptedOutError):
        await twilio.send(a_first_call(sid), a_text())
    await vendor.receive(sid, Inbound(sender=THEIRS, to=OURS, body="START", url=NOWHERE))
    await twilio.send(a_first_call(sid), a_text())
    assert len(vendors.applied(Vendor.TWILIO, sid)) == 1
