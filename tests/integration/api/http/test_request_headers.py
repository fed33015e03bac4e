"""Request headers: trace context, and no injection into answers or logs."""

import re

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from api.middleware.headers import FIXED
from tests.support.api_client import ApiClient
from tests.support.raw_http import send_raw
from tests.support.stage import Stage

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")


async def traced(api: ApiClient, *sent: str) -> tuple[str, str, str]:
    """Trace id, span id and flags of the answer."""
    answer = await api._http.get("/livez", headers=[("traceparent", value) for value in sent])
    match = TRACEPARENT.fullmatch(answer.headers["traceparent"])
    assert match
    return match[1], match[2], match[3]


@pytest.mark.parametrize(
    ("sent", "flags"),
    [
        (f"00-{TRACE}-{PARENT}-01", "01"),
        (f"00-{TRACE}-{PARENT}-00", "00"),
        (f"00-{TRACE}-{PARENT}-ff", "01"),
        (f"cc-{TRACE}-{PARENT}-01", "01"),
        (f"cc-{TRACE}-{PARENT}-01-what-the-future-brings", "01"),
    ],
)
async def test_a_trace_goes_on_with_a_span_of_our_own(api: ApiClient, sent: str, flags: str) -> None:
    trace, span, sampled = await traced(api, sent)
    assert (trace, sampled) == (TRACE, flags)
    assert span not in (PARENT, "0" * 16)


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [""],
        [f"00-{TRACE}-{PARENT}"],
        [f"00-{TRACE}-{PARENT}-01-more"],
        [f"00-{TRACE}-{PARENT}-01-"],
        [f"cc-{TRACE}-{PARENT}-01more"],
        [f"ff-{TRACE}-{PARENT}-01"],
        [f"00-{TRACE.upper()}-{PARENT}-01"],
        [f"00-{'0' * 32}-{PARENT}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"00-{TRACE}-{PARENT}-1"],
        [f"00-{TRACE[:-1]}g-{PARENT}-01"],
        [f"00-{TRACE}-{PARENT}-01"] * 2,
    ],
)
async def test_what_is_no_traceparent_begins_a_new_trace(api: ApiClient, sent: list[str]) -> None:
    first, second = await traced(api, *sent), await traced(api, *sent)
    assert TRACE not in (first[0], second[0])
    assert first[0] != second[0]
    assert first[0].strip("0")


INJECTIONS = [
    b"a\rX-Injected: 1",
    b"a\nX-Injected: 1",
    b"a\r\n X-Injected: 1",
    b"a\r\n\tX-Injected: 1",
    b"a\x0bX-Injected: 1",
    b"a\xe2\x80\xa8X-Injected: 1",
    b"a%0d%0aX-Injected: 1",
    b"\x1b[2J\x1b[31mred",
    b"\x00",
    b"\x7f\xff\xfe",
]


@pytest.mark.parametrize("name", [b"X-Request-ID", b"traceparent", b"Idempotency-Key", b"If-Match", b"Origin"])
async def test_no_field_brings_another_into_the_answer(api_url: str, stage: Stage, name: bytes) -> None:
    token = stage.as_("owner").headers()["Authorization"].encode()
    path = f"/v1/businesses/{stage.tenant.slug}".encode()
    head = b"PATCH %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: %b\r\n%b: %b\r\n"
    body = b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    for value in INJECTIONS:
        answer = await send_raw(api_url, head % (path, token, name, value) + body)
        assert 200 <= answer.status < 500, value
        assert "x-injected" not in answer.headers, value
        for line in answer.lines:
            assert re.fullmatch(rb"[A-Za-z0-9-]+: [\x20-\x7e]*", line), line
        assert b"Injected" not in b"".join(answer.lines), value


async def test_the_log_says_which_trace_it_was_and_nothing_that_the_caller_wrote(api: ApiClient) -> None:
    sent = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "mine", "User-Agent": "canary-4711"}
    with capture_logs(processors=[merge_contextvars]) as records:
        for path in ("/v1/canary-4711%0d%0a%1b[2J?canary-4711=1", "/v1/businesses/canary-4711?canary-4711"):
            await api._http.get(path, headers=sent)
    seen = [record for record in records if record["event"] == "request"]
    assert [(record["request_id"], record["trace_id"]) for record in seen] == [("mine", TRACE)] * 2
    assert [record["route"] for record in seen] == ["unmatched", "/v1/businesses/{business}"]
    assert "canary-4711" not in str(records)


async def test_every_answer_tells_a_browser_what_not_to_do(api: ApiClient, api_url: str) -> None:
    fixed = {name.decode(): value.decode() for name, value in FIXED}
    assert fixed["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert fixed["x-content-type-options"] == "nosniff"
    assert set(fixed) == {
        "content-security-policy",
        "cross-origin-resource-policy",
        "referrer-policy",
        "strict-transport-security",
        "x-content-type-options",
        "x-frame-options",
    }
    answers = [
        (await api.get("/livez")).headers,
        (await api.get("/nowhere")).headers,
        (await api.get("/v1/bookings")).headers,
        (await api._http.options("/livez")).headers,
        (await send_raw(api_url, b"no HTTP\r\n\r\n")).headers,
    ]
    for headers in answers:
        assert {name: headers[name] for name in fixed} == fixed
        assert headers["Cache-Control" if "Cache-Control" in headers else "cache-control"] == "no-store"
    docs = await api.get("/docs")
    assert "script-src 'self';" in docs.headers["Content-Security-Policy"]
    assert "http" not in docs.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in docs.headers["Content-Security-Policy"]
    assert len(docs.headers.get_list("Content-Security-Policy")) == 1
    assert (await api.get("/redoc")).status_code == 404
