"""`GET /v1/bookings`: visibility, filters, and pages without gaps or duplicates."""

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from runtime.ids import new_id
from tests.support.factories import make_tenant
from tests.support.stage import Json, Stage, ok, problem


async def listed(stage: Stage, by: str = "owner", **params: Any) -> list[Json]:
    """The first page that somebody sees."""
    items: list[Json] = ok(await stage.as_(by).get("/v1/bookings", **params))["items"]
    return items


def ids(bookings: list[Json]) -> list[str]:
    return [booking["id"] for booking in bookings]


async def all_pages(stage: Stage, limit: int, **params: Any) -> list[Json]:
    """Everything, page by page."""
    found: list[Json] = []
    cursor: dict[str, str] = {}
    while True:
        page = ok(await stage.as_("owner").get("/v1/bookings", limit=limit, **params, **cursor))
        assert set(page) == {"items", "next_cursor"}
        assert len(page["items"]) <= limit
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_each_sees_their_own_and_the_desk_sees_all(stage: Stage) -> None:
    first = await stage.book(provider_id=stage.tenant.providers["ana"])
    second = await stage.book(provider_id=stage.tenant.providers["ben"])
    walk_in = ok(
        await stage.as_("owner").book(stage.tenant, starts_at=stage.next_start(), customer={"name": "Walk In"}),
        201,
    )
    assert set(ids(await listed(stage, "owner"))) == set(ids([first, second, walk_in]))
    assert set(ids(await listed(stage, "admin"))) == set(ids([first, second, walk_in]))
    assert set(ids(await listed(stage, "customer"))) == set(ids([first, second]))
    assert set(ids(await listed(stage, "ana"))) == set(ids([first, walk_in]))
    assert set(ids(await listed(stage, "ben"))) == {second["id"]}


async def test_another_tenant_s_bookings_are_invisible_however_they_are_asked_for(stage: Stage) -> None:
    booking = await stage.book()
    other = await make_tenant(stage.engine)
    for who in ("admin", "owner", "ana", "customer"):
        stranger = stage.api.as_(other.principals[who])
        for params in (
            {},
            {"business_id": stage.tenant.business_id},
            {"customer_id": booking["customer_id"]},
            {"provider_id": booking["provider_id"]},
        ):
            page = ok(await stranger.get("/v1/bookings", **params))
            assert page == {"items": [], "next_cursor": None}


async def test_a_list_shows_what_a_look_at_the_booking_shows(patient_stage: Stage) -> None:
    [booking] = await patient_stage.bookings_in("accepted")
    [shown] = await listed(patient_stage)
    assert shown == ok(await patient_stage.as_("owner").get(f"/v1/bookings/{booking['id']}"))


async def test_filters_by_status_which_may_be_repeated(patient_stage: Stage) -> None:
    stage = patient_stage
    made = {status: (await stage.bookings_in(status))[0]["id"] for status in ("accepted", "no_show", "cancelled")}
    assert ids(await listed(stage, status="accepted")) == [made["accepted"]]
    both = await listed(stage, status=["accepted", "cancelled"])
    assert set(ids(both)) == {made["accepted"], made["cancelled"]}
    assert await listed(stage, status="rejected") == []


async def test_filters_by_provider_and_by_customer(stage: Stage) -> None:
    ana, ben = stage.tenant.providers["ana"], stage.tenant.providers["ben"]
    first, second = await stage.book(provider_id=ana), await stage.book(provider_id=ben)
    assert ids(await listed(stage, provider_id=ana)) == [first["id"]]
    assert ids(await listed(stage, provider_id=ben)) == [second["id"]]
    assert len(await listed(stage, customer_id=first["customer_id"])) == 2
    assert await listed(stage, customer_id=new_id()) == []


async def test_from_is_the_first_moment_and_to_is_the_first_beyond(stage: Stage) -> None:
    bookings = [await stage.book() for _ in range(3)]
    starts = [datetime.fromisoformat(booking["starts_at"]) for booking in bookings]
    window = {"from": starts[1].isoformat(), "to": starts[2].isoformat()}
    assert ids(await listed(stage, **window)) == [bookings[1]["id"]]
    assert ids(await listed(stage, **{"from": (starts[1] + timedelta(seconds=1)).isoformat()})) == [
        bookings[2]["id"]
    ]


async def test_a_plus_before_an_offset_may_be_written_as_it_is(stage: Stage) -> None:
    at, owner = stage.next_start(), stage.as_("owner")
    booking = await stage.book(starts_at=at)
    moment = at.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
    assert "+05:30" in moment
    found = ok(await owner._http.get(f"/v1/bookings?from={moment}", headers=owner.headers()))
    assert [one["id"] for one in found["items"]] == [booking["id"]]
    home = f"/v1/businesses/{stage.tenant.slug}"
    tomorrow = (at + timedelta(days=1)).date()
    for query in ("time-off?from=", "audit-log?from=", f"slots?service_id=repair&to={tomorrow}&from="):
        ok(await owner._http.get(f"{home}/{query}{moment}", headers=owner.headers()))


async def test_filters_by_what_needs_attention(patient_stage: Stage) -> None:
    [flagged] = await patient_stage.bookings_in("no_show")
    [calm] = await patient_stage.bookings_in("accepted")
    assert ids(await listed(patient_stage, needs_attention=True)) == [flagged["id"]]
    assert ids(await listed(patient_stage, needs_attention=False)) == [calm["id"]]


async def test_filters_add_up(patient_stage: Stage) -> None:
    stage = patient_stage
    [accepted] = await stage.bookings_in("accepted")
    await stage.bookings_in("cancelled")
    found = await listed(
        stage, status="accepted", provider_id=accepted["provider_id"], **{"from": accepted["starts_at"]}
    )
    assert ids(found) == [accepted["id"]]


@pytest.mark.parametrize("limit", [1, 3, 7, 8])
async def test_pages_hold_everything_once_and_in_order(patient_stage: Stage, limit: int) -> None:
    same_time = patient_stage.next_start()
    made = await asyncio.gather(
        *(patient_stage.book(provider_id=None, starts_at=same_time) for _ in range(4)),
        *(patient_stage.book(provider_id=None) for _ in range(3)),
    )
    found = await all_pages(patient_stage, limit)
    assert sorted(ids(found)) == sorted(ids(made))
    places = [(booking["starts_at"], booking["id"]) for booking in found]
    assert places == sorted(places)


async def test_a_booking_that_is_made_between_two_pages_disturbs_neither(patient_stage: Stage) -> None:
    stage = patient_stage
    before = [await stage.book(provider_id=None) for _ in range(4)]
    first = ok(await stage.as_("owner").get("/v1/bookings", limit=2))
    await stage.book(provider_id=None, starts_at=before[0]["starts_at"])
    second = ok(await stage.as_("owner").get("/v1/bookings", limit=2, cursor=first["next_cursor"]))
    assert ids(first["items"] + second["items"]) == ids(before)
    assert second["next_cursor"] is None


async def test_pages_keep_to_their_filters(patient_stage: Stage) -> None:
    accepted = await patient_stage.bookings_in("accepted", 3)
    await patient_stage.bookings_in("cancelled", 3)
    found = await all_pages(patient_stage, 2, status="accepted")
    assert sorted(ids(found)) == sorted(ids(accepted))


async def test_a_cursor_of_somebody_else_is_none(stage: Stage) -> None:
    for _ in range(2):
        await stage.book()
    page = ok(await stage.as_("owner").get("/v1/bookings", limit=1))
    stranger = stage.api.as_((await make_tenant(stage.engine)).principals["admin"])
    problem(await stranger.get("/v1/bookings", cursor=page["next_cursor"]), 400, "invalid_cursor")


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%%%", "bm9uc2Vuc2U"])
async def test_a_cursor_that_is_none_is_refused(stage: Stage, cursor: str) -> None:
    problem(await stage.as_("owner").get("/v1/bookings", cursor=cursor), 400, "invalid_cursor")
