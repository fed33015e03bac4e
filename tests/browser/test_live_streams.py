"""What a browser's own `EventSource` and `WebSocket` hear, on a page of another origin than the API's."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from api.app import create_app
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.servers import served
from tests.support.stage import Stage, make_stage, ok

ACCEPTED, ASSIGNED = "scheduling.booking.accepted", "scheduling.booking.assigned"
TICKET = """
    const headers = {Authorization: `Bearer ${token}`};
    const {ticket} = await (await fetch(api + "/v1/stream-tickets", {method: "POST", headers})).json();
"""
EVENT_SOURCE = (
    """async ([api, token, booking]) => {
    window.heard = [];"""
    + TICKET
    + """
    const stream = new EventSource(`${api}/v1/bookings/${booking}/events?ticket=${ticket}&after=0`);
    stream.addEventListener("scheduling.booking.accepted", (event) => {
        window.heard.push({id: event.lastEventId, type: JSON.parse(event.data).type});
        stream.close();
    });
}"""
)
WEBSOCKET = (
    """async ([api, token, booking]) => {
    window.heard = [];"""
    + TICKET
    + """
    const socket = new WebSocket(api.replace("http", "ws") + "/v1/ws");
    socket.onopen = () => {
        socket.send(JSON.stringify({type: "authenticate", ticket}));
        socket.send(JSON.stringify({type: "subscribe", id: "mine", booking, after: 0}));
    };
    socket.onmessage = ({data}) => {
        const message = JSON.parse(data);
        window.heard.push({id: message.resume, type: message.event ? message.event.type : message.type});
        if (message.event && message.event.type === "scheduling.booking.accepted") socket.send("{}");
    };
}"""
)
CLOSED = """([api, first]) => new Promise((done) => {
    const socket = new WebSocket(api.replace("http", "ws") + "/v1/ws");
    socket.onopen = () => socket.send(first);
    socket.onclose = ({code, reason}) => done([code, reason]);
})"""


async def _empty(_: Request) -> HTMLResponse:
    return HTMLResponse("<!doctype html><title>Pages</title>")


@pytest.fixture(scope="module")
async def site() -> AsyncIterator[str]:
    """The origin of our own pages, which are not on the API's."""
    async with served(Starlette(routes=[Route("/", _empty)])) as url:
        yield url


@pytest.fixture(scope="module")
async def live_url(settings: Settings, worker: None, site: str) -> AsyncIterator[str]:
    async with served(create_app(settings.model_copy(update={"cors_origins": site}))) as url:
        yield url


@pytest.fixture
async def stage(api: ApiClient, engine: Any) -> Stage:
    return await make_stage(api, engine)


def token_in(client: ApiClient) -> str:
    return client.headers()["Authorization"].removeprefix("Bearer ")


@pytest.mark.parametrize(("script", "last"), [(EVENT_SOURCE, ACCEPTED), (WEBSOCKET, "error")])
async def test_a_page_hears_what_happens_to_a_booking(
    page: Page, site: str, live_url: str, stage: Stage, script: str, last: str
) -> None:
    booking = await stage.book()
    await stage.settled(booking, "assigned")
    await page.goto(site)
    await page.evaluate(script, [live_url, token_in(stage.as_("customer")), booking["id"]])
    ok(await stage.as_("ana").command(booking["id"], "accept"))
    await page.wait_for_function("last => window.heard.some((one) => one.type === last)", arg=last)
    heard = await page.evaluate("window.heard")
    accepted = [one for one in heard if one["type"] == ACCEPTED]
    assert len(accepted) == 1
    assert int(accepted[0]["id"]) > 0
    assert script == EVENT_SOURCE or [one["type"] for one in heard][:2] == ["authenticated", "subscribed"]


async def test_a_page_is_told_why_its_websocket_is_closed(page: Page, site: str, live_url: str) -> None:
    await page.goto(site)
    refused = '{"type": "authenticate", "token": "nonsense"}'
    assert await page.evaluate(CLOSED, [live_url, refused]) == [4401, "unauthenticated"]
    assert (await page.evaluate(CLOSED, [live_url, "x" * 100_000]))[0] == 1009


async def test_a_page_of_an_unknown_origin_gets_no_websocket(page: Page, site: str, live_url: str) -> None:
    await page.goto(site.replace("127.0.0.1", "localhost"))
    assert await page.evaluate(CLOSED, [live_url, "{}"]) == [1006, ""]
