"""Adding, changing and withdrawing services."""

import asyncio

import pytest

from runtime.ids import new_id
from tests.support.factories import make_tenant
from tests.support.stage import Json, Stage, ok, patch, problem

WASH: Json = {"name": "Car wash", "duration_minutes": 30, "price": {"amount_minor": 20_00}}


def at(stage: Stage, part: str = "") -> str:
    return f"/v1/businesses/{stage.tenant.slug}/services{part}"


async def test_a_service_is_added_with_little_and_the_rest_has_defaults(stage: Stage) -> None:
    answer = await stage.as_("owner").post(at(stage), WASH)
    added = ok(answer, 201)
    assert added == {
        "id": added["id"],
        "code": "car-wash",
        "name": "Car wash",
        "description": "",
        "duration_minutes": 30,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "price": {"amount_minor": 20_00, "currency": "USD"},
        "capacity": 1,
        "slot_step_minutes": 15,
        "min_notice_minutes": 0,
        "horizon_days": 365,
        "daily_limit": None,
        "required_skills": [],
        "payment_mode": "none",
        "payment_at": "booking",
        "deposit_minor": None,
        "active": True,
    }
    path = answer.headers["Location"]
    read = await stage.api.get(path)
    assert ok(read) == added
    assert read.headers["ETag"] == answer.headers["ETag"]
    assert added in ok(await stage.api.get(at(stage)))["items"]
    ok(await stage.as_("customer").book(stage.tenant, service_id="car-wash", starts_at=stage.next_start()), 201)


async def test_everything_about_a_service_can_be_said_and_changed(stage: Stage) -> None:
    admin = stage.as_("admin")
    said: Json = {
        "code": "yoga_1",
        "name": "Yoga",
        "description": "For beginners",
        "duration_minutes": 90,
        "buffer_before_minutes": 5,
        "buffer_after_minutes": 10,
        "price": {"amount_minor": 900, "currency": "EUR"},
        "capacity": 12,
        "slot_step_minutes": 30,
        "min_notice_minutes": 120,
        "horizon_days": None,
        "daily_limit": 3,
        "required_skills": ["yoga"],
        "payment_mode": "deposit",
        "payment_at": "completion",
        "deposit_minor": 500,
        "active": True,
    }
    added = ok(await admin.post(at(stage), said), 201)
    assert {name: added[name] for name in said} == said
    new: Json = {
        "code": "pilates",
        "name": "Pilates",
        "description": "",
        "duration_minutes": 10_080,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 1440,
        "price": {"amount_minor": 2_000_000_000},
        "capacity": 1000,
        "slot_step_minutes": 1440,
        "min_notice_minutes": 525_600,
        "horizon_days": 3650,
        "daily_limit": None,
        "required_skills": [],
        "payment_mode": "full",
        "payment_at": "booking",
        "deposit_minor": None,
        "active": True,
    }
    changed = ok(await patch(admin, at(stage, "/yoga_1"), new))
    new["price"]["currency"] = "EUR"
    assert changed == new | {"id": added["id"]}
    assert ok(await patch(admin, at(stage, f"/{added['id']}"), {})) == changed
    assert ok(await stage.api.get(at(stage, "/pilates"))) == changed


async def test_the_code_tells_services_apart(stage: Stage) -> None:
    owner = stage.as_("owner")
    added = ok(await owner.post(at(stage), WASH), 201)
    again = problem(await owner.post(at(stage), WASH), 409, "already_exists")
    assert again["id"] == added["id"]
    problem(await patch(owner, at(stage, "/repair"), {"code": "car-wash"}), 409, "already_exists")
    other = await make_tenant(stage.engine)
    theirs = stage.api.as_(other.principals["owner"])
    ok(await theirs.post(f"/v1/businesses/{other.slug}/services", WASH), 201)


async def test_of_ten_who_add_one_code_one_does(stage: Stage) -> None:
    answers = await asyncio.gather(*(stage.as_("owner").post(at(stage), WASH) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await stage.count("services") == 2


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "!!!"}, "/body/code"),
        ({"code": str(new_id())}, "/body/code"),
        ({"description": "n\x00"}, "/body/description"),
        ({"duration_minutes": 0}, "/body/duration_minutes"),
        ({"duration_minutes": 10_081}, "/body/duration_minutes"),
        ({"buffer_after_minutes": -1}, "/body/buffer_after_minutes"),
        ({"price": {"amount_minor": -1}}, "/body/price/amount_minor"),
        ({"price": {"amount_minor": 2_000_000_001}}, "/body/price/amount_minor"),
        ({"price": {"amount_minor": 1, "currency": "$"}}, "/body/price/currency"),
        ({"capacity": 0}, "/body/capacity"),
        ({"slot_step_minutes": 0}, "/body/slot_step_minutes"),
        ({"daily_limit": 0}, "/body/daily_limit"),
        ({"required_skills": ["Not a code"]}, "/body/required_skills/0"),
        ({"payment_mode": "half"}, "/body/payment_mode"),
        ({"payment_mode": "deposit"}, "/body"),
        ({"payment_mode": "deposit", "deposit_minor": 1_000_000}, "/body"),
        ({"deposit_minor": 100}, "/body"),
        ({"color": "red"}, "/body/color"),
    ],
)
async def test_a_service_with_nonsense_in_it_is_422_and_not_stored(
    stage: Stage, change: Json, pointer: str
) -> None:
    owner, before = stage.as_("owner"), ok(await stage.api.get(at(stage, "/repair")))
    found = problem(await owner.post(at(stage), WASH | change), 422, "invalid_request")
    assert [error["pointer"] for error in found["errors"]] == [pointer]
    assert await stage.count("services") == 1
    if change != {"name": "!!!"}:  # a name alone may be anything
        problem(await patch(owner, at(stage, "/repair"), change), 422, "invalid_request")
        assert ok(await stage.api.get(at(stage, "/repair"))) == before


async def test_what_must_be_something_cannot_be_null(stage: Stage) -> None:
    owner = stage.as_("owner")
    for member in ("code", "name", "description", "duration_minutes", "price", "capacity", "active"):
        problem(await patch(owner, at(stage, "/repair"), {member: None}), 422, "invalid_request")


async def test_what_is_not_active_exists_for_the_desk_alone(stage: Stage) -> None:
    owner, path = stage.as_("owner"), at(stage, "/repair")
    withdrawn = ok(await patch(owner, path, {"active": False}))
    assert withdrawn["active"] is False
    for reader in (stage.api, stage.as_("customer"), stage.as_("ana")):
        problem(await reader.get(path), 404, "not_found")
        assert ok(await reader.get(at(stage)))["items"] == []
    for answer in (await owner.get(path), await owner.get(at(stage), all="true")):
        assert "Repair" in answer.text
        assert answer.headers["Cache-Control"] == "private, no-cache"
    assert ok(await owner.get(at(stage)))["items"] == []
    for hidden in (path, at(stage, "/no-such")):
        refused = await stage.api.send("GET", hidden, Authorization="Bearer nonsense")
        problem(refused, 401, "unauthenticated")


async def test_who_has_read_something_older_changes_nothing(stage: Stage) -> None:
    owner, path = stage.as_("owner"), at(stage, "/repair")
    read = (await stage.api.get(path)).headers["ETag"]
    price = {"price": {"amount_minor": 1}}
    answers = await asyncio.gather(*(patch(owner, path, price, **{"If-Match": read}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    problem(await patch(owner, path, {"name": "Late"}, **{"If-Match": read}), 412, "stale")
    assert ok(await stage.api.get(path))["name"] == "Repair"


@pytest.mark.parametrize("capacity", [True, "30", 30.0])
async def test_what_only_comes_near_a_number_is_none(stage: Stage, capacity: object) -> None:
    path = f"/v1/businesses/{stage.tenant.slug}/services"
    body: Json = {"name": "Yoga", "duration_minutes": 60, "price": {"amount_minor": 500}, "capacity": capacity}
    refused = problem(await stage.as_("owner").post(path, body), 422, "invalid_request")
    assert [error["pointer"] for error in refused["errors"]] == ["/body/capacity"]
    ok(await stage.as_("owner").post(path, body | {"capacity": 30}), 201)
