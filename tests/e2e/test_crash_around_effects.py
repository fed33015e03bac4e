"""kill -9 of the worker at every crash point of every kind of effect: the vendors' ledger agrees with ours."""

import asyncio
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dev.demo_business import BUSINESS, PAID
from dev.stack import Stack
from tests.support.e2e.crashing_worker import crashing_worker
from tests.support.e2e.retrying_client import RetryingClient, half_hours

Json = dict[str, Any]

_TIMEOUT_SECONDS = 110.0
_PAUSE_SECONDS = 0.2
_CONTACT = {"name": "Dana Demo", "email": "dana@example.com", "phone": "+12125550177"}
_OPEN = {"pending", "running", "retrying"}
_KINDS = {
    "sendgrid-send_email",
    "twilio-send_sms",
    "servicetitan-create_job",
    "servicetitan-update_job",
    "servicetitan-cancel_job",
    "stripe-authorize_payment",
    "stripe-capture_payment",
    "stripe-settle_payment",
    "stripe-sync_payment",
    "ga4-report_conversion",
    "meta-report_conversion",
    "google_ads-report_conversion",
    "webhook-deliver_webhook",
}


@pytest.mark.timeout(300)  # about forty workers crash, a third of them with a lease of two seconds
async def test_each_effect_is_carried_out_once_however_often_the_worker_is_killed(
    stack: Stack, demo: RetryingClient, vendors: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with crashing_worker(stack, tmp_path, "effects"):
        booking = await _book(demo)
        booking_id = booking["id"]
        await _consent(demo, booking["customer_id"])
        provider = await demo.until_assigned(booking_id)
        await _until_quiet(demo, booking_id)  # else no message about the offer is sent after it is accepted
        assert (await demo.command(provider, booking_id, "accept", key="1")).status_code == 200
        await _until_quiet(demo, booking_id)
        later = next(islice(half_hours(200), 3, None)).isoformat()
        await _move(demo, booking_id, later)
        await _until_quiet(demo, booking_id)
        assert (await demo.command("owner", booking_id, "cancel", key="3")).status_code == 200
        jobs = await _until_quiet(demo, booking_id)
    reached = {marker.name for marker in tmp_path.iterdir()}  # noqa: ASYNC240
    assert reached == {f"{effect}-{point}" for effect in _KINDS for point in ("before", "applied", "after")}
    assert {job["state"] for job in jobs} == {"done"}
    assert_agreed(jobs, (await vendors.get("/control/ledger")).json()["entries"])


def assert_agreed(jobs: list[Json], entries: list[Json]) -> None:
    """Check that each effect was applied at its vendor exactly once, and nothing else was."""
    ours = Counter(_APPLIED_AS[job["kind"], job["vendor"]] for job in jobs if job["kind"] != "sync_payment")
    applied = [(entry["vendor"], entry["action"]) for entry in entries if entry["applied"]]
    assert Counter(one for one in applied if one in ours) == ours
    named = [(e["vendor"], e["action"], e["key"]) for e in entries if e["applied"] and e["action"] != "token"]
    assert len(set(named)) == len(named)


_APPLIED_AS = {
    ("send_email", "sendgrid"): ("sendgrid", "mail.send"),
    ("send_sms", "twilio"): ("twilio", "message.create"),
    ("create_job", "servicetitan"): ("servicetitan", "job.create"),
    ("update_job", "servicetitan"): ("servicetitan", "appointment.reschedule"),
    ("cancel_job", "servicetitan"): ("servicetitan", "job.cancel"),
    ("authorize_payment", "stripe"): ("stripe", "authorize"),
    ("capture_payment", "stripe"): ("stripe", "capture"),
    ("settle_payment", "stripe"): ("stripe", "refund"),
    ("report_conversion", "ga4"): ("ga4", "purchase"),
    ("report_conversion", "meta"): ("meta", "Schedule"),
    ("report_conversion", "google_ads"): ("google_ads", "conversion"),
    ("deliver_webhook", "webhook"): ("webhook_receiver", "webhook"),
}


async def _book(demo: RetryingClient) -> Json:
    starts_at = next(half_hours(200)).isoformat()
    body = {"business_id": BUSINESS, "service_id": PAID["code"], "starts_at": starts_at, "customer": _CONTACT}
    body["payment"] = {"method": "pm_card_visa"}
    answer = await demo.call_until_answered(
        "customer", "POST", "/v1/bookings", json=body, headers={"Idempotency-Key": str(uuid4())}
    )
    booking: Json = answer.raise_for_status().json()
    return booking


async def _move(demo: RetryingClient, booking_id: str, starts_at: str) -> None:
    path, headers = f"/v1/bookings/{booking_id}/reschedule", {"Idempotency-Key": "2", "If-Match": "*"}
    answer = await demo.call_until_answered("owner", "POST", path, json={"starts_at": starts_at}, headers=headers)
    assert answer.status_code == 200, answer.text


async def _consent(demo: RetryingClient, customer_id: str) -> None:
    path = f"/v1/businesses/{BUSINESS}/customers/{customer_id}/consents"
    for purpose in ("sms", "analytics"):
        given = {"purpose": purpose, "granted": True, "source": "test", "text": "Yes, please."}
        (await demo.call("owner", "POST", path, json=given)).raise_for_status()


async def _until_quiet(demo: RetryingClient, booking_id: str) -> list[Json]:
    """Wait until no effect of the booking is open; returns all its effects."""
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        while True:
            answer = await demo.call_until_answered("owner", "GET", f"/v1/bookings/{booking_id}/jobs")
            jobs: list[Json] = answer.raise_for_status().json()["items"]
            if not any(job["state"] in _OPEN for job in jobs):
                return jobs
            await asyncio.sleep(_PAUSE_SECONDS)
