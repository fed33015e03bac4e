"""Absurd input is refused with 4xx, and nothing is stored."""

import json
from typing import Any

import httpx
import pytest

from tests.support.factories import future
from tests.support.stage import Stage, problem

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


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 400, "idempotency_key_missing"),
        ({"Idempotency-Key": ""}, 400, "idempotency_key_missing"),
        ({"Idempotency-Key": '""'}, 400, "idempotency_key_missing"),
        ({"Idempotency-Key": "k" * 256}, 422, "invalid_request"),
    ],
)
async def test_without_a_usable_idempotency_key_nothing_is_booked(
    stage: Stage, headers: dict[str, str], status: int, code: str
) -> None:
    response = await stage.as_("customer").post("/v1/bookings", merged(stage, {}), **headers)
    assert "Idempotency-Key" in problem(response, status, code)["detail"]
    assert await stage.count("bookings") == 0


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


NONSENSE_FOR_THE_DESK = [
    ("GET", "/v1/businesses/%00/policy", None),
    ("GET", "/v1/businesses/%00/providers/ana/details", None),
    ("PATCH", "/v1/businesses/%FF", {"name": "X"}),
    ("GET", "{home}/providers/%00/details", None),
    ("GET", "{home}/providers/" + "p" * 64 + "/time-off", None),
    ("PATCH", "{home}/services/%00", {"name": "X"}),
    ("GET", "{home}/customers/%00", None),
    ("GET", "{home}/customers?limit=201", None),
    ("GET", "{home}/customers?cursor=%00", None),
    ("GET", "{home}/customers?cursor=%ED%A0%80", None),
    ("GET", "{home}/customers?after=1", None),
    ("GET", "{home}/time-off?from=0001-01-01T00:00:00%2B14:00", None),
    ("GET", "{home}/exceptions?from=9999-12-31&to=0001-01-01", None),
    ("PUT", "{home}/exceptions/2026-02-30", {"kind": "closed"}),
    ("PUT", "{home}/exceptions/9999-12-31", {"kind": "closed"}),
    ("PUT", "{home}/members/%00", {"role": "admin"}),
    ("DELETE", "{home}/members/00000000-0000-0000-0000-000000000000/provider", None),
    ("GET", "{home}/export?format=csv&section=%00", None),
    ("POST", "{home}/services", {"name": "n" * 201, "duration_minutes": 1, "price": {"amount_minor": 1}}),
    ("POST", "{home}/services", {"name": "n", "duration_minutes": 10**30, "price": {"amount_minor": 1}}),
    ("POST", "{home}/services", {"name": "n", "duration_minutes": 1, "price": {"amount_minor": "9" * 400}}),
    ("POST", "{home}/services", {"name": "n", "duration_minutes": 1, "price": {"amount_minor": 1e300}}),
    (
        "POST",
        "{home}/services",
        {"name": "n", "code": "c" * 64, "duration_minutes": 1, "price": {"amount_minor": 1}},
    ),
    ("POST", "{home}/providers", {"name": "n", "rating": "1e-40"}),
    ("POST", "{home}/providers", {"name": "n", "skills": ["s" * 64]}),
    ("POST", "{home}/providers", {"name": "n", "timezone": "z" * 65}),
    ("POST", "{home}/customers", {"name": "n", "email": "e" * 250 + "@example.com"}),
    ("POST", "{home}/customers", {"name": "n", "phone": "+" + "1" * 40}),
    ("POST", "{home}/customers", {"name": "n", "consents": [{}] * 21}),
    ("POST", "{home}/time-off", {"first_date": "2199-12-31", "last_date": "2200-01-01"}),
    ("PUT", "{home}/areas", {"areas": [{"kind": "exact", "code": "1"}] * 2001}),
    ("PUT", "{home}/areas", {"areas": [{"kind": "exact", "code": "\u0000"}]}),
    ("PUT", "{home}/hours", {"weekly": [{"day": "mon", "opens": "00:00", "closes": "24:00"}] * 201}),
    ("PUT", "{home}/external-source", {"url": "https://x.example", "max_age_seconds": 10**12}),
    ("PATCH", "{home}", {"policy": {f"m{number}": 1 for number in range(51)}}),
    ("PATCH", "{home}", {"locale": "en-" + "x" * 40}),
]


async def test_nothing_that_makes_no_sense_at_the_desk_is_5xx_or_stored(stage: Stage) -> None:
    owner, home = stage.as_("owner"), f"/v1/businesses/{stage.tenant.slug}"
    for method, path, body in NONSENSE_FOR_THE_DESK:
        response = await owner.send(method, path.replace("{home}", home), body, **{"If-Match": "*"})
        assert response.status_code in (400, 404, 422), (method, path, response.text[:500])
        problem(response, response.status_code, response.json()["code"])
        assert len(response.content) < 10_000
    for table, count in (
        ("services", 1),
        ("providers", 2),
        ("customers", 1),
        ("time_off", 0),
        ("service_areas", 0),
    ):
        assert await stage.count(table) == count, table
