"""Pagination: no duplicates and no gaps while rows change, and cursors that cannot be forged."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.factories import future, make_tenant
from tests.support.schedules import execute
from tests.support.stage import Json, Stage, ok, problem
from tests.support.transfers import founded

Disturb = Callable[[list[str]], Awaitable[None]]


def at(stage: Stage, *parts: object) -> str:
    return "/".join([f"/v1/businesses/{stage.tenant.business_id}", *map(str, parts)])


async def paged(stage: Stage, path: str, disturb: Disturb | None = None, **params: Any) -> list[str]:
    """The ids of all items, two a page; `disturb` is called with those of each page before the next is read."""
    seen: list[str] = []
    cursor: Json = {}
    while cursor.get("cursor", "") is not None:
        page = ok(await stage.as_("owner").get(path, limit=2, **params, **cursor))
        ids = [item["id"] for item in page["items"]]
        seen += ids
        if disturb is not None:
            await disturb(ids)
        cursor = {"cursor": page["next_cursor"]}
    return seen


async def made(stage: Stage, path: str, *bodies: Json) -> list[str]:
    return [ok(await stage.as_("owner").post(path, body), 201)["id"] for body in bodies]


def away(hours: float) -> Json:
    return {"starts_at": future(hours).isoformat(), "ends_at": future(hours + 1).isoformat()}


async def test_pages_of_time_off_stay_whole_while_rows_come_and_go(stage: Stage) -> None:
    path = at(stage, "time-off")
    there = await made(stage, path, *(away(100 + hours) for hours in (0, 0, 1, 2, 3, 3)))

    async def disturb(ids: list[str]) -> None:
        """What was shown last goes, and something comes before and behind it."""
        assert (await stage.as_("owner").send("DELETE", f"{path}/{ids[-1]}")).status_code == 204
        await made(stage, path, away(99))

    assert await paged(stage, path, disturb) == there


async def test_pages_of_customers_stay_whole_while_rows_come_and_go(stage: Stage) -> None:
    path = at(stage, "customers")
    there = await made(stage, path, *({"name": f"Walk In {number}"} for number in range(5)))

    async def disturb(ids: list[str]) -> None:
        await made(stage, path, {"name": "Newcomer"})
        if ids[-1] in there:
            await execute(stage, "DELETE FROM customers WHERE business_id = :business_id AND id = :id", id=ids[-1])

    assert await paged(stage, path, disturb) == [*reversed(there), str(stage.tenant.customer_id)]


async def test_pages_of_consents_stay_whole_while_more_are_noted(stage: Stage) -> None:
    path = at(stage, "customers", stage.tenant.customer_id, "consents")
    words = [{"purpose": "sms", "granted": bool(n % 2), "text": "Text me."} for n in range(5)]
    there = await made(stage, path, *words)

    async def disturb(ids: list[str]) -> None:
        await made(stage, path, {"purpose": "email", "granted": True, "text": f"Not {ids}"})

    assert await paged(stage, path, disturb) == there[::-1]


async def test_a_cursor_is_good_for_its_own_listing_alone(stage: Stage) -> None:
    """The same owner asks everywhere: it is the cursor that is refused."""
    owner, elsewhere = stage.as_("owner"), await founded(stage, "elsewhere")
    customer = stage.tenant.customer_id
    await made(stage, at(stage, "customers"), {"name": "A"}, {"name": "B"})
    [other] = await made(stage, elsewhere + "/customers", {"name": "C"})
    for path in (at(stage, "time-off"), at(stage, "providers/ana/time-off")):
        await made(stage, path, away(100), away(101))
    words = [{"purpose": "sms", "granted": granted, "text": "Text me."} for granted in (True, False)]
    await made(stage, at(stage, "customers", customer, "consents"), *words)
    listings = [
        at(stage, "customers"),
        at(stage, "customers", customer, "consents"),
        at(stage, "time-off"),
        at(stage, "providers/ana/time-off"),
    ]
    foreign = [
        f"{elsewhere}/customers",
        f"{elsewhere}/customers/{other}/consents",
        f"{elsewhere}/time-off",
        at(stage, "providers/ben/time-off"),
    ]
    for listing in listings:
        cursor = ok(await owner.get(listing, limit=1))["next_cursor"]
        assert len(ok(await owner.get(listing, limit=1, cursor=cursor))["items"]) == 1
        for wrong in {*listings, *foreign} - {listing}:
            problem(await owner.get(wrong, cursor=cursor), 400, "invalid_cursor")
        for tampered in (cursor[:-1] + ("A" if cursor[-1] != "A" else "B"), "x", customer, cursor.swapcase()):
            problem(await owner.get(listing, cursor=tampered), 400, "invalid_cursor")
        problem(await owner.get(listing, cursor="A" * 301), 422, "invalid_request")
    cursor = ok(await owner.get(at(stage, "time-off"), limit=1))["next_cursor"]
    other_query = {"from": future(99).isoformat()}
    problem(await owner.get(at(stage, "time-off"), cursor=cursor, **other_query), 400, "invalid_cursor")


async def test_nobody_pages_through_another_business_with_a_cursor(stage: Stage) -> None:
    await made(stage, at(stage, "customers"), {"name": "A"}, {"name": "B"})
    cursor = ok(await stage.as_("owner").get(at(stage, "customers"), limit=1))["next_cursor"]
    tenant = await make_tenant(stage.engine)
    stranger = stage.api.as_(tenant.principals["owner"])
    problem(await stranger.get(at(stage, "customers"), cursor=cursor), 404, "not_found")
    problem(await stranger.get(f"/v1/businesses/{tenant.slug}/customers", cursor=cursor), 400, "invalid_cursor")
