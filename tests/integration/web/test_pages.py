"""Pages over HTTP: addresses, headers, what search engines read, and what caches keep."""

import json
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from db.models import Business, Service
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.factories import Tenant
from tests.support.servers import served
from tests.support.stage import Stage, make_stage
from web.routes import web_routes

HOSTILE = "</script><script>alert(1)</script>&\u2028"


@pytest.fixture(scope="module")
async def site(settings: Settings, worker: None) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the pages, of an installation whose businesses have host names."""
    own = settings.model_copy(update={"base_domain": "book.example", "public_url": "https://holdfast.example"})
    async with served(create_app(own, web_routes(own))) as url, httpx.AsyncClient(base_url=url) as http:
        yield http


@pytest.fixture
async def stage(api: ApiClient, engine: AsyncEngine) -> Stage:
    """A business that can be changed."""
    return await make_stage(api, engine)


async def test_a_business_has_a_page_by_slug_id_and_host_name(site: httpx.AsyncClient, tenant: Tenant) -> None:
    by_slug = await site.get(f"/b/{tenant.slug}")
    by_id = await site.get(f"/b/{tenant.business_id}")
    by_host = await site.get("/", headers={"Host": f"{tenant.slug}.book.example:443"})
    assert {answer.status_code for answer in (by_slug, by_id, by_host)} == {200}
    assert by_slug.text == by_id.text == by_host.text
    assert f'<link rel="canonical" href="https://{tenant.slug}.book.example/">' in by_slug.text


@pytest.mark.parametrize("host", ["book.example", "a.b.book.example", "nobody.book.example", "evil.example", ""])
async def test_other_host_names_have_no_page_of_a_business(site: httpx.AsyncClient, host: str) -> None:
    answer = await site.get("/", headers={"Host": host})
    assert answer.status_code in (400, 404)


@pytest.mark.parametrize("key", ["nobody", "a" * 64, "..%2f", "x'--", "%00"])
async def test_an_unknown_business_is_a_page_that_says_so(site: httpx.AsyncClient, key: str) -> None:
    answer = await site.get(f"/b/{key}")
    assert answer.status_code == 404
    if answer.headers["Content-Type"].startswith("text/html"):
        assert "There is no booking page here" in answer.text


async def test_pages_allow_nothing_inline_and_nothing_from_elsewhere(
    site: httpx.AsyncClient, tenant: Tenant
) -> None:
    for path in (f"/b/{tenant.slug}", "/m", "/b/nobody"):
        answer = await site.get(path)
        policy = answer.headers.get_list("Content-Security-Policy")
        assert len(policy) == 1
        assert "script-src 'self';" in policy[0]
        assert "unsafe" not in policy[0]
        assert "require-trusted-types-for 'script'" in policy[0]
        assert not re.search(r"<script(?![^>]*(?:src=|ld\+json))|<style|\sstyle=|\son\w+=", answer.text)
        assert "Set-Cookie" not in answer.headers


async def test_search_engines_read_the_business_and_its_offers(site: httpx.AsyncClient, tenant: Tenant) -> None:
    text = (await site.get(f"/b/{tenant.slug}")).text
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    assert data["name"] == "Test Business"
    [offer] = data["makesOffer"]
    assert (offer["price"], offer["priceCurrency"], offer["itemOffered"]["name"]) == ("129.00", "USD", "Repair")
    assert '<meta property="og:title" content="Book at Test Business">' in text


async def test_no_name_can_leave_its_place_in_the_page(
    site: httpx.AsyncClient, api: ApiClient, stage: Stage
) -> None:
    await stage.change(Business, name=HOSTILE)
    await stage.change(Service, name=HOSTILE, description=HOSTILE)
    text = (await site.get(f"/b/{stage.tenant.slug}")).text
    assert "<script>alert" not in text
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    assert json.loads(found[1])["name"] == HOSTILE


@pytest.mark.parametrize(
    ("accepted", "query", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "", "de"),
        ("fr, es;q=0.8", "", "es"),
        ("fr", "", "en"),
        ("en;q=0", "", "en"),
        ("en", "?lang=ja", "ja"),
        ("en", "?lang=xx", "en"),
        ("q=,;;,*", "", "en"),
    ],
)
async def test_the_page_speaks_the_visitors_language(
    site: httpx.AsyncClient, tenant: Tenant, accepted: str, query: str, language: str
) -> None:
    answer = await site.get(f"/b/{tenant.slug}{query}", headers={"Accept-Language": accepted})
    assert f'<html lang="{language}">' in answer.text
    assert "Accept-Language" in answer.headers["Vary"]


async def test_pages_are_asked_about_again_and_their_files_are_kept_for_a_year(
    site: httpx.AsyncClient, tenant: Tenant
) -> None:
    page = await site.get(f"/b/{tenant.slug}")
    assert page.headers["Cache-Control"] == "public, no-cache"
    again = await site.get(f"/b/{tenant.slug}", headers={"If-None-Match": page.headers["ETag"]})
    assert again.status_code == 304
    files = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text))
    assert len(files) > 10
    for path in files:
        kept = await site.get(path)
        assert kept.status_code == 200, path
        assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert kept.headers["X-Content-Type-Options"] == "nosniff"
        assert "RateLimit" not in kept.headers
    assert (await site.get("/static/widget.js")).status_code == 404


async def test_the_page_is_light(site: httpx.AsyncClient, tenant: Tenant) -> None:
    """Page, styles, scripts, texts and the catalogue: 60 kB compressed at most."""
    sizes: dict[str, int] = {}

    async def weigh(path: str) -> str:
        async with site.stream("GET", path) as answer:
            sizes[path] = len(b"".join([chunk async for chunk in answer.aiter_raw()]))
        return path

    await weigh(f"/b/{tenant.slug}")
    text = (await site.get(f"/b/{tenant.slug}")).text
    for path in set(re.findall(r'(?:href|src)="(/(?:static|v1)/[^"]+)"', text)):
        await weigh(path)
    assert sum(sizes.values()) < 60_000, sizes
    scripts = [size for path, size in sizes.items() if path.endswith(".js")]
    assert sum(scripts) < 25_000


async def test_slots_are_short_without_providers_and_compressed(site: httpx.AsyncClient, tenant: Tenant) -> None:
    query = "service_id=repair&from=2030-03-01&to=2030-04-01"
    path = f"/v1/businesses/{tenant.slug}/slots?{query}"
    full, short = (await site.get(path)).json(), (await site.get(f"{path}&providers=false")).json()
    assert {slot["starts_at"] for slot in full["items"]} == {slot["starts_at"] for slot in short["items"]}
    assert all(len(slot["provider_ids"]) == 2 for slot in full["items"])
    assert all(slot["provider_ids"] == [] for slot in short["items"])
    packed = await site.get(path)
    assert packed.headers["Content-Encoding"] == "gzip"
    plain = await site.get(path, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.json() == full
    again = await site.get(path, headers={"If-None-Match": packed.headers["ETag"]})
    assert again.status_code == 304
