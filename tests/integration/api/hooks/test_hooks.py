"""Vendor webhooks: only signed calls are accepted, each event once, and no payload is stored."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from twilio.request_validator import RequestValidator

from domain.effects import Vendor
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.applications import running
from tests.support.businesses.vendor_hooks import BusinessWithHooks, make_business_with_hooks
from tests.support.stage import problem

TOKEN = "auth-token"
LARGER_THAN_ALLOWED = 1024 * 1024 + 1


@pytest.fixture
async def business(engine: AsyncEngine, settings: Settings, api_url: str) -> BusinessWithHooks:
    return await make_business_with_hooks(engine, settings, api_url)


def form(**values: str) -> dict[str, str]:
    sid = f"SM{uuid4().hex}"
    return {"MessageSid": sid, "MessageStatus": "delivered", "From": "+12125550100", "To": "+12125550142"} | values


async def call(
    business: BusinessWithHooks, vendor: str, integration_id: UUID | str, content: Any
) -> httpx.Response:
    """A call as Twilio would make it, signed for the public URL."""
    path = f"/v1/hooks/{vendor}/{integration_id}"
    signature = RequestValidator(TOKEN).compute_signature(f"{business.settings.public_url}{path}", content)
    async with httpx.AsyncClient(base_url=business.url) as http:
        return await http.post(path, data=content, headers={"X-Twilio-Signature": signature})


async def test_who_is_called_must_be_there(business: BusinessWithHooks) -> None:
    there = await business.connect(Vendor.TWILIO, {"auth_token": TOKEN})
    assert (await call(business, "twilio", there, form())).status_code == 200
    problem(await call(business, "nobody", there, form()), 404, "not_found")
    problem(await call(business, "ga4", there, form()), 404, "not_found")
    problem(await call(business, "sendgrid", there, form()), 404, "not_found")
    problem(await call(business, "twilio", uuid4(), form()), 404, "not_found")
    await business.connect(Vendor.TWILIO, {"auth_token": TOKEN}, enabled=False)
    problem(await call(business, "twilio", there, form()), 404, "not_found")


async def test_what_is_not_signed_is_not_taken(business: BusinessWithHooks) -> None:
    integration_id = await business.connect(Vendor.TWILIO, {"auth_token": "another"})
    problem(await call(business, "twilio", integration_id, form()), 401, "unauthenticated")
    async with httpx.AsyncClient(base_url=business.url) as http:
        problem(await http.post(f"/v1/hooks/twilio/{integration_id}", data=form()), 401, "unauthenticated")
    assert await business.events() == []


async def test_an_event_is_taken_once_and_nothing_of_it_is_kept(business: BusinessWithHooks) -> None:
    integration_id = await business.connect(Vendor.TWILIO, {"auth_token": TOKEN})
    fields = form()
    answers = [await call(business, "twilio", integration_id, fields) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.text for answer in answers} == {answers[0].text}
    assert [tuple(event) for event in await business.events()] == [
        (f"{fields['MessageSid']}/delivered", "message.delivered")
    ]


async def test_what_is_signed_and_makes_no_sense_is_refused(business: BusinessWithHooks) -> None:
    integration_id = await business.connect(Vendor.TWILIO, {"auth_token": TOKEN})
    problem(await call(business, "twilio", integration_id, {"Hello": "there"}), 422, "invalid_request")


async def test_a_call_may_be_larger_than_other_requests_but_not_of_any_size(business: BusinessWithHooks) -> None:
    integration_id = await business.connect(Vendor.TWILIO, {"auth_token": TOKEN})
    large = form(MessageStatus="queued", Body="x" * 500_000)
    assert (await call(business, "twilio", integration_id, large)).status_code == 200
    too_large = form(Body="x" * LARGER_THAN_ALLOWED)
    problem(await call(business, "twilio", integration_id, too_large), 413, "payload_too_large")
    async with httpx.AsyncClient(base_url=business.url) as http:
        stranger = await http.post(f"/v1/hooks/twilio/{uuid4()}", content=json.dumps("x" * 500_000))
    problem(stranger, 404, "not_found")


async def test_vendors_may_call_far_more_often_than_people(settings: Settings) -> None:
    async with running(settings.model_copy(update={"rate_limit_per_minute": 2})) as client:
        answer = await client.post(f"/v1/hooks/twilio/{uuid4()}")
        assert answer.headers["RateLimit-Policy"] == '"hooks";q=200;w=60'
        assert (await _own_limit(client)).headers["RateLimit-Policy"] == '"default";q=2;w=60'


async def _own_limit(client: ApiClient) -> httpx.Response:
    return await client.get("/v1/me")
