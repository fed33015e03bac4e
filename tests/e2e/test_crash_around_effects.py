"""kill -9 of the worker at every seam of every kind of effect: the vendors' ledger agrees with ours afterwards."""

import asyncio
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dev.demo_business import PAID
from dev.demo_users import BUSINESS
from dev.stack import Stack
from tests.e2e.crashes import crashing_worker
from tests.e2e.customer import DemoClient, half_hours

Json = dict[str, Any]

_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 2.0
_CONTACT = {"name": "Dana Demo", "email": "dana@example.com", "phone": "+12125550177"}
_OPEN = {"pending", "running", "retrying"}


@pytest.mark.timeout(240)  # some forty workers die
async def test_each_effect_is_carried_out_once_however_often_the_worker_is_killed(
    stack: Stack, demo: DemoClient, vendors: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with crashing_worker(stack, tmp_path, "effects"):
        booking = await _book(demo)
        booking_id = booking["id"]
        await _consent(demo, booking["customer_id"])
        provider = await demo.until_assigned(booking_id)
        assert (await demo.command(provider, booking_id, "accept", key="1")).status_code == 200
        await _until_quiet(demo, booking_id)
        later = next(islice(half_hours(200), 3, None)).isoformat()
        moved = await demo.command("owner", booking_id, "reschedule", key="2", starts_at=later)
        assert moved.status_code == 200, moved.text
        await _until_quiet(demo, booking_id)
        assert (await demo.command("owner", booking_id, "cancel", key="3")).status_code == 200
        jobs = await _until_quiet(demo, booking_id)
    print("\n".join(f"{j['kind']} {j['vendor']} {j['state']} {j['attempts']} {j['last_error']}" for j in jobs))
    ledger = (await vendors.get("/control/ledger")).json()["entries"]
    print("\n".join(f"{e['vendor']} {e['action']} {e['key']} {e['applied']}" for e in ledger))
    print(sorted(p.name for p in tmp_path.iterdir()))
    assert False


async def _book(demo: DemoClient) -> Json:
    starts_at = next(half_hours(200)).isoformat()
    body = {"business_id": BUSINESS, "service_id": PAID["code"], "starts_at": starts_at, "customer": _CONTACT}
    body["payment"] = {"method": "pm_card_visa"}
    answer = await demo.persist(
        "customer", "POST", "/v1/bookings", json=body, headers={"Idempotency-Key": str(uuid4())}
    )
    booking: Json = answer.raise_for_status().json()
    return booking


async def _consent(demo: DemoClient, customer_id: str) -> None:
    path = f"/v1/businesses/{BUSINESS}/customers/{customer_id}/consents"
    for purpose in ("sms", "analytics"):
        given = {"purpose": purpose, "granted": True, "source": "test", "text": "Yes, please."}
        (await demo.call("owner", "POST", path, json=given)).raise_for_status()


async def _until_quiet(demo: DemoClient, booking_id: str) -> list[Json]:
    """Every effect of the booking, once none is open any more."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            answer = await demo.persist("owner", "GET", f"/v1/bookings/{booking_id}/jobs")
            jobs: list[Json] = answer.raise_for_status().json()["items"]
            if not any(job["state"] in _OPEN for job in jobs):
                return jobs
            await asyncio.sleep(_PAUSE_SECONDS)


_ = Counter
