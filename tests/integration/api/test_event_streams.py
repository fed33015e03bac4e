"""Server-sent events over real HTTP: each listener hears what they may, once, in order, from where they were."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from db.models import Customer
from domain.callers import Principal
from runtime.ids import new_id
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.event_streams import STREAM, listening
from tests.support.factories import add_user, make_tenant
from tests.support.servers import served
from tests.support.stage import Stage, ok, problem


def of_booking(booking: dict[str, Any]) -> str:
    return f"/v1/bookings/{booking['id']}/events"


async def test_the_desk_hears_a_booking_from_its_creation_on_with_growing_ids(stage: Stage) -> None:
    async with listening(stage.as_("owner"), "/v1/events") as desk:
        booking = await stage.book()
        found = await desk.until("scheduling.booking.assigned")
    mine = [sent for sent in found if sent.data["data"].get("bookingId") == booking["id"]]
    assert mine[0].event == "scheduling.booking.created"
    assert [int(sent.id) for sent in found] == list(range(int(found[0].id), int(found[-1].id) + 1))
    assert mine[0].data["subject"] == booking["id"]


async def test_who_resumes_hears_what_came_meanwhile_once_and_in_order(stage: Stage) -> None:
    async with listening(stage.as_("owner"), "/v1/events") as desk:
        await stage.book()
        before = await desk.until("scheduling.booking.assigned")
    await stage.book()
    async with listening(stage.as_("owner"), "/v1/events", **{"Last-Event-ID": before[-1].id}) as desk:
        after = await desk.until("scheduling.booking.assigned")
    assert int(after[0].id) == int(before[-1].id) + 1
    async with listening(stage.as_("owner"), "/v1/events?after=0") as desk:
        everything = [sent.id for sent in await desk.until("scheduling.booking.assigned")]
    assert everything[: len(before)][-1] == before[-1].id


async def test_a_customer_hears_their_booking_and_neither_the_desks_affairs_nor_others_bookings(
    stage: Stage, engine: AsyncEngine
) -> None:
    mine, other = await stage.book(), await stage.book()
    async with listening(stage.as_("customer"), of_booking(mine) + "?after=0") as customer:
        ok(await stage.as_("ana").command(other["id"], "accept"))
        ok(await stage.as_("ana").command(mine["id"], "accept"))
        found = await customer.until("scheduling.booking.accepted")
    assert {sent.data["data"]["bookingId"] for sent in found} == {mine["id"]}


async def test_a_stream_over_everything_of_mine_resumes_by_an_opaque_place(stage: Stage) -> None:
    async with listening(stage.as_("customer"), "/v1/me/events") as customer:
        first = await stage.book()
        found = await customer.until("scheduling.booking.assigned")
    assert found[0].data["data"]["bookingId"] == first["id"]
    second = await stage.book()
    resumed = {"Last-Event-ID": found[-1].id}
    async with listening(stage.as_("customer"), "/v1/me/events", **resumed) as customer:
        later = await customer.until("scheduling.booking.assigned")
    assert {sent.data["data"]["bookingId"] for sent in later} == {second["id"]}


async def test_who_has_nothing_yet_hears_their_first_booking_from_its_creation_on(
    stage: Stage, engine: AsyncEngine
) -> None:
    async with engine.begin() as conn:
        client = stage.api.as_(Principal(user_id=await add_user(conn, "newcomer")))
    async with listening(client, "/v1/me/events") as newcomer:
        ok(await client.book(stage.tenant, starts_at=stage.next_start()), 201)
        found = await newcomer.until("scheduling.booking.assigned")
    assert found[0].event == "scheduling.booking.created"


async def test_who_resumes_hears_a_business_that_was_new_to_them_meanwhile(
    stage: Stage, engine: AsyncEngine
) -> None:
    other = Stage(stage.api, engine, await make_tenant(engine))
    client = stage.as_("customer")
    async with listening(client, "/v1/me/events") as customer:
        await stage.book()
        last = (await customer.until("scheduling.booking.assigned"))[-1]
    booking = ok(await client.book(other.tenant, starts_at=other.next_start()), 201)
    await other.settled(booking, "assigned")
    async with listening(client, "/v1/me/events", **{"Last-Event-ID": last.id}) as customer:
        found = await customer.until("scheduling.booking.assigned")
    assert found[0].event == "scheduling.booking.created"
    assert {sent.data["subject"] for sent in found} == {booking["id"]}


async def test_types_are_filtered(stage: Stage) -> None:
    async with listening(stage.as_("owner"), "/v1/events?types=scheduling.booking.assigned") as desk:
        await stage.book()
        found = await desk.until("scheduling.booking.assigned")
    assert [sent.event for sent in found] == ["scheduling.booking.assigned"]


async def test_a_provider_hears_a_booking_until_the_event_by_which_it_leaves_them(stage: Stage) -> None:
    booking = await stage.book()
    async with listening(stage.as_("ana"), of_booking(booking) + "?after=0") as ana:
        await ana.until("scheduling.booking.assigned")
        ok(await stage.as_("ana").command(booking["id"], "reject"))
        left = (await ana.until("scheduling.booking.assigned"))[-1].data["data"]
        ok(await stage.as_("ben").command(booking["id"], "accept"))
        assert left["providerId"] == str(stage.tenant.providers["ben"])
        assert left["formerProviderId"] == str(stage.tenant.providers["ana"])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ana.next(), 0.5)


async def test_a_stream_ends_within_two_seconds_of_the_role_that_it_stood_on(
    stage: Stage, engine: AsyncEngine
) -> None:
    gone = text("DELETE FROM memberships WHERE business_id = :business_id AND user_id = :user_id")
    owner = {"business_id": stage.tenant.business_id, "user_id": stage.tenant.principals["owner"].user_id}
    async with listening(stage.as_("owner"), "/v1/events") as desk:
        async with engine.begin() as conn:
            await conn.execute(gone, owner)
        async with asyncio.timeout(2):
            last = await desk.next()
        assert last is not None
        assert (last.event, last.data) == ("stream.ended", {"reason": "rights_ended"})
        assert await desk.next() is None


async def test_refusals_are_ordinary_problems(stage: Stage) -> None:
    booking = await stage.book()
    problem(await stage.as_("customer").send("GET", "/v1/events", **STREAM), 422, "invalid_request")
    bad = {**STREAM, "Last-Event-ID": "the last one"}
    problem(await stage.as_("owner").send("GET", "/v1/events", **bad), 400, "invalid_cursor")
    problem(await stage.as_("ben").send("GET", of_booking(booking), **STREAM), 404, "not_found")
    problem(await stage.api.send("GET", of_booking(booking), **STREAM), 401, "unauthenticated")


async def test_the_json_form_of_the_same_address_stays(stage: Stage) -> None:
    assert ok(await stage.as_("owner").send("GET", "/v1/events"))["items"] == []


async def test_a_ticket_opens_one_stream_once(stage: Stage) -> None:
    booking = await stage.book()
    ticket = ok(await stage.as_("customer").send("POST", "/v1/stream-tickets"))["ticket"]
    address = f"{of_booking(booking)}?after=0&ticket={ticket}"
    async with listening(stage.api, address) as customer:
        assert await customer.until("scheduling.booking.assigned")
    problem(await stage.api.send("GET", address, **STREAM), 401, "unauthenticated")
    problem(await stage.api.send("GET", f"/v1/bookings?ticket={ticket}"), 401, "unauthenticated")
    problem(await stage.api.send("POST", "/v1/stream-tickets"), 401, "unauthenticated")


async def test_who_had_nothing_to_hear_and_comes_back_hears_what_was_new_to_them_meanwhile(
    stage: Stage, engine: AsyncEngine
) -> None:
    async with engine.begin() as conn:
        new = stage.api.as_(Principal(user_id=await add_user(conn, "new")))
    async with listening(new, "/v1/me/events") as customer:
        place = customer.beginning
    booking = ok(await new.book(stage.tenant, starts_at=stage.next_start()), 201)
    await stage.settled(booking, "assigned")
    async with listening(new, "/v1/me/events", **{"Last-Event-ID": place}) as customer:
        found = await customer.until("scheduling.booking.assigned")
    assert [sent.event for sent in found] == ["scheduling.booking.created", "scheduling.booking.assigned"]


async def test_a_provider_who_is_a_customer_too_hears_of_a_booking_as_the_provider_only(
    stage: Stage, engine: AsyncEngine
) -> None:
    booking = await stage.book()
    await stage.settled(booking, "assigned")
    ana, values = stage.as_("ana"), {"id": new_id(), "business_id": stage.tenant.business_id, "name": "Ana"}
    async with engine.begin() as conn:
        await conn.execute(insert(Customer).values(user_id=stage.tenant.principals["ana"].user_id, **values))
    async with listening(ana, of_booking(booking) + "?after=0") as listener:
        ok(await ana.command(booking["id"], "reject"))
        await listener.until("scheduling.booking.rejected")
        left = (await listener.until("scheduling.booking.assigned"))[-1].data["data"]
        assert left["formerProviderId"] == str(stage.tenant.providers["ana"])
        ok(await stage.as_("ben").command(booking["id"], "accept"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(listener.next(), 0.5)


async def test_a_process_that_stops_tells_its_clients_to_come_back(
    stage: Stage, engine: AsyncEngine, settings: Settings
) -> None:
    async with engine.begin() as conn:
        nobody = Principal(user_id=await add_user(conn, "nobody in particular"))
    serving = served(create_app(settings))
    url = await serving.__aenter__()
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        client = ApiClient.over(http, settings)
        owner = client.as_(stage.tenant.principals["owner"])
        async with (
            listening(owner, "/v1/events") as desk,
            listening(client.as_(nobody), "/v1/me/events") as other,
            asyncio.timeout(5),
        ):
            stopping = asyncio.create_task(serving.__aexit__(None, None, None))
            for listener in (desk, other):
                assert (await listener.until("stream.ended"))[-1].data["reason"] == "restarting"
            await stopping
