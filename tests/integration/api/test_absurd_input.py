"""Input that nobody means: each is refused politely, none is a 5xx, and nothing is stored."""

import json
from typing import Any

import httpx
import pytest

from tests.factories import future
from tests.integration.api.stage import Stage, problem

NUL = "a\x00b"
SURROGATE = "\\ud800"


def merged(stage: Stage, change: dict[str, Any]) -> dict[str, Any]:
    """A request that would pass, but for the change."""
    valid = {"business_id": stage.tenant.slug, "service_id": "repair", "starts_at": future().isoformat()}
    return valid | change


async def send(stage: Stage, content: bytes | str, **headers: str) -> httpx.Response:
    """Send these very bytes as a booking."""
    client = stage.as_("customer")
    said = client.headers(**{"Idempotency-Key": "absurd", "Content-Type": "application/json"} | headers)
    return await client._http.post("/v1/bookings", content=content, headers=said)


ADDRESS = {"line1": "1 Main St", "city": "Springfield", "country": "US"}


@pytest.mark.parametrize(
    "change",
    [
        {"business_id": NUL},
        {"service_id": NUL},
        {"notes": NUL},
        {"customer": {"name": NUL}},
        {"customer": {"name": "C", "phone": f"+1 212 555 0100{NUL}"}},
        {"customer": {"name": "C", "email": "a\x00@example.com"}},
        {"address": ADDRESS | {"line1": NUL}},
        {"address": ADDRESS | {"region": NUL}},
        {"attribution": {NUL: "x"}},
        {"attribution": {"x": NUL}},
        {"business_id": "b" * 64},
        {"business_id": ""},
        {"service_id": "s" * 64},
        {"notes": "n" * 2001},
        {"notes": "n" * 200_000},
        {"customer": {"name": "n" * 201}},
        {"customer": {"name": "   "}},
        {"customer": {"name": "C", "email": "no-address"}},
        {"customer": {"name": "C", "email": "e" * 300 + "@example.com"}},
        {"customer": {"name": "C", "phone": "call me"}},
        {"customer": {"name": "C", "phone": "555 0100"}},
        {"customer": {"name": "C", "phone": "+1" + "2" * 30}},
        {"address": ADDRESS | {"country": "USA"}},
        {"address": {"city": "Springfield"}},
        {"attribution": {f"k{n}": "v" for n in range(41)}},
        {"attribution": {"k" * 61: "v"}},
        {"attribution": {"k": "v" * 501}},
        {"attribution": {"k": {"nested": 1}}},
        {"provider_id": "not-an-id"},
        {"business_id": 7},
        {"customer": []},
    ],
    ids=lambda change: json.dumps(change)[:60],
)
async def test_a_booking_with_nonsense_in_it_is_422(stage: Stage, change: dict[str, Any]) -> None:
    problem(await send(stage, json.dumps(merged(stage, change))), 422, "invalid_request")
    assert await stage.count("bookings") == 0


@pytest.mark.parametrize("place", ["value", "name", "nested name"])
async def test_half_a_character_is_refused_wherever_it_stands(stage: Stage, place: str) -> None:
    """A lone surrogate is legal in JSON's syntax but is no text that could be stored or sent back."""
    body = {
        "value": merged(stage, {"notes": "@"}),
        "name": merged(stage, {"@": "x"}),
        "nested name": merged(stage, {"attribution": {"@": "x"}}),
    }[place]
    problem(await send(stage, json.dumps(body).replace("@", SURROGATE)), 422, "invalid_request")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"12",
        b"{'single': 1}",
        b"\xff\xfe\x00",
        b'{"notes": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b'{"starts_at": ' + b"9" * 5000 + b"}",
        b'{"starts_at": 1e999}',
        b'{"starts_at": NaN}',
    ],
    ids=lambda content: content[:24].decode("latin-1"),
)
async def test_a_body_that_is_no_booking_at_all_is_4xx(stage: Stage, content: bytes) -> None:
    response = await send(stage, content)
    assert 400 <= response.status_code < 500, response.text[:500]
    problem(response, response.status_code, response.json()["code"])


@pytest.mark.parametrize("size", [1_000_000, 20_000_000])
async def test_a_huge_body_is_413_before_it_is_read(stage: Stage, size: int) -> None:
    response = await send(stage, json.dumps(merged(stage, {"notes": "n" * size})))
    problem(response, 413, "payload_too_large")
    assert len(response.content) < 2000


async def test_a_refusal_never_repeats_what_was_sent(stage: Stage) -> None:
    """It may be somebody's data, and refusals end up in logs and tickets."""
    secret = "canary-3f9a@example.com is not a phone number"
    response = await send(stage, json.dumps(merged(stage, {"customer": {"name": "C", "phone": secret}})))
    problem(response, 422, "invalid_request")
    assert "canary" not in response.text


@pytest.mark.parametrize("key", ["", '""', "k" * 256])
async def test_an_idempotency_key_without_use_is_422(stage: Stage, key: str) -> None:
    response = await send(stage, json.dumps(merged(stage, {})), **{"Idempotency-Key": key})
    problem(response, 422, "invalid_request")
    assert await stage.count("bookings") == 0


async def test_without_an_idempotency_key_nothing_is_booked(stage: Stage) -> None:
    response = await stage.as_("customer").post("/v1/bookings", merged(stage, {}))
    found = problem(response, 422, "invalid_request")
    assert "Idempotency-Key" in found["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/businesses/%00",
        "/v1/businesses/%00/services",
        "/v1/businesses/%FF",
        "/v1/businesses/" + "b" * 64,
        "/v1/businesses/..%2f..%2fetc",
        "/v1/bookings/not-an-id",
        "/v1/bookings/%00",
        "/v1/bookings/00000000-0000-0000-0000-000000000000/history%00",
        "/v1/bookings?status=lost",
        "/v1/bookings?limit=0",
        "/v1/bookings?limit=201",
        "/v1/bookings?limit=many",
        "/v1/bookings?from=2026-01-01T00:00:00",
        "/v1/bookings?from=0001-01-01T00:00:00%2B14:00",
        "/v1/bookings?to=9999-12-31T23:59:59-12:00",
        "/v1/bookings?provider_id=ana",
        "/v1/bookings?cursor=%00",
        "/v1/bookings?cursor=nonsense",
        "/v1/bookings?cursor=" + "A" * 201,
        "/v1/bookings?cursor=MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMHwwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDA",
    ],
    ids=lambda path: path[:64],
)
async def test_a_question_that_makes_no_sense_is_4xx(stage: Stage, path: str) -> None:
    client = stage.as_("customer")
    response = await client._http.get(path, headers=client.headers())
    assert 400 <= response.status_code < 500, response.text[:500]
    problem(response, response.status_code, response.json()["code"])
