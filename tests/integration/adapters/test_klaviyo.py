"""E-mails by Klaviyo's flows, against the simulator: one event, however often it is sent."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from activities.adapters.klaviyo import Klaviyo
from activities.vendor_calls import Call
from dev.vendors.fault_modes import Behaviour, FaultMode
from domain.effects import Vendor, VendorError
from tests.support.simulator import Simulator
from tests.support.vendors.mails import a_call, a_mail, again


@pytest.fixture
def key() -> str:
    return f"pk_{uuid4().hex}"


@pytest.fixture
def klaviyo(vendors: Simulator) -> Klaviyo:
    return Klaviyo(f"{vendors.url}/klaviyo")


def a_first_call(key: str) -> Call:
    return a_call({}, {"api_key": key})


def behave(vendors: Simulator, key: str, mode: FaultMode, **how: Any) -> None:
    vendors.behave(Vendor.KLAVIYO, Behaviour(mode=mode, times=1, **how), key)


async def test_it_is_an_event_by_which_a_flow_begins(vendors: Simulator, klaviyo: Klaviyo, key: str) -> None:
    call, mail = a_first_call(key), a_mail(kind="needs_attention")
    await klaviyo.send(call, mail)
    [entry] = vendors.applied(Vendor.KLAVIYO, key)
    assert (entry.action, entry.key) == ("event.create", call.key)
    assert entry.detail == {
        "metric": "Holdfast Booking Needs Attention",
        "to": mail.to,
        "subject": mail.subject,
    }


async def test_after_a_lost_reply_it_is_sent_again_and_is_one(
    vendors: Simulator, klaviyo: Klaviyo, key: str
) -> None:
    call, mail = a_first_call(key), a_mail()
    behave(vendors, key, FaultMode.REPLY_LOST)
    with pytest.raises(VendorError, match="reply_lost"):
        await klaviyo.send(call, mail)
    await klaviyo.send(again(call), mail)
    entries = vendors.ledger.entries(Vendor.KLAVIYO, account=key)
    assert [entry.applied for entry in entries] == [True, False]


async def test_it_waits_as_long_as_it_is_asked_to(vendors: Simulator, klaviyo: Klaviyo, key: str) -> None:
    behave(vendors, key, FaultMode.RATE_LIMITED, seconds=3)
    with pytest.raises(VendorError) as busy:
        await klaviyo.send(a_first_call(key), a_mail())
    assert (busy.value.code, busy.value.retry_after) == ("rate_limited", timedelta(seconds=3))


async def test_what_is_wrong_is_not_tried_again(klaviyo: Klaviyo, key: str) -> None:
    with pytest.raises(VendorError) as invalid:
        await klaviyo.send(a_first_call(key), a_mail(to="no address"))
    assert (invalid.value.code, invalid.value.permanent) == ("http_400", True)
    with pytest.raises(VendorError) as stranger:
        await klaviyo.send(a_first_call("nonsense"), a_mail())
    assert (stranger.value.code, stranger.value.permanent) == ("unauthorized", True)
