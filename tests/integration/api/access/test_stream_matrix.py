"""The rights matrix of streams: every kind of caller opens every stream while events of every type are written.

What each may hear is in `tests.support.audiences` and `tests.support.stream_ways`, not in the product. A further
way to listen is one more entry in `WAYS` there.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.models import Customer, Membership
from domain.callers import CallerKind, Principal
from domain.lifecycle import Role
from runtime.ids import new_id
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.audiences import Right, may_hear
from tests.support.callers import Caller, CallerFactory
from tests.support.event_streams import Listener, Sent, SocketListener, listening
from tests.support.events import place_all
from tests.support.factories import Tenant, add_provider, add_user
from tests.support.stage import Stage, make_stage
from tests.support.stream_ways import STREAMS, WAYS, Listening, Party, Way, World

_LATEST: Final = 2.0
"""Seconds within which a stream must notice that a right is gone."""
_DESK: Final = frozenset({Role.OWNER, Role.ADMIN})


# --- callers ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def world(api: ApiClient, api_url: str, engine: AsyncEngine, settings: Settings) -> World:
    """The world, created once. Its bookings stand still: an offer waits for an answer."""
    stage, elsewhere = await make_stage(api, engine), await make_stage(api, engine)
    other = elsewhere.tenant
    async with engine.begin() as conn:
        neighbour, record = await _add_customer(conn, stage.tenant)
    parties = [
        await _booked(stage, stage.tenant.principals["customer"], stage.tenant.customer_id, "ana"),
        await _booked(stage, Principal(user_id=neighbour), record, "ben"),
        await _booked(elsewhere, other.principals["customer"], other.customer_id, "ana"),
    ]
    made = World(engine, api, api_url, stage.tenant.business_id, parties)
    factory = CallerFactory(engine, settings, stage.tenant, other)
    everybody = await factory.everybody(parties[0].booking_id, parties[2].booking_id)
    made.callers = [_known(caller, stage.tenant, other) for caller in everybody]
    made.callers.append(Listening(_as_user(factory, "neighbour", neighbour), customers={made.ours: record}))
    made.callers += await _with_several_roles(engine, factory, stage.tenant, other)
    return made


async def _booked(stage: Stage, who: Principal, customer_id: UUID, provider: str) -> Party:
    client, provider_id = stage.api.as_(who), stage.tenant.providers[provider]
    answer = await client.book(stage.tenant, starts_at=stage.next_start(), provider_id=provider_id)
    await stage.settled(answer.json(), "assigned")
    return Party(stage.tenant.business_id, UUID(answer.json()["id"]), customer_id, provider_id)


async def _add_customer(conn: AsyncConnection, tenant: Tenant) -> tuple[UUID, UUID]:
    user_id, record = await add_user(conn, "somebody"), new_id()
    values = {"id": record, "business_id": tenant.business_id, "user_id": user_id, "name": "Somebody"}
    await conn.execute(insert(Customer).values(values))
    return user_id, record


def _as_user(factory: CallerFactory, name: str, user_id: UUID, *, is_valid: bool = True) -> Caller:
    token = factory.token_for(user_id)
    return Caller(name, CallerKind.USER, token, user_id, is_ours=True, is_valid=is_valid)


def _known(caller: Caller, ours: Tenant, theirs: Tenant) -> Listening:
    """A caller of `CallerFactory`, by name."""
    tenant, name = (theirs, caller.name.split()[-1]) if "other tenant's" in caller.name else (ours, caller.name)
    here = tenant.business_id
    if caller.kind is CallerKind.API_KEY:
        return Listening(caller, desks=frozenset({here}))
    if name in ("owner", "admin"):
        return Listening(caller, desks=frozenset({here}))
    if name in tenant.providers:
        return Listening(caller, providers={here: tenant.providers[name]})
    return Listening(caller, customers={here: tenant.customer_id} if name == "customer" else {})


async def _with_several_roles(
    engine: AsyncEngine, factory: CallerFactory, ours: Tenant, theirs: Tenant
) -> list[Listening]:
    """Those who are several things at once, nothing at all, or not any more."""
    async with engine.begin() as conn:
        cho = await add_provider(conn, ours, f"cho-{uuid4().hex[:8]}")
        provider = next(name for name, known in ours.providers.items() if known == cho)
        both = ours.principals[provider].user_id
        record = new_id()
        customer = {"id": record, "business_id": ours.business_id, "user_id": both, "name": "Cho"}
        await conn.execute(insert(Customer).values(customer))
        desk = {"user_id": both, "business_id": theirs.business_id, "role": Role.OWNER, "provider_id": None}
        await conn.execute(insert(Membership).values(desk))
        nobody, gone = await add_user(conn, "nobody"), await add_user(conn, "gone")
        desk_of_ours = desk | {"user_id": gone, "business_id": ours.business_id}
        await conn.execute(insert(Membership).values(desk_of_ours))
        await conn.execute(text("UPDATE users SET active = false WHERE id = :id"), {"id": gone})
    here, there = ours.business_id, theirs.business_id
    return [
        Listening(
            _as_user(factory, "provider and customer here, owner there", both),
            desks=frozenset({there}),
            providers={here: cho},
            customers={here: record},
        ),
        Listening(_as_user(factory, "nobody in particular", nobody)),
        Listening(_as_user(factory, "owner whose account is closed", gone, is_valid=False)),
    ]


# --- the matrix -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_each_caller_hears_what_is_theirs_and_nothing_else(world: World, way: Way) -> None:
    await place_all(world.engine)
    before = {event["id"] for event in await world.log()}
    async with AsyncExitStack() as resources:
        statuses, listeners = await _open_all(world, way, resources)
        assert statuses == {one.caller.name: way.status(world, one) for one in world.callers}
        await world.write_every_type()
        new = [event for event in await world.log() if event["id"] not in before]
        for one, listener in listeners:
            await _assert_heard(world, way.rights(world, one), listener, new, one.caller.name)


async def _open_all(
    world: World, way: Way, resources: AsyncExitStack
) -> tuple[dict[str, int], list[tuple[Listening, Listener | SocketListener]]]:
    statuses, listeners = {}, []
    for one in world.callers:
        statuses[one.caller.name], listener = await way.open(world, one, resources)
        if listener is not None:
            listeners.append((one, listener))
    return statuses, listeners


async def _assert_heard(
    world: World,
    rights: Sequence[Right],
    listener: Listener | SocketListener,
    new: Sequence[Mapping[str, Any]],
    who: str,
) -> None:
    """Of each business exactly these events, in order: no more and no fewer."""
    expected = [event for event in new if may_hear(rights, event)]
    heard: list[Sent] = []
    while len(heard) < len(expected):
        sent = await listener.next()
        assert sent is not None, (who, "ended")
        heard.append(sent)
    for business_id in {party.business_id for party in world.parties}:
        mine = [sent.data["id"] for sent in heard if sent.data["tenant"] == str(business_id)]
        assert mine == [str(event["id"]) for event in expected if event["business_id"] == business_id], who


@pytest.mark.parametrize("way", STREAMS[:3], ids=str)
async def test_the_log_itself_says_no_more_than_what_is_heard_live(world: World, way: Way) -> None:
    await world.write_every_type()
    log = await world.log()
    for one in world.callers:
        if way.status(world, one) == 200:
            path = f"{way.path(world)}{'&' if '?' in way.path(world) else '?'}after=0"
            async with listening(world.client(one), path) as listener:
                await _assert_heard(world, way.rights(world, one), listener, log, one.caller.name)


def test_the_matrix_has_those_who_hear_and_those_who_do_not(world: World) -> None:
    admitted = {str(way): sum(way.status(world, one) == 200 for one in world.callers) for way in WAYS}
    assert all(3 <= count < len(world.callers) - 3 for count in admitted.values()), admitted
    assert len(world.callers) > 35


# --- rights that end --------------------------------------------------------------------------------------------

_ENDINGS: Final = {
    "login": ("owner", "business", "UPDATE sessions SET ended_at = now(), end_reason = 'logout' WHERE id = :user"),
    "login of a customer": (
        "customer",
        "mine",
        "UPDATE sessions SET ended_at = now(), end_reason = 'logout' WHERE id = :user",
    ),
    "account": ("admin", "mine", "UPDATE users SET active = false WHERE id = :user"),
    "role": ("admin", "business", "DELETE FROM memberships WHERE user_id = :user"),
    "provider's role": ("ana", "booking", "DELETE FROM memberships WHERE user_id = :user"),
    "record of the customer": ("customer", "booking", "UPDATE customers SET user_id = NULL WHERE user_id = :user"),
    "key": ("key", "business", "UPDATE api_keys SET revoked_at = now() WHERE business_id = :business"),
    "key's time": ("key", "booking", "UPDATE api_keys SET expires_at = now() WHERE business_id = :business"),
}
"""By what ends: who listens to what, and the statement that ends it."""


@pytest.mark.parametrize("what", _ENDINGS)
async def test_a_stream_ends_within_two_seconds_of_the_right_to_it(
    api: ApiClient, engine: AsyncEngine, settings: Settings, what: str
) -> None:
    who, way, statement = _ENDINGS[what]
    stage = await make_stage(api, engine)
    booking = await stage.book()
    await stage.settled(booking, "assigned")
    factory = CallerFactory(engine, settings, stage.tenant, stage.tenant)
    client = api.with_token(str(await factory.token_of(who)))
    paths = {"business": "/v1/events", "booking": f"/v1/bookings/{booking['id']}/events", "mine": "/v1/me/events"}
    user = stage.tenant.principals[who].user_id if who in stage.tenant.principals else None
    async with listening(client, paths[way]) as listener:
        async with engine.begin() as conn:
            values = {"user": user, "business": stage.tenant.business_id}
            await conn.execute(text(statement), {name: values[name] for name in values if f":{name}" in statement})
        async with asyncio.timeout(_LATEST):
            ended = (await listener.until("stream.ended"))[-1]
        assert ended.data["reason"] == "rights_ended"
        assert await listener.next() is None
