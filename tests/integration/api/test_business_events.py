"""Whatever is changed in a business is an event of the same transaction, with who did it and by which request."""

from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from api import operators
from db.repositories import maintenance
from runtime.settings import Settings
from tests.support.events import problems_of
from tests.support.factories import future
from tests.support.stage import Json, Stage, make_stage, ok, patch
from tests.support.transfers import bring, document, founded, home, send

_EVENTS = text("SELECT * FROM events WHERE business_id = :id AND type LIKE :family ORDER BY written")


async def written(stage: Stage, family: str, business_id: Any = None) -> list[Json]:
    """The events of a family, in the order in which they were written."""
    values = {"id": UUID(str(business_id or stage.tenant.business_id)), "family": f"{family}.%"}
    async with stage.engine.connect() as conn:
        found = [dict(row) for row in (await conn.execute(_EVENTS, values)).mappings()]
    assert [problem for event in found for problem in problems_of(event)] == []
    return found


async def causes(stage: Stage, *requests: Awaitable[httpx.Response]) -> list[Json]:
    """Send the owner's requests one after the other; the event of each, which must be one."""
    found: list[Json] = []
    for request in requests:
        before = len(await written(stage, "business"))
        answer = await request
        assert answer.is_success, answer.text
        [event] = (await written(stage, "business"))[before:]
        assert event["correlation_id"] == answer.headers["X-Request-ID"]
        assert event["actor"]["user_id"] == str(stage.tenant.principals["owner"].user_id)
        found.append(event)
    return found


async def test_each_change_of_business_catalogue_and_calendar_is_one_event(stage: Stage) -> None:
    owner, at, ana = stage.as_("owner"), home(stage), f"{home(stage)}/providers/ana"
    wash = {"name": "Wash", "duration_minutes": 30, "price": {"amount_minor": 1}}
    day = {"first_date": "2040-01-01", "last_date": "2040-01-02"}
    week: Json = {"weekly": []}
    found = await causes(
        stage,
        patch(owner, at, {"name": "Another"}),
        owner.post(f"{at}/services", wash),
        patch(owner, f"{at}/services/wash", {"name": "Big wash"}),
        owner.post(f"{at}/providers", {"name": "Cho"}),
        patch(owner, f"{at}/providers/cho", {"name": "Cho 2"}),
        owner.send("PUT", f"{at}/hours", week),
        owner.send("PUT", f"{ana}/hours", week),
        owner.send("PUT", f"{ana}/exceptions/2040-02-01", {"kind": "closed"}),
        owner.send("DELETE", f"{ana}/exceptions/2040-02-01"),
        owner.send("PUT", f"{at}/areas", {"areas": [{"kind": "prefix", "code": "94"}]}),
        owner.post(f"{at}/time-off", day),
    )
    assert [event["type"].removeprefix("business.") for event in found] == [
        "business.changed",
        "service.created",
        "service.changed",
        "provider.created",
        "provider.changed",
        "availability.hours_changed",
        "availability.hours_changed",
        "availability.exception_changed",
        "availability.exception_changed",
        "availability.areas_changed",
        "availability.time_off_added",
    ]
    assert found[6]["data"]["providerId"] == str(stage.tenant.providers["ana"])
    assert found[7]["data"]["date"] == "2040-02-01"
    gone = f"{at}/time-off/{found[-1]['data']['timeOffId']}"
    [removed] = await causes(stage, owner.send("DELETE", gone))
    assert removed["type"] == "business.availability.time_off_removed"
    assert removed["data"]["timeOffId"] == found[-1]["data"]["timeOffId"]


async def test_what_was_refused_or_has_changed_nothing_is_no_event(stage: Stage) -> None:
    owner, at = stage.as_("owner"), home(stage)
    assert (await owner.post(f"{at}/services", {"name": "x"})).status_code == 422
    assert (await owner.send("PUT", f"{at}/hours", {"weekly": []}, **{"If-Match": '"old"'})).status_code == 412
    assert (await owner.send("DELETE", f"{at}/exceptions/2040-02-01")).is_success
    assert (await owner.send("DELETE", f"{at}/time-off/{stage.tenant.business_id}")).status_code in (204, 404)
    assert await written(stage, "business") == []


async def test_an_import_tells_of_each_thing_that_it_has_made_or_changed_and_of_nothing_twice(
    stage: Stage,
) -> None:
    path = await founded(stage, "imported")
    business_id = path.rpartition("/")[2]

    async def types() -> list[str]:
        return [one["type"].removeprefix("business.") for one in await written(stage, "business", business_id)]

    ok(await send(stage, path, document(), dry_run=True))
    assert await types() == ["business.created"]
    await bring(stage, path, document())
    first = [
        "business.created",
        "business.changed",
        *["service.created"] * 2,
        *["provider.created"] * 2,
        "availability.imported",
    ]
    assert await types() == first
    await bring(stage, path, document())
    assert await types() == first
    await bring(stage, path, {"providers": [{"code": "cho", "name": "Cho Two"}]})
    assert await types() == [*first, "provider.changed"]


async def test_what_operators_do_to_a_business_is_an_event(stage: Stage, settings: Settings) -> None:
    for command in ("approve", "withdraw"):
        await _operate(settings, command, stage.tenant.slug)
    assert [one["type"] for one in await written(stage, "business")] == ["business.business.changed"] * 2


async def _operate(settings: Settings, *words: str) -> None:
    await operators._run(operators._parser().parse_args(words), settings)


async def test_each_turn_of_a_hold_is_an_event_with_its_request(stage: Stage) -> None:
    customer = stage.as_("customer")

    async def hold() -> httpx.Response:
        slot = {"service_id": "repair", "starts_at": stage.next_start().isoformat()}
        return await customer.post("/v1/holds", slot | {"business_id": stage.tenant.slug})

    held = [await hold() for _ in range(3)]
    ids = [ok(one, 201)["id"] for one in held]
    booked = await customer.book(stage.tenant, starts_at=held[0].json()["starts_at"], hold_id=ids[0])
    released = await customer.send("DELETE", f"/v1/holds/{ids[1]}")
    await _run_out(stage, ids[2])
    found = [
        (one["type"].removeprefix("scheduling.hold."), one["subject"], one["correlation_id"])
        for one in await written(stage, "scheduling.hold")
    ]
    requests = [one.headers["X-Request-ID"] for one in held]
    assert found == [
        *(("created", id_, request) for id_, request in zip(ids, requests, strict=True)),
        ("redeemed", ids[0], booked.headers["X-Request-ID"]),
        ("released", ids[1], released.headers["X-Request-ID"]),
        ("expired", ids[2], None),
    ]
    assert (await written(stage, "scheduling.hold"))[3]["data"]["bookingId"] == ok(booked, 201)["id"]


async def _run_out(stage: Stage, hold_id: str) -> None:
    """Let a hold expire, and let the purges notice it, twice."""
    async with stage.engine.begin() as conn:
        for table in ("holds", "reservations"):
            late = f"UPDATE {table} SET expires_at = now() - interval '1 second' WHERE id = :id"
            await conn.execute(text(late), {"id": UUID(hold_id)})
    for _ in range(2):
        async with stage.engine.begin() as conn:
            await maintenance.purge_holds(conn, kept_since=future(-1000))


async def test_a_message_tells_by_which_request_it_was_caused(api: Any, stage: Stage) -> None:
    quiet = await make_stage(api, stage.engine)
    booking = await quiet.book()
    await quiet.settled(booking, "assigned")
    answer = await quiet.as_("ana").command(booking["id"], "accept")
    [told] = [one for one in await written(quiet, "notification") if one["data"]["kind"] == "confirmed"]
    assert (told["type"], told["correlation_id"]) == ("notification.email.sent", answer.headers["X-Request-ID"])
