"""The cost of `/metrics` and `/openapi.json`, and what strangers can put into them."""

import asyncio
import re

import httpx
import pytest

from api.app import create_app
from dev.ports import free_port
from runtime.metrics import REQUEST_SECONDS, Exposition
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.applications import running
from tests.support.processes import api_process
from tests.support.servers import served
from tests.support.stage import problem


def series_of(text: str) -> set[str]:
    return set(re.findall(r'holdfast_request_seconds_count\{method="([^"]+)"', text))


async def test_methods_that_nobody_uses_share_one_label(api: ApiClient, settings: Settings) -> None:
    for method in ("PROPFIND", "MKCOL", "LOCK", "M-SEARCH", "TRACE"):
        await api._http.request(method, "/livez")
    async with running(settings) as fresh:
        methods = series_of((await fresh.get("/metrics")).text)
    assert "other" in methods
    assert methods <= {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}


async def test_metrics_are_made_once_for_all_who_ask_at_once() -> None:
    exposition = Exposition()
    first, *others = await asyncio.gather(*(exposition.text() for _ in range(5)))
    assert all(other is first for other in others)


async def test_metrics_leave_the_loop_to_others() -> None:
    loop = asyncio.get_running_loop()
    for number in range(2000):
        REQUEST_SECONDS.labels("other", f"/canary/{number}", "200").observe(1)
    try:
        making = asyncio.create_task(Exposition().text())
        started, turns = loop.time(), 0
        while not making.done():
            await asyncio.sleep(0)
            turns += 1
        assert b"/canary/1999" in making.result()
        assert turns > MOST_TURNS_IN_LOOP, loop.time() - started
    finally:
        for number in range(2000):
            REQUEST_SECONDS.remove("other", f"/canary/{number}", "200")


MOST_TURNS_IN_LOOP = 3


async def test_metrics_may_have_a_port_of_their_own(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("HOLDFAST_API_METRICS_PORT", str(port))
    async with api_process(settings) as (http, _):
        problem(await http.get("/metrics"), 404, "not_found")
        apart = await http.get(f"http://127.0.0.1:{port}/metrics")
    assert "holdfast_request_seconds" in apart.text


async def test_the_document_is_made_once_and_kept_by_who_has_it(settings: Settings, api_url: str) -> None:
    async with served(create_app(settings)) as url, httpx.AsyncClient(base_url=url) as http:
        first, second = await asyncio.gather(*(http.get("/openapi.json") for _ in range(2)))
        assert first.content == second.content
        assert first.headers["Cache-Control"] == "public, no-cache"
        again = await http.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
