"""Date exceptions: closed, other hours or extra hours; a new PUT replaces the old one."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.api_client import ApiClient
from tests.support.factories import make_tenant
from tests.support.stage import Json, Stage, ok, problem

CLOSED: Json = {"kind": "closed"}
MORNING: Json = {"opens": "08:00", "closes": "12:00"}
LATE: Json = {"opens": "22:00", "closes": "01:00"}


def today() -> date:
    """The date at the test business."""
    return datetime.now(ZoneInfo("America/New_York")).date()


def path(stage: Stage, day: object = "", provider: str | None = None) -> str:
    whose = f"/v1/businesses/{stage.tenant.slug}" + (f"/providers/{provider}" if provider else "")
    return f"{whose}/exceptions/{day}".rstrip("/")


async def listed(client: ApiClient, where: str, **params: Any) -> list[Json]:
    items: list[Json] = ok(await client.get(where, **params))["items"]
    return items


async def test_an_exception_that_is_put_comes_back_and_the_next_one_replaces_it(stage: Stage) -> None:
    owner, day = stage.as_("owner"), today() + timedelta(days=30)
    other = {"kind": "hours", "intervals": [LATE, MORNING], "name": "Stocktaking"}
    shown = {
        "date": str(day),
        "kind": "hours",
        "intervals": [MORNING, LATE],
        "name": "Stocktaking",
        "yearly": False,
    }
    for _ in range(2):
        assert ok(await owner.send("PUT", path(stage, day), other)) == shown
        assert await listed(stage.api, path(stage)) == [shown]
    closed = ok(await owner.send("PUT", path(stage, day), CLOSED))
    assert closed == {"date": str(day), "kind": "closed", "intervals": [], "name": "", "yearly": False}
    extra = ok(await owner.send("PUT", path(stage, today()), {"kind": "extra", "intervals": [LATE]}))
    assert await listed(stage.api, path(stage)) == [extra, closed]
    for _ in range(2):
        assert (await owner.send("DELETE", path(stage, day))).status_code == 204
    assert await listed(stage.api, path(stage)) == [extra]


async def test_a_list_goes_from_today_for_a_year_or_as_far_as_is_asked(stage: Stage) -> None:
    days = [today() + timedelta(days=offset) for offset in (-1, 0, 366, 367)]
    for day in days:
        ok(await stage.as_("owner").send("PUT", path(stage, day), CLOSED))
    assert [item["date"] for item in await listed(stage.api, path(stage))] == [str(day) for day in days[1:3]]
    one_day = await listed(stage.api, path(stage), **{"from": days[3], "to": days[3]})
    assert [item["date"] for item in one_day] == [str(days[3])]
    assert [item["date"] for item in await listed(stage.api, path(stage), to=days[0])] == [str(days[0])]
    for params in ({"from": days[1], "to": days[0]}, {"from": days[0], "to": "2190-01-01"}, {"from": "0"}):
        problem(await stage.api.get(path(stage), **params), 422, "invalid_request")


async def test_a_holiday_of_every_year_is_told_once_and_always_listed(stage: Stage) -> None:
    owner = stage.as_("owner")
    holiday = {"kind": "closed", "name": "Christmas Day", "yearly": True}
    ok(await owner.send("PUT", path(stage, "2020-12-25"), holiday | {"name": "Xmas"}))
    ok(await owner.send("PUT", path(stage, "2024-12-25"), holiday))
    ok(await owner.send("PUT", path(stage, "2024-12-26"), holiday))
    ok(await owner.send("PUT", path(stage, "2030-12-25"), {"kind": "extra", "intervals": [MORNING]}))
    found = await listed(stage.api, path(stage))
    assert [(item["date"], item["name"], item["yearly"]) for item in found] == [
        ("2024-12-25", "Christmas Day", True),
        ("2024-12-26", "Christmas Day", True),
    ]
    assert len(await listed(stage.api, path(stage), **{"from": "2030-01-01", "to": "2030-12-31"})) == 3


NO_DATES = ["2026-02-30", "20261225", "1766620800", "2026-W01-1", "1969-12-31", "2200-01-01"]
IMPOSSIBLE: list[tuple[Json, str]] = [
    ({"kind": "holiday"}, "kind"),
    ({"kind": "closed", "intervals": [MORNING]}, "'closed' has no intervals"),
    ({"kind": "hours"}, "'hours' needs intervals"),
    ({"kind": "extra", "intervals": []}, "'extra' needs intervals"),
    (
        {"kind": "hours", "intervals": [MORNING, {"opens": "11:59", "closes": "13:00"}]},
        "08:00-12:00 and 11:59-13:00 overlap",
    ),
    ({"kind": "hours", "intervals": [{"opens": "12:00", "closes": "12:00"}]}, "the same"),
    ({"kind": "closed", "name": "x" * 201}, "name"),
    ({"kind": "closed", "reason": "none"}, "reason"),
]


async def test_an_exception_that_cannot_be_is_refused_and_nothing_is_stored(stage: Stage) -> None:
    for body, said in IMPOSSIBLE:
        answer = await stage.as_("owner").send("PUT", path(stage, today()), body)
        assert said in problem(answer, 422, "invalid_request")["detail"]
    for day in NO_DATES:
        problem(await stage.as_("owner").send("PUT", path(stage, day), CLOSED), 422, "invalid_request")
    assert await stage.count("date_exceptions") == 0


async def test_a_provider_has_exceptions_of_their_own_which_the_public_does_not_see(stage: Stage) -> None:
    other = await make_tenant(stage.engine)
    day, ben = today(), path(stage, today(), "ben")
    ok(await stage.as_("owner").send("PUT", path(stage, day), CLOSED))
    ok(await stage.as_("ben").send("PUT", ben, {"kind": "extra", "intervals": [LATE]}))
    for client, status, code in (
        (stage.api, 401, "unauthenticated"),
        (stage.as_("ana"), 403, "forbidden"),
        (stage.as_("customer"), 404, "not_found"),
        (stage.api.as_(other.principals["owner"]), 404, "not_found"),
    ):
        problem(await client.get(path(stage, provider="ben")), status, code)
        problem(await client.send("PUT", ben, CLOSED), status, code)
        problem(await client.send("DELETE", ben), status, code)
        problem(await client.send("DELETE", path(stage, day)), status, code)
    assert [item["kind"] for item in await listed(stage.as_("owner"), path(stage, provider="ben"))] == ["extra"]
    assert await listed(stage.as_("ana"), path(stage, provider="ana")) == []
    assert (await stage.as_("ben").send("DELETE", ben)).status_code == 204
    assert [item["kind"] for item in await listed(stage.api, path(stage))] == ["closed"]
