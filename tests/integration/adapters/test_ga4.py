"""Google Analytics 4: events that it would silently drop are not sent; its secret is in no log."""

import asyncio
import json
import subprocess
import sys
from datetime import timedelta

import httpx
import pytest

from domain.attribution import ga4_client_id, read_attribution
from domain.effects import ObsoleteError, VendorError
from tests.support.simulator import Simulator
from tests.support.vendors.conversions import conversion, ga4


async def test_it_is_a_purchase_of_the_browser_that_the_page_has_named(vendors: Simulator) -> None:
    account = ga4(vendors)
    known = read_attribution({"ga_client_id": "GA1.1.11.22", "ga_session_id": "33"})
    await account.report(booked := conversion(attribution=known, may_personalise=True))
    [entry] = account.applied()
    assert (entry.action, entry.key) == ("purchase", booked.reference)
    assert entry.detail["client_id"] == "11.22"
    assert entry.detail["consent"] == {"ad_user_data": "GRANTED", "ad_personalization": "GRANTED"}


async def test_without_one_it_is_a_stand_in_and_only_what_was_agreed_to_is_granted(vendors: Simulator) -> None:
    account = ga4(vendors)
    await account.report(booked := conversion(attribution=read_attribution(None)))
    [entry] = account.applied()
    assert entry.detail["client_id"] == ga4_client_id(booked.customer_id)
    assert entry.detail["consent"] == {"ad_user_data": "GRANTED", "ad_personalization": "DENIED"}


async def test_events_lie_72_hours_back_at_most(vendors: Simulator) -> None:
    account = ga4(vendors)
    with pytest.raises(ObsoleteError, match="too_late"):
        await account.report(conversion(ago=timedelta(hours=72, seconds=1)))
    await account.report(conversion(ago=timedelta(hours=71, minutes=59)))
    assert len(account.applied()) == 1


async def test_what_it_would_not_show_is_said_by_us(vendors: Simulator) -> None:
    account = ga4(vendors)
    with pytest.raises(VendorError, match="invalid_request") as refused:
        await account.report(conversion(currency="dollars"))
    assert refused.value.permanent
    assert account.entries() == []


async def test_the_simulator_says_yes_to_nonsense_and_counts_none_of_it(vendors: Simulator) -> None:
    query = {"measurement_id": "G-1", "api_secret": "nonsense"}
    event = {"name": "purchase", "params": {"transaction_id": "", "value": 1}}
    body = {"client_id": "me", "timestamp_micros": 1, "events": [event]}
    async with httpx.AsyncClient(base_url=f"{vendors.url}/ga4") as http:
        assert (await http.post("/mp/collect", params=query, json=body)).status_code == 204
        answer = (await http.post("/debug/mp/collect", params=query, json=body)).json()
    assert vendors.applied(account_vendor := ga4(vendors).vendor, "nonsense") == []
    assert len(vendors.ledger.entries(account_vendor, account="nonsense")) == 1
    wrong = {message["fieldPath"] for message in answer["validationMessages"]}
    assert wrong >= {"client_id", "timestamp_micros", "events.params.transaction_id", "events.params.currency"}


SCRIPT = """
import asyncio, sys
import structlog
from activities.adapters.ga4 import Ga4
from activities.adapters.vendor_http import send
from domain.effects import VendorError
from runtime import logging as ours
from runtime.settings import Settings

ours.configure(Settings(log_level="INFO"), service="test")

async def main(url):
    adapter = Ga4(url)
    request = adapter._http.build_request("POST", "/mp/collect", params={"api_secret": "hush-hush"}, json={})
    try:
        await send(adapter._http, request)
    except VendorError:
        structlog.get_logger().exception("failed")
    structlog.get_logger().info("reported")

for url in sys.argv[1:]:
    asyncio.run(main(url))
"""


async def test_its_secret_stands_in_the_url_and_in_no_log(vendors: Simulator) -> None:
    """Run as a process of its own: what is logged is set up for a whole process."""
    arguments = [sys.executable, "-c", SCRIPT, "http://127.0.0.1:1", f"{vendors.url}/ga4"]
    ran = await asyncio.to_thread(subprocess.run, arguments, capture_output=True, check=True, text=True)
    assert "hush-hush" not in ran.stdout + ran.stderr
    events = [json.loads(line)["event"] for line in ran.stdout.splitlines()]
    assert events == ["failed", "reported", "reported"]
