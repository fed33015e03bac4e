"""Google Ads by the Data Manager API: matching bookings to clicks, and expiring access."""

import pytest

from dev.vendors.google_ads import GoogleAds as Simulated
from domain.attribution import google_email, google_phone, read_attribution
from domain.effects import ObsoleteError, Vendor, VendorError
from tests.support.simulator import Simulator
from tests.support.vendors.conversions import EMAIL, PHONE, conversion, google_ads


async def test_a_click_and_digests_are_told_with_the_consent(vendors: Simulator) -> None:
    account = google_ads(vendors)
    known = read_attribution({"wbraid": "w", "gclid": "g"})
    request_id = await account.report(booked := conversion(attribution=known))
    assert request_id
    [entry] = account.applied()
    assert entry.key == booked.reference
    assert entry.detail["customer_id"] == account.settings["customer_id"]
    assert entry.detail["conversion_action"] == "77"
    assert entry.detail["clicks"] == ["gclid"]
    assert entry.detail["digests"] == {"emailAddress": google_email(EMAIL), "phoneNumber": google_phone(PHONE)}
    assert entry.detail["consent"] == {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_DENIED"}


async def test_a_click_alone_is_enough_and_so_is_an_address(vendors: Simulator) -> None:
    account = google_ads(vendors)
    await account.report(conversion(email=None, phone=None))
    await account.report(conversion(phone=None, attribution=read_attribution(None)))
    assert [entry.detail["clicks"] for entry in account.applied()] == [["gclid"], []]


async def test_what_nothing_ties_to_an_advertisement_is_not_reported(vendors: Simulator) -> None:
    account = google_ads(vendors)
    with pytest.raises(ObsoleteError, match="no_click"):
        await account.report(conversion(email=None, phone=None, attribution=read_attribution({"utm_source": "x"})))
    assert account.entries() == []


async def test_access_is_asked_for_once_and_again_when_it_has_been_taken_back(vendors: Simulator) -> None:
    account = google_ads(vendors)
    simulated = vendors.vendor(Vendor.GOOGLE_ADS)
    assert isinstance(simulated, Simulated)

    def request_count() -> int:
        return len([e for e in vendors.ledger.entries(Vendor.GOOGLE_ADS, action="token") if e.key == account.name])

    await account.report(conversion())
    await account.report(conversion())
    assert request_count() == 1
    simulated.tokens -= {token for token in simulated.tokens if account.name in token}
    await account.report(conversion())
    assert request_count() == 2
    assert len(account.applied()) == 3


async def test_what_it_refuses_is_told_by_its_reason(vendors: Simulator) -> None:
    account = google_ads(vendors)
    account.settings["customer_id"] = "123"
    with pytest.raises(VendorError) as refused:
        await account.report(conversion())
    assert (refused.value.code, refused.value.permanent) == ("invalid_destination", True)
