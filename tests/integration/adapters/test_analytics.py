"""Common to all analytics vendors: a booking counts once, and errors are classified."""

from datetime import timedelta

import pytest

from dev.vendors.fault_modes import FaultMode
from domain.effects import ObsoleteError, Vendor, VendorError
from tests.support.simulator import Simulator
from tests.support.vendors.conversions import EMAIL, MAKERS, PHONE, Measured, conversion


@pytest.fixture(params=MAKERS)
def measured(request: pytest.FixtureRequest, vendors: Simulator) -> Measured:
    return MAKERS[request.param](vendors)


def only_conversions(measured: Measured) -> int:
    return len([entry for entry in measured.applied() if entry.action != "token"])


async def test_a_booking_is_reported_with_its_value(measured: Measured) -> None:
    await measured.report(conversion())
    [entry] = measured.applied()
    reported = entry.detail.get("custom_data") or entry.detail
    assert (reported["value"], reported["currency"]) == (129.0, "USD")


async def test_nothing_that_names_a_person_leaves_but_as_a_digest(measured: Measured) -> None:
    await measured.report(conversion())
    said = str([entry.as_json() for entry in measured.entries()]).lower()
    for secret in (EMAIL.lower(), PHONE, PHONE[1:], "cass", "customer@"):
        assert secret not in said


async def test_applied_and_the_answer_lost_is_one_conversion_in_the_end(measured: Measured) -> None:
    booked = conversion()
    measured.behave(mode=FaultMode.REPLY_LOST, times=1)
    with pytest.raises(VendorError, match="reply_lost") as lost:
        await measured.report(booked)
    assert not lost.value.permanent
    await measured.report(booked, attempt=2)
    assert only_conversions(measured) == 1
    assert len(measured.entries()) == 2
    await measured.report(conversion())
    assert only_conversions(measured) == 2


async def test_too_many_requests_are_answered_with_a_pause_that_is_kept(measured: Measured) -> None:
    measured.behave(mode=FaultMode.RATE_LIMITED, seconds=7, times=1)
    with pytest.raises(VendorError, match="rate_limited") as refused:
        await measured.report(conversion())
    assert (refused.value.retry_after, refused.value.permanent) == (timedelta(seconds=7), False)


async def test_a_fault_of_theirs_may_pass(measured: Measured) -> None:
    measured.behave(mode=FaultMode.FAILING, status=503, times=1)
    with pytest.raises(VendorError, match="http_503") as failed:
        await measured.report(conversion())
    assert not failed.value.permanent
    assert measured.applied() == []


async def test_what_lies_too_far_back_is_not_reported_at_all(measured: Measured) -> None:
    with pytest.raises(ObsoleteError, match="too_late"):
        await measured.report(conversion(ago=timedelta(days=91)))
    assert measured.entries() == []


async def test_an_account_that_cannot_be_theirs_is_given_up_at_once(measured: Measured) -> None:
    measured.settings.clear()
    with pytest.raises(VendorError, match="invalid_request") as refused:
        await measured.report(conversion())
    assert refused.value.permanent


@pytest.mark.parametrize(
    ("vendor", "secret"), [(Vendor.META, "access_token"), (Vendor.GOOGLE_ADS, "refresh_token")]
)
async def test_credentials_that_were_taken_back_are_told_as_such(
    vendor: Vendor, secret: str, vendors: Simulator
) -> None:
    measured = MAKERS[vendor](vendors)
    with pytest.raises(VendorError, match="unauthorized") as refused:
        await measured.report(conversion(), secrets={secret: "revoked"})
    assert refused.value.permanent
    assert measured.applied() == []
