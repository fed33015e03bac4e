"""The page of the simulated vendors: it shows the content of requests and never executes it."""

from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest

from dev.vendors.app import Vendors
from dev.vendors.fault_modes import FaultMode
from dev.vendors.ledger import Entry
from tests.support.servers import served

HOSTILE: Final = "</pre><script>alert(1)</script><b>"


@pytest.fixture
def vendors() -> Vendors:
    return Vendors()


@pytest.fixture
async def http(vendors: Vendors) -> AsyncIterator[httpx.AsyncClient]:
    async with served(vendors.app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        yield client


async def test_with_nothing_to_show_it_says_so_in_every_part(http: httpx.AsyncClient) -> None:
    page = await http.get("/")
    assert page.status_code == 200
    for empty in (
        "No e-mail was sent",
        "No text was",
        "No payment was",
        "No job was",
        "No webhook",
        "No conversion",
    ):
        assert empty in page.text
    assert "<li>" not in page.text


async def test_it_shows_everything_by_what_it_is_for(http: httpx.AsyncClient, vendors: Vendors) -> None:
    for entry in (
        Entry(
            "sendgrid", "a", "mail.send", "key-1", detail={"to": "x@example.com", "subject": "Hello", "ics": True}
        ),
        Entry(
            "smtp", "a", "mail.send", detail={"to": ["y@example.com"], "text": "Dear Y", "ics": "BEGIN:VCALENDAR"}
        ),
        Entry("twilio", "a", "message.create", detail={"to": "+12125550147", "body": "Dear Z"}),
        Entry("stripe", "a", "payment_intent.create", detail={"id": "pi_1", "amount": 3000, "currency": "usd"}),
        Entry("servicetitan", "a", "job.create", applied=False, detail={"id": 7}),
        Entry(
            "webhook_receiver", "a", "webhook", detail={"type": "booking.x", "data": {"status": "accepted" * 20}}
        ),
        Entry("ga4", "a", "purchase", detail={"value": 129.0}),
        Entry("s3", "a", "put", detail={"key": "photo.jpg"}),
    ):
        vendors.ledger.add(entry)
    text = (await http.get("/")).text
    parts = {part: text.partition(f'id="{part}"')[2].partition("</section>")[0] for part in ("email", "jobs")}
    assert "x@example.com · Hello" in parts["email"]
    assert "Dear Y" in parts["email"]
    assert parts["email"].count("calendar file") == 2
    assert "nothing new" in parts["jobs"]
    assert "id 7" in parts["jobs"]
    for shown in (
        "Dear Z",
        '<span class="title">booking.x',
        "amount 3000",
        "accepted" * 20,
        "value 129.0",
        "photo.jpg",
        "key-1",
    ):
        assert shown in text


async def test_what_it_was_sent_is_shown_as_text_and_not_run(http: httpx.AsyncClient, vendors: Vendors) -> None:
    shown = {"to": HOSTILE, "subject": HOSTILE, "text": HOSTILE, "html": f'"{HOSTILE}', HOSTILE: HOSTILE}
    vendors.ledger.add(Entry("smtp", HOSTILE, HOSTILE, HOSTILE, detail=shown))
    page = await http.get("/")
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "<iframe sandbox " in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


async def test_the_form_makes_a_vendor_misbehave_and_behave_again(
    http: httpx.AsyncClient, vendors: Vendors
) -> None:
    said = {"vendor": "ga4", "mode": "rate_limited", "times": "2", "seconds": ""}
    answer = await http.post("/control", data=said)
    assert (answer.status_code, answer.headers["Location"]) == (303, "./#behaviour")
    assert vendors.by_name["ga4"].fault_modes.behaviour().mode is FaultMode.RATE_LIMITED
    assert "2 more, 1 s" in (await http.get("/")).text
    for _ in range(2):
        assert (await http.post("/ga4/mp/collect")).status_code == 429
    assert vendors.by_name["ga4"].fault_modes.behaviour().mode is FaultMode.WELL
    for wrong, status in (
        ({"mode": "sad"}, 422),
        ({"vendor": "pigeon"}, 404),
        ({"times": "0"}, 422),
        ({"seconds": "x"}, 422),
    ):
        assert (await http.post("/control", data=said | wrong)).status_code == status
    assert (
        await http.post("/control", data={"vendor": "twilio", "mode": "well", "callback_mode": "twice"})
    ).is_redirect
    assert "calls back twice</span>" in (await http.get("/")).text
    foreign = await http.post("/control", data=said, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    assert vendors.by_name["ga4"].fault_modes.behaviour().mode is FaultMode.WELL


async def test_calendars_are_simulated_beside_the_vendors(http: httpx.AsyncClient) -> None:
    answer = await http.get("/scheduling/calendars/acme")
    assert answer.json()["providers"] == []
