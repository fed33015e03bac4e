"""Weekly hours: they are returned as put, overlaps are refused, and nobody changes another's."""

import asyncio
from typing import Any

from db.models import Provider
from runtime.ids import new_id
from tests.support.api_client import ApiClient
from tests.support.factories import make_tenant
from tests.support.stage import Json, Stage, ok, problem

WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ALL_DAY = [{"day": day, "opens": "00:00", "closes": "24:00"} for day in WEEK]
WORKDAYS = {"days": WEEK[:5], "opens": "08:00", "closes": "18:00"}


def path(stage: Stage, provider: object = None) -> str:
    part = "" if provider is None else f"/providers/{provider}"
    return f"/v1/businesses/{stage.tenant.slug}{part}/hours"


async def put(client: ApiClient, path: str, *weekly: Any) -> Json:
    return ok(await client.send("PUT", path, {"weekly": list(weekly)}))


async def test_hours_that_are_put_come_back_one_by_one(stage: Stage) -> None:
    sunday_night = {"day": "sun", "opens": "22:00", "closes": "02:00"}
    saturdays = [
        {"day": "sat", "opens": "14:00", "closes": "00:00"},
        {"days": ["sat"], "opens": "09:00", "closes": "12:30"},
    ]
    answer = await put(stage.as_("owner"), path(stage), sunday_night, WORKDAYS, *saturdays)
    weekly = [{"day": day, "opens": "08:00", "closes": "18:00"} for day in WORKDAYS["days"]]
    weekly.append({"day": "sat", "opens": "09:00", "closes": "12:30"})
    weekly.append({"day": "sat", "opens": "14:00", "closes": "24:00"})
    assert answer == {"timezone": "America/New_York", "weekly": [*weekly, sunday_night]}
    assert ok(await stage.api.get(path(stage))) == answer, "anybody may read it"
    assert await put(stage.as_("admin"), path(stage), *answer["weekly"]) == answer, "as it came, it can be put"


async def test_a_provider_keeps_the_business_s_hours_until_they_have_their_own(stage: Stage) -> None:
    await stage.change(Provider, timezone="Asia/Tokyo")
    theirs, ana = path(stage, "ana"), stage.as_("ana")
    business = {"timezone": "America/New_York", "weekly": ALL_DAY, "own": False}
    assert ok(await stage.api.get(theirs)) == business
    own = await put(
        ana, path(stage, stage.tenant.providers["ana"]), {"day": "mon", "opens": "06:00", "closes": "07:00"}
    )
    assert own == {
        "timezone": "Asia/Tokyo",
        "weekly": [{"day": "mon", "opens": "06:00", "closes": "07:00"}],
        "own": True,
    }
    assert ok(await stage.api.get(path(stage, "ben"))) == business
    assert ok(await stage.api.get(path(stage)))["weekly"] == ALL_DAY
    assert await put(ana, theirs) == business, "with none of their own they keep the business's again"


IMPOSSIBLE = [
    ([WORKDAYS, {"day": "tue", "opens": "17:59", "closes": "19:00"}], "tue 08:00-18:00 and tue 17:59-19:00"),
    ([{"days": ["mon", "tue"], "opens": "20:00", "closes": "20:00"}], "all day is 00:00 to 24:00"),
    (
        [
            {"day": "mon", "opens": "22:00", "closes": "02:00"},
            {"day": "tue", "opens": "01:00", "closes": "05:00"},
        ],
        "mon 22:00-02:00 and tue 01:00-05:00 overlap",
    ),
    (
        [
            {"day": "mon", "opens": "01:00", "closes": "05:00"},
            {"day": "sun", "opens": "22:00", "closes": "02:00"},
        ],
        "sun 22:00-02:00 and mon 01:00-05:00 overlap",
    ),
    ([WORKDAYS, WORKDAYS], "overlap"),
    ([{"day": "mon", "opens": "24:00", "closes": "02:00"}], "opens"),
    ([{"day": "mon", "opens": "8:00", "closes": "18:00"}], "opens"),
    ([{"day": "mon", "opens": "08:00", "closes": "18:60"}], "closes"),
    ([{"day": "monday", "opens": "08:00", "closes": "18:00"}], "day"),
    ([{"opens": "08:00", "closes": "18:00"}], "either day or days"),
    ([WORKDAYS | {"day": "sat"}], "either day or days"),
    ([WORKDAYS | {"weekday": 1}], "weekday"),
    ([WORKDAYS | {"days": ["mon"] * 7}] * 29, "200"),
]


async def test_hours_that_cannot_be_are_refused_and_nothing_is_stored(stage: Stage) -> None:
    for weekly, said in IMPOSSIBLE:
        answer = await stage.as_("owner").send("PUT", path(stage), {"weekly": weekly})
        assert said in problem(answer, 422, "invalid_request")["detail"]
    assert ok(await stage.api.get(path(stage)))["weekly"] == ALL_DAY


async def test_hours_may_touch_and_meet_over_midnight(stage: Stage) -> None:
    nights = {"days": WEEK, "opens": "20:00", "closes": "06:00"}
    days = nights | {"opens": "06:00", "closes": "20:00"}
    assert len((await put(stage.as_("owner"), path(stage), nights, days))["weekly"]) == 14


async def test_of_two_sets_put_at_the_same_time_one_is_left(stage: Stage) -> None:
    sets = [{"day": "mon", "opens": "08:00", "closes": f"{hour}:00"} for hour in range(10, 20)]
    answers = await asyncio.gather(*(put(stage.as_("owner"), path(stage), rule) for rule in sets))
    left = ok(await stage.api.get(path(stage)))
    assert len(left["weekly"]) == 1
    assert left in answers


async def test_a_change_may_ask_that_nobody_else_has_changed_the_hours(stage: Stage) -> None:
    tag = (await stage.api.get(path(stage))).headers["ETag"]
    assert (await stage.api.send("GET", path(stage), **{"If-None-Match": tag})).status_code == 304
    body = {"weekly": [WORKDAYS]}
    first = await stage.as_("owner").send("PUT", path(stage), body, **{"If-Match": tag})
    assert first.headers["ETag"] == (await stage.api.get(path(stage))).headers["ETag"] != tag
    assert ok(first)
    problem(await stage.as_("owner").send("PUT", path(stage), {"weekly": []}, **{"If-Match": tag}), 412, "stale")
    assert len(ok(await stage.api.get(path(stage)))["weekly"]) == 5


async def test_only_the_desk_and_the_provider_themselves_change_hours(stage: Stage) -> None:
    other = await make_tenant(stage.engine)
    whole, bens, body = path(stage), path(stage, "ben"), {"weekly": [WORKDAYS]}
    for client, where, status, code in (
        (stage.api, whole, 401, "unauthenticated"),
        (stage.api, bens, 401, "unauthenticated"),
        (stage.api.as_(other.principals["owner"]), whole, 404, "not_found"),
        (stage.api.as_(other.principals["owner"]), bens, 404, "not_found"),
        (stage.as_("customer"), bens, 404, "not_found"),
        (stage.as_("ana"), whole, 403, "forbidden"),
        (stage.as_("ana"), bens, 403, "forbidden"),
        (stage.as_("owner"), path(stage, "nobody"), 404, "not_found"),
        (stage.as_("owner"), path(stage, new_id()), 404, "not_found"),
        (stage.as_("owner"), path(stage, other.providers["ana"]), 404, "not_found"),
    ):
        problem(await client.send("PUT", where, body), status, code)
        problem(await client.send("PUT", where, {"weekly": 1}), status, code)
    assert ok(await stage.api.get(bens)) == {"timezone": "America/New_York", "weekly": ALL_DAY, "own": False}
    await put(stage.as_("ben"), bens, WORKDAYS)
    await put(stage.as_("owner"), bens, WORKDAYS)


async def test_hours_of_a_business_or_provider_that_is_not_there_are_404(stage: Stage) -> None:
    problem(await stage.api.get("/v1/businesses/no-such-business/hours"), 404, "not_found")
    problem(await stage.api.get(path(stage, "nobody")), 404, "not_found")
