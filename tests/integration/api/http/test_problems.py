"""Every error is a problem document with a stable code, and every answer has a request id."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.support.api_client import ApiClient
from tests.support.raw_http import send_raw
from tests.support.stage import Stage, ok, problem

JSON = {"Content-Type": "application/json"}


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


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("GET", "/v1/businesses/a.b", None, "must be an id, or made of letters"),
        ("GET", "{}/services/a.b", None, "must be an id, or made of letters"),
        ("GET", "/v1/businesses/a.b/hours", None, "must be an id, or made of letters"),
        ("GET", "{}/providers/a.b/hours", None, "must be an id, or made of letters"),
        ("GET", "{}/providers/a.b/time-off", None, "must be an id, or made of letters"),
        ("GET", "{}/audit-log?action=a.b", None, "must be an operation id"),
        ("PATCH", "{}", {"slug": "Corner Salon"}, "as corner-salon"),
        ("PATCH", "{}", {"currency": "euro"}, "as EUR"),
        ("PATCH", "{}", {"locale": "english!"}, "as en-US"),
        ("POST", "{}/providers", {"name": "Ana", "skills": ["Nails & Hair"]}, "small letters a to z"),
        ("PUT", "{}/hours", {"weekly": [{"day": "mon", "opens": "9:00", "closes": "17:00"}]}, "as 08:00"),
        ("PUT", "{}/hours", {"weekly": [{"day": "mon", "opens": "09:00", "closes": "25:00"}]}, "as 18:00"),
        ("PUT", "{}/integrations/ga4", {"settings": {"measurement_id": "UA-1"}}, "must be a measurement id"),
    ],
)
async def test_what_is_misspelled_is_told_in_a_sentence(
    stage: Stage, method: str, path: str, body: object, said: str
) -> None:
    owner, where = stage.as_("owner"), path.format(f"/v1/businesses/{stage.tenant.slug}")
    answer = await owner._http.request(method, where, json=body, headers=owner.headers(**{"If-Match": "*"}))
    [error] = problem(answer, 422, "invalid_request")["errors"]
    assert said in error["message"]
    assert not {"[", "^", "pattern", "Value error"} & {*error["message"], *error["message"].split()}


async def test_a_method_that_is_not_there_says_which_are(api: ApiClient) -> None:
    for path, methods in (
        ("/livez", "GET, HEAD"),
        ("/v1/bookings", "GET, HEAD, POST"),
        ("/v1/businesses/any", "GET, HEAD, PATCH"),
        ("/v1/auth/login", "POST"),
    ):
        answer = await api._http.delete(path)
        problem(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == methods


async def test_head_is_get_without_the_content(api: ApiClient, stage: Stage) -> None:
    for path in ("/livez", f"/v1/businesses/{stage.tenant.slug}", "/v1/nowhere"):
        whole, head = await api._http.get(path), await api._http.head(path)
        assert head.status_code == whole.status_code
        assert head.content == b""
        for name in ("Content-Type", "Content-Length", "ETag"):
            assert head.headers.get(name) == whole.headers.get(name)


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/json", b"", 422, "invalid_request"),
        ("application/json", b"{", 422, "invalid_request"),
        ("application/json", b"[]", 422, "invalid_request"),
        ("application/json", b'"email"', 422, "invalid_request"),
        ("application/json", b'{"email": "\xff"}', 422, "invalid_request"),
        ("application/json", b"[" * 100_000, 422, "invalid_request"),
        ("application/json", b"[" * 65 + b"]" * 65, 422, "invalid_request"),
        ("application/json", b'{"email": "a@b.example", "email": "b@b.example"}', 422, "invalid_request"),
        ("application/merge-patch+json", b'{"email": 1, "email": 2}', 422, "invalid_request"),
        ("application/json", b"1" * 10_000, 422, "invalid_request"),
        ("application/json", b'{"\\ud800/~": "\\ud800"}', 422, "invalid_request"),
        ("application/json", b'{"email": NaN, "password": -1e999}', 422, "invalid_request"),
        ("application/problem+json; charset=utf-8", b"{}", 422, "invalid_request"),
        ("text/plain", b'{"email": "a@b.example", "password": "secret"}', 415, "unsupported_media_type"),
        ("text/plain", b"", 422, "invalid_request"),
        ("application/x-www-form-urlencoded", b"email=a%40b.example", 415, "unsupported_media_type"),
        ("multipart/form-data; boundary=x", b"--x--", 415, "unsupported_media_type"),
        ("nonsense", b"{}", 415, "unsupported_media_type"),
        ("", b"{}", 415, "unsupported_media_type"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    api: ApiClient, content_type: str, body: bytes, status: int, code: str
) -> None:
    answer = await api._http.post("/v1/auth/login", content=body, headers={"Content-Type": content_type})
    problem(answer, status, code)
    assert "secret" not in answer.text
    assert answer.headers.get("Accept") == ("application/json" if status == 415 else None)


async def test_what_is_too_long_is_refused(api: ApiClient, api_url: str) -> None:
    problem(await api.get("/v1/bookings", cursor="x" * 9_000), 414, "uri_too_long")
    problem(await api._http.get("/livez", headers={"X-Much": "x" * 33_000}), 431, "headers_too_large")
    login = await api._http.post("/v1/auth/login", content=b"[" + b" " * 300_000 + b"]", headers=JSON)
    problem(login, 413, "payload_too_large")
    endless = await send_raw(api_url, b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-Much: " + b"x" * 100_000)
    assert (endless.status, endless.code) == (431, "headers_too_large")


@pytest.mark.parametrize(
    "sent",
    [
        b"no HTTP at all\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nno field\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_problem_too(api_url: str, sent: bytes) -> None:
    answer = await send_raw(api_url, sent)
    assert (answer.status, answer.code) == (400, "bad_request")


async def test_a_path_with_a_slash_more_is_not_sent_elsewhere(api: ApiClient) -> None:
    """A redirect would go to the host that the request names."""
    problem(await api._http.get("/v1/bookings/", headers={"Host": "evil.example"}), 404, "not_found")


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
