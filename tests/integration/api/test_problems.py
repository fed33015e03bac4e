"""Every error is a problem document with a stable code, and every answer names its request."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.api_client import ApiClient
from tests.integration.api.stage import Stage, ok, problem


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1", 404, "not_found"),
        ("GET", "/v1/nowhere", 404, "not_found"),
        ("GET", "/v2/bookings", 404, "not_found"),
        ("POST", "/livez", 405, "method_not_allowed"),
        ("DELETE", "/v1/bookings", 405, "method_not_allowed"),
        ("PUT", "/v1/bookings/00000000-0000-7000-8000-000000000000", 405, "method_not_allowed"),
        ("GET", "/v1/auth/login", 405, "method_not_allowed"),
        ("GET", "/v1/businesses/no-such-business", 404, "not_found"),
        ("POST", "/v1/auth/login", 422, "invalid_request"),
    ],
)
async def test_whatever_goes_wrong_has_the_same_shape(
    api: ApiClient, method: str, path: str, status: int, code: str
) -> None:
    problem(await api._http.request(method, path), status, code)


async def test_a_method_that_is_not_there_says_which_are(api: ApiClient) -> None:
    answer = await api._http.delete("/livez")
    assert answer.headers["Allow"] == "GET"


async def test_an_invalid_request_says_where(stage: Stage) -> None:
    answer = await stage.as_("customer").book(stage.tenant, starts_at="never", customer={"name": ""}, nonsense=1)
    found = problem(answer, 422, "invalid_request")
    pointers = {error["pointer"] for error in found["errors"]}
    assert pointers == {"/body/starts_at", "/body/customer/name", "/body/nonsense"}
    assert all(set(error) == {"pointer", "message"} for error in found["errors"])


@pytest.mark.parametrize("request_id", ["abc", "A-b_c.9", "x" * 64])
async def test_a_harmless_request_id_comes_back(api: ApiClient, request_id: str) -> None:
    answer = await api._http.get("/livez", headers={"X-Request-ID": request_id})
    assert answer.headers["X-Request-ID"] == request_id
    missing = await api._http.get("/nowhere", headers={"X-Request-ID": request_id})
    assert missing.json()["request_id"] == request_id


@pytest.mark.parametrize(
    "request_id", ["", "x" * 65, "with space", "semi;colon", "<b>", "ümlaut", "a\tb", "%0d%0a"]
)
async def test_a_request_id_that_might_do_harm_is_replaced(api: ApiClient, request_id: str) -> None:
    answer = await api._http.get("/nowhere", headers=[(b"X-Request-ID", request_id.encode("latin-1"))])
    given = answer.headers["X-Request-ID"]
    assert given != request_id
    assert len(given) == 36
    assert answer.json()["request_id"] == given


async def test_a_request_id_cannot_bring_in_a_header(api_url: str) -> None:
    """Sent by hand: no client library lets these bytes through."""
    url = urlsplit(api_url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
    writer.write(b"X-Request-ID: a\r\n X-Injected: 1\r\n\r\n")
    answer = (await reader.read()).lower()
    writer.close()
    assert answer.startswith(b"http/1.1 4")
    head = answer.partition(b"\r\n\r\n")[0]
    assert b"\nx-injected" not in head


async def test_two_requests_have_two_ids(api: ApiClient) -> None:
    answers = [await api.get("/livez") for _ in range(2)]
    assert len({answer.headers["X-Request-ID"] for answer in answers}) == 2


async def test_answers_are_not_kept_and_not_guessed_at(stage: Stage) -> None:
    booking = await stage.book()
    answer = await stage.as_("customer").get(f"/v1/bookings/{booking['id']}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_request_s_id_goes_with_the_booking_s_events(stage: Stage) -> None:
    client = stage.as_("customer")
    body = {
        "business_id": stage.tenant.slug,
        "service_id": "repair",
        "starts_at": stage.next_start().isoformat(),
    }
    said = {"Idempotency-Key": "key", "X-Request-ID": "my-request"}
    booking = ok(await client.post("/v1/bookings", body, **said), 201)
    async with stage.engine.connect() as conn:
        query = "SELECT correlation_id FROM events WHERE subject = $1 AND type = 'scheduling.booking.created'"
        assert (await conn.exec_driver_sql(query, (booking["id"],))).scalar_one() == "my-request"
