"""CORS: which origins may call the API, for each business."""

from typing import Any

import httpx
import pytest

from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.applications import running
from tests.support.factories import make_tenant
from tests.support.stage import Stage, ok, problem

ALLOW = "Access-Control-Allow-Origin"


def site(stage: Stage) -> str:
    """A web site of this business's own."""
    return f"https://{stage.tenant.slug}.example"


async def preflight(api: ApiClient, path: str, origin: str, method: str = "GET") -> httpx.Response:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    return await api._http.options(path, headers=headers)


async def put(stage: Stage, origins: list[Any], **headers: str) -> httpx.Response:
    path = f"/v1/businesses/{stage.tenant.slug}/origins"
    return await stage.as_("owner").send("PUT", path, {"origins": origins}, **headers)


async def test_a_business_says_which_sites_may_speak_about_it(stage: Stage) -> None:
    path = f"/v1/businesses/{stage.tenant.slug}/origins"
    first = await stage.as_("admin").get(path)
    assert ok(first) == {"origins": []}
    written = await put(stage, ["HTTPS://B.example:443", "http://localhost:5173", "https://a.example:8443"])
    kept = {"origins": ["http://localhost:5173", "https://a.example:8443", "https://b.example"]}
    assert ok(written) == kept
    read = await stage.as_("owner").get(path)
    assert ok(read) == kept
    assert read.headers["ETag"] == written.headers["ETag"]
    problem(await put(stage, [], **{"If-Match": first.headers["ETag"]}), 412, "stale")
    assert ok(await put(stage, ["https://c.example"], **{"If-Match": read.headers["ETag"]})) == {
        "origins": ["https://c.example"]
    }


async def test_only_the_desk_says_so(stage: Stage) -> None:
    path = f"/v1/businesses/{stage.tenant.slug}/origins"
    for name, status, code in (("ana", 403, "forbidden"), ("customer", 404, "not_found")):
        problem(await stage.as_(name).get(path), status, code)
        problem(await stage.as_(name).send("PUT", path, {"origins": []}), status, code)
    problem(await stage.api.get(path), 401, "unauthenticated")


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "www.example.com",
        "http://www.example.com",
        "https://www.example.com/",
        "https://www.example.com/path",
        "https://user@www.example.com",
        "https://*.example.com",
        "https://www.example.com:99999",
        "https://www.exa mple.com",
        "https://www.example.com\r\nX: y",
        "javascript://x",
        "https://",
        "https://" + "a." * 150 + "example",
        None,
        7,
    ],
)
async def test_what_is_no_origin_is_refused(stage: Stage, origin: Any) -> None:
    problem(await put(stage, [origin]), 422, "invalid_request")


async def test_a_page_of_the_business_may_read_what_is_about_the_business(stage: Stage) -> None:
    ok(await put(stage, [site(stage)]))
    for business in (stage.tenant.slug, str(stage.tenant.business_id)):
        path = f"/v1/businesses/{business}/slots"
        allowed = await preflight(stage.api, path, site(stage))
        assert (allowed.status_code, allowed.content) == (204, b"")
        assert allowed.headers[ALLOW] == site(stage)
        assert "Access-Control-Allow-Credentials" not in allowed.headers
        assert allowed.headers["Access-Control-Max-Age"] == "600"
        assert "PATCH" in allowed.headers["Access-Control-Allow-Methods"]
        named = {name.strip().lower() for name in allowed.headers["Access-Control-Allow-Headers"].split(",")}
        assert named >= {"authorization", "content-type", "idempotency-key", "if-match", "if-none-match"}
        assert "Origin" in allowed.headers["Vary"]
    path = f"/v1/businesses/{stage.tenant.slug}"
    answer = await stage.api._http.get(path, headers={"Origin": site(stage)})
    assert answer.headers[ALLOW] == site(stage)
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    assert "RateLimit-Policy" in answer.headers["Access-Control-Expose-Headers"]
    assert "Origin" in answer.headers["Vary"]
    # What goes wrong can be read as well.
    refused = await stage.api._http.get(f"{path}/customers", headers={"Origin": site(stage)})
    problem(refused, 401, "unauthenticated")
    assert refused.headers[ALLOW] == site(stage)


async def test_a_page_of_another_business_may_not(stage: Stage) -> None:
    ok(await put(stage, [site(stage)]))
    other = await make_tenant(stage.engine)
    path = f"/v1/businesses/{other.slug}"
    problem(await preflight(stage.api, path, site(stage)), 405, "method_not_allowed")
    answer = await stage.api._http.get(path, headers={"Origin": site(stage)})
    assert ALLOW not in answer.headers
    assert "Origin" in answer.headers["Vary"]


async def test_where_the_path_names_no_business_it_counts_what_the_answer_is_about(stage: Stage) -> None:
    ok(await put(stage, [site(stage)]))
    assert (await preflight(stage.api, "/v1/bookings", site(stage), "POST")).headers[ALLOW] == site(stage)
    customer = stage.as_("customer")
    listing = await customer._http.get("/v1/bookings", headers=customer.headers(Origin=site(stage)))
    assert (listing.status_code, ALLOW in listing.headers) == (200, False)
    booking = await stage.book()
    read = await customer._http.get(f"/v1/bookings/{booking['id']}", headers=customer.headers(Origin=site(stage)))
    assert (read.status_code, read.headers.get(ALLOW)) == (200, site(stage))


@pytest.mark.parametrize(
    "origin", ["null", "https://nobody.example", "https://x y.example", "https://\xfc.example", "x" * 9000]
)
async def test_an_unknown_origin_gets_the_answer_that_any_options_gets(stage: Stage, origin: str) -> None:
    ok(await put(stage, [site(stage)]))
    path = f"/v1/businesses/{stage.tenant.slug}"
    sent = [(b"Origin", origin.encode("latin-1")), (b"Access-Control-Request-Method", b"GET")]
    for at in (path, "/v1/bookings"):
        answer = await stage.api._http.options(at, headers=sent)
        problem(answer, 405, "method_not_allowed")
        assert ALLOW not in answer.headers


async def test_an_options_that_is_no_preflight_is_not_allowed(stage: Stage) -> None:
    ok(await put(stage, [site(stage)]))
    answer = await stage.api._http.options("/v1/bookings", headers={"Origin": site(stage)})
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, POST"


async def test_the_installation_s_own_site_may_read_everything(settings: Settings, stage: Stage) -> None:
    own = "https://app.example"
    async with running(settings.model_copy(update={"cors_origins": f"{own}, https://other.example"})) as app:
        for path in (f"/v1/businesses/{stage.tenant.slug}", "/v1/auth/login", "/v1/nowhere"):
            assert (await preflight(app, path, own)).headers[ALLOW] == own
            assert (await app._http.get(path, headers={"Origin": own})).headers[ALLOW] == own
            assert ALLOW not in (await app._http.get(path, headers={"Origin": "https://app.example.evil"})).headers
