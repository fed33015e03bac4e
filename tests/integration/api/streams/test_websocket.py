"""`/v1/ws` over a real connection: authenticate, subscribe, hear, go on where one was, and end for a reason."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from domain.callers import Principal, Scope
from domain.policies import Backoff, Intake, Policy
from runtime.settings import Settings
from tests.integration.api.streams.conftest import TokenOf, token_in
from tests.support.accounts import make_account
from tests.support.api_client import ApiClient
from tests.support.api_keys import key_holder
from tests.support.servers import served
from tests.support.sockets import bookings_in, socket_to
from tests.support.stage import Json, Stage, make_stage, ok

CREATED, ASSIGNED = "scheduling.booking.created", "scheduling.booking.assigned"


def types_in(messages: list[Json]) -> list[str]:
    return [one["event"]["type"] for one in messages if one["type"] == "event"]


# --- what is heard --------------------------------------------------------------------------------------------


async def test_a_new_booking_reaches_its_customer_and_its_provider(
    stage: Stage, api_url: str, token_of: TokenOf
) -> None:
    async with socket_to(api_url) as customer, socket_to(api_url) as provider:
        for socket, name in ((customer, "customer"), (provider, "ana")):
            assert (await socket.authenticate(token_of(name)))["caller"] == "user"
            await socket.subscribe("mine")
        booking = await stage.book()
        to_customer, to_provider = await customer.until(ASSIGNED), await provider.until(ASSIGNED)
    [created, *_] = to_customer
    assert created["id"] == "mine"
    assert created["event"]["type"] == CREATED
    assert created["event"]["data"] == {
        "bookingId": booking["id"],
        "customerId": booking["customer_id"],
        "providerId": str(stage.tenant.providers["ana"]),
        "startTime": booking["starts_at"],
        "endTime": booking["ends_at"],
        "status": "pending",
    }
    assert types_in(to_provider)[-1] == ASSIGNED
    assert bookings_in(to_provider) == {booking["id"]}


async def test_who_books_with_a_business_for_the_first_time_hears_it_from_the_first_event_on(
    stage: Stage, api_url: str, engine: AsyncEngine
) -> None:
    account = await make_account(engine)
    newcomer = stage.api.as_(Principal(user_id=account.user_id))
    async with socket_to(api_url) as socket:
        await socket.authenticate(token_in(newcomer))
        begun = await socket.subscribe("mine")
        made = ok(await newcomer.book(stage.tenant, starts_at=stage.next_start()), 201)
        heard = await socket.until(ASSIGNED)
        assert types_in(heard)[0] == CREATED
        assert bookings_in(heard) == {made["id"]}
    async with socket_to(api_url) as socket:  # and so does who was away meanwhile
        await socket.authenticate(token_in(newcomer))
        await socket.subscribe("mine", after=begun["resume"])
        assert types_in(await socket.until(ASSIGNED)) == types_in(heard)


async def test_a_due_reminder_reaches_customer_and_provider(
    api: ApiClient, engine: AsyncEngine, api_url: str
) -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=4)
    # Within the opening hours of one day, whatever time it is.
    there = at.astimezone(ZoneInfo("America/New_York"))
    minutes = 60 if there.hour < 21 else 240
    policy = Policy(
        intake=Intake.DISPATCH, auto_accept=True, reminder_minutes=(minutes,), backoff=Backoff(base_seconds=86_400)
    )
    stage = await make_stage(api, engine, policy)
    async with socket_to(api_url) as customer, socket_to(api_url) as provider:
        for socket, name in ((customer, "customer"), (provider, "ana")):
            await socket.authenticate(token_in(stage.as_(name)))
            await socket.subscribe("mine")
        booking = await stage.book(starts_at=at + timedelta(minutes=minutes))
        for socket in (customer, provider):
            due = (await socket.until("scheduling.booking.reminder.due"))[-1]["event"]["data"]
            assert due.keys() == {"bookingId", "customerId", "providerId", "startTime"}
            assert due["bookingId"] == booking["id"]


async def test_a_client_goes_on_where_it_was(stage: Stage, api_url: str, token_of: TokenOf) -> None:
    async with socket_to(api_url) as socket:
        await socket.authenticate(token_of("customer"))
        await socket.subscribe("mine")
        first = await stage.book()
        heard = await socket.until(ASSIGNED)
    second = await stage.book()
    async with socket_to(api_url) as socket:
        await socket.authenticate(token_of("customer"))
        await socket.subscribe("again", after=heard[-1]["resume"])
        assert bookings_in(await socket.until(ASSIGNED)) == {second["id"]}
    async with socket_to(api_url) as socket:
        await socket.authenticate(token_of("owner"))
        begun = await socket.subscribe("all", business=str(stage.tenant.business_id), after=0)
        assert begun["resume"] == "0"
        everything = await socket.until(ASSIGNED) + await socket.until(ASSIGNED)
    assert [int(one["resume"]) for one in everything] == list(range(1, len(everything) + 1))
    assert {first["id"], second["id"]} == {
        one["event"]["data"]["bookingId"] for one in everything if "bookingId" in one["event"]["data"]
    }


async def test_each_subscription_has_what_it_asks_for_and_ends_alone(
    stage: Stage, api_url: str, token_of: TokenOf
) -> None:
    booking, other = await stage.book(), await stage.book()
    async with socket_to(api_url) as socket:
        await socket.authenticate(token_of("ana"))
        await socket.subscribe("one", booking=booking["id"], types=["scheduling.booking.accepted"], after=0)
        await socket.subscribe("other", booking=other["id"])
        await stage.settled(other, "assigned")
        assert (await socket.ask("unsubscribe", id="other"))["type"] == "unsubscribed"
        for each in (other, booking):
            await stage.settled(each, "assigned")
            ok(await stage.as_("ana").command(each["id"], "accept"))
        heard = await socket.until("event")
    assert (heard[0]["id"], types_in(heard)) == ("one", ["scheduling.booking.accepted"])


async def test_a_booking_that_leaves_a_provider_drops_out_with_the_event_by_which_it_does(
    stage: Stage, api_url: str, token_of: TokenOf
) -> None:
    booking = await stage.book()
    await stage.settled(booking, "assigned")
    async with socket_to(api_url) as socket:
        await socket.authenticate(token_of("ana"))
        await socket.subscribe("mine")
        ok(await stage.as_("ana").command(booking["id"], "reject"))
        await socket.until("scheduling.booking.rejected")
        left = (await socket.until(ASSIGNED))[-1]["event"]["data"]
        assert left["formerProviderId"] == str(stage.tenant.providers["ana"])
        ok(await stage.as_("ben").command(booking["id"], "accept"))
        await stage.settled(booking, "accepted")
        await socket.say("ping", id="p")
        assert await socket.until("pong") == [{"type": "pong", "id": "p"}]


async def test_the_holder_of_a_link_and_a_program_with_a_key_hear_what_is_theirs(
    stage: Stage, api_url: str, engine: AsyncEngine
) -> None:
    robin = {"name": "Robin Roe", "email": f"{uuid4().hex}@example.org"}
    made = ok(await stage.api.book(stage.tenant, starts_at=stage.next_start(), customer=robin), 201)
    key = token_in(await key_holder(stage, Scope.READ_EVENTS))
    async with socket_to(api_url) as link, socket_to(api_url) as program:
        assert (await link.authenticate(made["manage"]["token"]))["caller"] == "guest"
        assert (await program.authenticate(key))["caller"] == "api_key"
        for socket in (link, program):
            await socket.subscribe("default", after=0)
            assert made["id"] in bookings_in(await socket.until(CREATED))
        refused = await link.ask("subscribe", id="more", business=str(stage.tenant.business_id))
        assert refused["problem"]["code"] == "forbidden"


# --- who may ---------------------------------------------------------------------------------------------------


async def test_what_may_not_be_heard_is_refused_for_itself_and_audited(
    stage: Stage, api_url: str, token_of: TokenOf, engine: AsyncEngine
) -> None:
    booking = await stage.book()
    business = str(stage.tenant.business_id)
    async with socket_to(api_url) as socket:
        await socket.authenticate(token_of("ben"))
        await socket.subscribe("mine")
        for asked in ({"booking": booking["id"]}, {"booking": str(uuid4())}, {"business": str(uuid4())}):
            refused = await socket.ask("subscribe", id="x", **asked)
            assert (refused["id"], refused["problem"]["code"]) == ("x", "not_found")
        assert (await socket.ask("subscribe", id="x", business=business))["problem"]["code"] == "forbidden"
        assert (await socket.ask("subscribe", id="x", after="nonsense"))["problem"]["code"] == "invalid_cursor"
        assert (await socket.ask("ping"))["type"] == "pong"
    lines = text("SELECT code FROM audit_log WHERE business_id = :id AND action = 'subscribe' ORDER BY at")
    async with engine.connect() as conn:
        assert (await conn.scalars(lines, {"id": stage.tenant.business_id})).all() == ["not_found", "forbidden"]


@pytest.mark.parametrize(
    "first",
    [
        '{"type": "authenticate", "token": "nonsense"}',
        '{"type": "authenticate", "ticket": "nonsense"}',
        '{"type": "authenticate", "token": "a", "ticket": "b"}',
        '{"type": "authenticate"}',
        '{"type": "ping"}',
        "nonsense",
        "[]",
    ],
)
async def test_who_does_not_authenticate_first_is_told_why_and_closed(api_url: str, first: str) -> None:
    async with socket_to(api_url) as socket:
        await socket.connection.send(first)
        answer = await socket.next()
        assert answer["type"] == "error"
        assert await socket.closed() == (4401, answer["problem"]["code"])


async def test_who_says_nothing_is_closed_after_five_seconds(api_url: str) -> None:
    started = asyncio.get_running_loop().time()
    async with socket_to(api_url) as socket:
        assert await socket.closed() == (4401, "authentication_timeout")
    assert 4.9 < asyncio.get_running_loop().time() - started < 7


async def test_a_ticket_opens_one_connection_once(stage: Stage, api_url: str) -> None:
    ticket = ok(await stage.as_("customer").send("POST", "/v1/stream-tickets"))["ticket"]
    async with socket_to(api_url) as socket:
        await socket.connection.send(f'{{"ticket": "{ticket}"}}')
        assert (await socket.next())["type"] == "authenticated"
        await socket.subscribe("mine")
    async with socket_to(api_url) as socket:
        assert (await socket.ask("authenticate", ticket=ticket))["problem"]["code"] == "unauthenticated"
        assert await socket.closed() == (4401, "unauthenticated")


async def test_a_ticket_is_good_for_no_longer_than_the_token_for_which_it_was_given(
    stage: Stage, api_url: str, token_of: TokenOf
) -> None:
    short = stage.api.with_token(token_of("customer", seconds=2))
    ticket = ok(await short.send("POST", "/v1/stream-tickets"))["ticket"]
    longer = f"{ticket.partition('.')[0]}.99999999999"
    async with socket_to(api_url) as socket:
        assert (await socket.ask("authenticate", ticket=longer))["problem"]["code"] == "unauthenticated"
    async with socket_to(api_url) as socket:
        assert (await socket.ask("authenticate", ticket=ticket))["type"] == "authenticated"
        assert await socket.closed() == (4401, "token_expired")


# --- how it ends -----------------------------------------------------------------------------------------------


async def test_a_connection_ends_with_its_token_unless_a_newer_one_is_sent(
    stage: Stage, api_url: str, token_of: TokenOf
) -> None:
    async with socket_to(api_url) as ending, socket_to(api_url) as going_on:
        for socket in (ending, going_on):
            await socket.authenticate(token_of("customer", seconds=2))
            await socket.subscribe("mine")
        assert (await going_on.ask("authenticate", token=token_of("ana")))["problem"]["code"] == "forbidden"
        assert (await going_on.ask("authenticate", token="nonsense"))["problem"]["code"] == "unauthenticated"
        await going_on.authenticate(token_of("customer"))
        last = (await ending.until("stream.ended"))[-1]
        assert (last["id"], last["reason"]) == ("mine", "token_expired")
        assert await ending.closed() == (4401, "token_expired")
        booking = await stage.book()
        assert bookings_in(await going_on.until(ASSIGNED)) == {booking["id"]}
    async with socket_to(api_url) as socket:
        await socket.authenticate(token_of("customer"))
        await socket.subscribe("mine", after=last["resume"])
        assert bookings_in(await socket.until(ASSIGNED)) == {booking["id"]}


async def test_a_login_that_ends_closes_its_connections_within_two_seconds(
    stage: Stage, api_url: str, token_of: TokenOf, engine: AsyncEngine
) -> None:
    logout = text("UPDATE sessions SET ended_at = now(), end_reason = 'logged_out' WHERE user_id = :id")
    async with socket_to(api_url) as socket:
        await socket.authenticate(token_of("customer"))
        async with engine.begin() as conn:
            await conn.execute(logout, {"id": stage.tenant.principals["customer"].user_id})
        async with asyncio.timeout(2):
            assert await socket.closed() == (4401, "rights_ended")


async def test_a_role_that_is_taken_away_ends_what_stood_on_it_and_nothing_else(
    stage: Stage, api_url: str, token_of: TokenOf, engine: AsyncEngine
) -> None:
    gone = text("DELETE FROM memberships WHERE user_id = :id")
    async with socket_to(api_url) as socket:
        await socket.authenticate(token_of("owner"))
        await socket.subscribe("desk", business=str(stage.tenant.business_id))
        await socket.subscribe("mine")
        async with engine.begin() as conn:
            await conn.execute(gone, {"id": stage.tenant.principals["owner"].user_id})
        async with asyncio.timeout(2):
            ended = await socket.next()
        assert (ended["type"], ended["id"], ended["reason"]) == ("stream.ended", "desk", "rights_ended")
        assert (await socket.ask("unsubscribe", id="desk"))["problem"]["code"] == "not_found"
        assert (await socket.ask("unsubscribe", id="mine"))["type"] == "unsubscribed"


async def test_a_process_that_stops_says_where_to_go_on(stage: Stage, settings: Settings) -> None:
    serving = served(create_app(settings))
    url = await serving.__aenter__()
    async with socket_to(url) as socket:
        await socket.authenticate(token_in(stage.as_("owner")))
        await socket.subscribe("desk", business=str(stage.tenant.business_id))
        async with asyncio.timeout(3):
            stopping = asyncio.create_task(serving.__aexit__(None, None, None))
            ended = await socket.next()
            assert (ended["type"], ended["reason"], ended["resume"]) == ("stream.ended", "restarting", "0")
            assert await socket.closed() == (1012, "restarting")
            await stopping
