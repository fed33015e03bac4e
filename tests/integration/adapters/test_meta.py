"""Meta's Conversions API: matching of people, and its error codes."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from activities.adapters.meta import Meta
from domain.attribution import meta_email, meta_external_id, meta_phone, read_attribution, sha256
from domain.effects import ObsoleteError, Vendor, VendorError
from tests.support.servers import served
from tests.support.simulator import Simulator
from tests.support.vendors.conversions import EMAIL, PHONE, Measured, conversion, meta

PAGE = {"landing_page": "https://www.example.com/book?x=1", "user_agent": "Mozilla/5.0 (X11)"}


async def test_people_are_told_by_digests_and_by_what_meta_gave_their_browser(vendors: Simulator) -> None:
    account = meta(vendors)
    booked = conversion(attribution=read_attribution(PAGE | {"fbclid": "IwAR2F4", "fbp": "fb.1.1596403881668.11"}))
    assert await account.report(booked)
    [entry] = account.applied()
    assert entry.action == "Schedule"
    assert entry.key == f"{booked.booking_id}/report_conversion/meta"
    assert entry.detail["action_source"] == "website"
    assert entry.detail["opt_out"] is True
    browser = {"fbc", "fbp", "client_user_agent"}
    assert set(entry.detail["known_by"]) == {"em", "ph", "fn", "ln", "external_id"} | browser
    assert entry.detail["digests"] == {
        "em": [meta_email(EMAIL)],
        "ph": [meta_phone(PHONE)],
        "fn": [sha256("cass")],
        "ln": [sha256("customer")],
        "external_id": [meta_external_id(booked.customer_id)],
    }


async def test_somebody_without_an_address_or_a_page_is_told_by_our_id(vendors: Simulator) -> None:
    account = meta(vendors)
    await account.report(conversion(email=None, phone=None, name="Cher", attribution=read_attribution(None)))
    [entry] = account.applied()
    assert entry.detail["known_by"] == ["external_id"]
    assert entry.detail["action_source"] == "other"


async def test_events_lie_7_days_back_at_most(vendors: Simulator) -> None:
    account = meta(vendors)
    with pytest.raises(ObsoleteError, match="too_late"):
        await account.report(conversion(ago=timedelta(days=7, seconds=1)))
    await account.report(conversion(ago=timedelta(days=6, hours=23)))
    assert len(account.applied()) == 1


async def test_what_it_refuses_is_told_by_its_codes_and_never_by_its_words(vendors: Simulator) -> None:
    account = meta(vendors)
    with pytest.raises(VendorError) as refused:
        await account.report(conversion(ago=-timedelta(hours=1)))
    assert (refused.value.code, refused.value.permanent) == ("meta_100_2804003", True)


@pytest.mark.parametrize(
    ("code", "reported", "permanent"),
    [
        (4, "rate_limited", False),
        (17, "rate_limited", False),
        (80004, "rate_limited", False),
        (190, "unauthorized", True),
        (200, "unauthorized", True),
        (2, "meta_2", False),
        (100, "meta_100", True),
        ("190 <html>", "http_400", True),
    ],
)
async def test_its_codes_say_whether_it_may_pass(code: Any, reported: str, permanent: bool) -> None:
    app = FastAPI()

    @app.post("/{path:path}")
    async def refuse() -> JSONResponse:
        message = f"Invalid parameter: {EMAIL}"
        return JSONResponse({"error": {"message": message, "code": code}}, 400, {"Retry-After": "9"})

    async with served(app) as url:
        secrets = {"access_token": "EAAx"}
        account = Measured(None, Vendor.META, Meta(url), "", {"pixel_id": "1"}, secrets)  # type: ignore[arg-type]
        with pytest.raises(VendorError) as refused:
            await account.report(conversion())
    assert (refused.value.code, refused.value.permanent) == (reported, permanent)
    assert refused.value.retry_after == (timedelta(seconds=9) if not permanent else refused.value.retry_after)
