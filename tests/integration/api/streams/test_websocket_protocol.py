"""The protocol of `/v1/ws`: messages that are none, how many subscriptions, published shapes, and who connects."""

import jsonschema_rs
import pytest
from websockets.exceptions import InvalidStatus

from api.streams.asyncapi import asyncapi_document
from api.streams.socket_session import MOST_SUBSCRIPTIONS
from tests.integration.api.streams.conftest import TokenOf
from tests.support.api_client import ApiClient
from tests.support.sockets import bookings_in, socket_to
from tests.support.stage import Stage, ok

ASSIGNED = "scheduling.booking.assigned"


async def test_a_message_that_is_none_is_answered_and_changes_nothing(
    stage: Stage, api_url: str, token_of: TokenOf
) -> None:
    bad = [
        "{",
        "[]",
        "{}",
        '{"type":"dance"}',
        '{"type":"ping","x":1}',
        '{"type":"ping","id":"\\ud800"}',
        '{"a":1,"a":1}',
    ]
    async with socket_to(api_url) as socket:
        await socket.authenticate(token_of("customer"))
        await socket.subscribe("mine")
        for message in bad:
            await socket.connection.send(message)
            assert (await socket.next())["problem"]["code"] == "invalid_request"
        assert (await socket.ask("subscribe", id="mine"))["problem"]["code"] == "invalid_request"
        assert (await socket.ask("subscribe", id="t", types=["nope"]))["id"] == "t"
        booking = await stage.book()
        assert bookings_in(await socket.until(ASSIGNED)) == {booking["id"]}


async def test_a_connection_has_so_many_subscriptions(stage: Stage, api_url: str, token_of: TokenOf) -> None:
    async with socket_to(api_url) as socket:
        await socket.authenticate(token_of("customer"))
        for number in range(MOST_SUBSCRIPTIONS):
            await socket.subscribe(str(number))
        assert (await socket.ask("subscribe", id="more"))["problem"]["code"] == "too_many_streams"
        assert (await socket.ask("unsubscribe", id="0"))["type"] == "unsubscribed"
        await socket.subscribe("more")


async def test_messages_are_as_the_published_document_says(stage: Stage, api_url: str, token_of: TokenOf) -> None:
    document = asyncapi_document("test")
    schemas = {name: message["payload"] for name, message in document["components"]["messages"].items()}
    async with socket_to(api_url) as socket:
        heard = [await socket.authenticate(token_of("customer")), await socket.subscribe("mine")]
        await stage.book()
        heard += await socket.until(ASSIGNED)
        heard += [await socket.ask("ping"), await socket.ask("dance"), await socket.ask("unsubscribe", id="mine")]
    for message in heard:
        schema = schemas[f"ws.{message['type']}"] | {"components": document["components"]}
        jsonschema_rs.validator_for(schema).validate(message)
    assert {one["type"] for one in heard} == {
        "authenticated",
        "subscribed",
        "event",
        "pong",
        "error",
        "unsubscribed",
    }


# --- who connects ----------------------------------------------------------------------------------------------


async def test_pages_of_unknown_origins_may_not_connect_and_those_of_a_business_hear_that_business(
    stage: Stage, api_url: str, token_of: TokenOf
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with socket_to(api_url, origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
    assert b'"code":"forbidden"' in refused.value.response.body
    assert refused.value.response.headers["X-Request-ID"]
    site = f"https://{stage.tenant.slug}.example"
    allowed = {"origins": [site]}
    path = f"/v1/businesses/{stage.tenant.slug}/origins"
    ok(await stage.as_("owner").send("PUT", path, allowed, **{"If-Match": "*"}))
    booking = await stage.book()
    async with socket_to(api_url, origin=site) as socket:
        await socket.authenticate(token_of("customer"))
        await socket.subscribe("theirs", booking=booking["id"])
        assert (await socket.ask("subscribe", id="all"))["problem"]["code"] == "forbidden"
    async with socket_to(api_url, origin=api_url) as socket:  # a page of our own
        await socket.authenticate(token_of("customer"))
        await socket.subscribe("all")


async def test_the_address_answers_other_requests_with_what_it_is_for(api: ApiClient) -> None:
    refused = await api.get("/v1/ws")
    assert (refused.status_code, refused.headers["Upgrade"]) == (426, "websocket")
