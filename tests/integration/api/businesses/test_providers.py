"""Adding and changing providers, and linking users to them."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from domain.callers import Principal
from runtime.ids import new_id
from tests.support.factories import add_user
from tests.support.stage import Json, Stage, ok, patch, problem


def at(stage: Stage, part: str = "") -> str:
    return f"/v1/businesses/{stage.tenant.slug}/providers{part}"


async def somebody(stage: Stage) -> UUID:
    """A user without a role."""
    async with stage.engine.begin() as conn:
        return await add_user(conn, "Pat")


async def test_a_provider_is_added_with_a_name_and_the_rest_has_defaults(stage: Stage) -> None:
    answer = await stage.as_("owner").post(at(stage), {"name": "Cho Park"})
    added = ok(answer, 201)
    public: Json = {
        "id": added["id"],
        "code": "cho-park",
        "name": "Cho Park",
        "skills": [],
        "rating": 0.0,
        "available": True,
        "timezone": None,
    }
    private = {"email": None, "phone": None, "auto_accept": None, "user_id": None, "last_assigned_at": None}
    assert added == public | private
    path = answer.headers["Location"]
    assert ok(await stage.api.get(path)) == public
    details = await stage.as_("admin").get(f"{path}/details")
    assert ok(details) == added
    assert details.headers["Cache-Control"] == "private, no-cache"
    assert [one["name"] for one in ok(await stage.api.get(at(stage)))["items"]] == ["ana", "ben", "Cho Park"]


async def test_everything_about_a_provider_can_be_said_changed_and_taken_back(stage: Stage) -> None:
    admin = stage.as_("admin")
    said: Json = {
        "code": "cho",
        "name": "Cho",
        "email": "Cho@Example.com",
        "phone": "+1 212 555 0100",
        "timezone": "America/Chicago",
        "skills": ["repair", "springs"],
        "rating": 4.35,
        "available": False,
        "auto_accept": False,
        "user_id": str(await somebody(stage)),
    }
    stored = {"email": "cho@example.com", "phone": "+12125550100"}
    added = ok(await admin.post(at(stage), said), 201)
    assert {name: added[name] for name in said} == said | stored
    new: Json = dict.fromkeys(("email", "phone", "timezone", "auto_accept", "user_id"))
    new |= {"code": "park", "name": "Park", "skills": [], "rating": 5, "available": True}
    changed = ok(await patch(admin, at(stage, "/cho"), new))
    assert changed == added | new
    assert ok(await patch(admin, at(stage, f"/{added['id']}"), {})) == changed
    assert ok(await admin.get(at(stage, "/park/details"))) == changed


async def test_the_code_tells_providers_apart(stage: Stage) -> None:
    owner = stage.as_("owner")
    answers = await asyncio.gather(*(owner.post(at(stage), {"name": "Cho"}) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert len({answer.json()["id"] for answer in answers}) == 1
    problem(answers[[answer.status_code for answer in answers].index(409)], 409, "already_exists")
    problem(await patch(owner, at(stage, "/ana"), {"code": "cho"}), 409, "already_exists")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "n\x00"}, "/body/name"),
        ({"code": "Upper"}, "/body/code"),
        ({"email": "no-address"}, "/body/email"),
        ({"phone": "555"}, "/body/phone"),
        ({"timezone": "Mars/Base"}, "/body/timezone"),
        ({"skills": ["x"] * 51}, "/body/skills"),
        ({"rating": 5.01}, "/body/rating"),
        ({"rating": 4.999}, "/body/rating"),
        ({"rating": -1}, "/body/rating"),
        ({"last_assigned_at": None}, "/body/last_assigned_at"),
        ({"user_id": str(new_id())}, "/body/user_id"),
    ],
)
async def test_a_provider_with_nonsense_in_it_is_422_and_not_stored(
    stage: Stage, change: Json, pointer: str
) -> None:
    owner, before = stage.as_("owner"), ok(await stage.as_("ana").get(at(stage, "/ana/details")))
    for answer in (
        await owner.post(at(stage), {"name": "Cho"} | change),
        await patch(owner, at(stage, "/ana"), {"available": False} | change),
    ):
        found = problem(answer, 422, "invalid_request")
        assert [error["pointer"] for error in found["errors"]] == [pointer]
    assert await stage.count("providers") == 2
    assert ok(await stage.as_("ana").get(at(stage, "/ana/details"))) == before


async def test_providers_read_their_own_details_and_say_whether_they_are_available(stage: Stage) -> None:
    ana = stage.as_("ana")
    assert ok(await ana.get(at(stage, "/ana/details")))["user_id"] == str(stage.tenant.principals["ana"].user_id)
    assert ok(await patch(ana, at(stage, "/ana"), {"available": False}))["available"] is False
    for change in ({"rating": 5}, {"available": True, "name": "Queen Ana"}, {"user_id": None}):
        problem(await patch(ana, at(stage, "/ana"), change), 403, "forbidden")
    problem(await patch(ana, at(stage, "/ben"), {"available": False}), 403, "forbidden")
    shown = {one["name"]: one["available"] for one in ok(await stage.api.get(at(stage)))["items"]}
    assert shown == {"ana": False, "ben": True}


async def test_whoever_acts_as_a_provider_changes_at_once(stage: Stage) -> None:
    owner, pat = stage.as_("owner"), await somebody(stage)
    successor = stage.api.as_(Principal(user_id=pat))
    problem(await successor.get(at(stage, "/ana/details")), 404, "not_found")

    async def hand_over(user_id: Any) -> None:
        for _ in range(2):  # a repetition is harmless
            changed = ok(await patch(owner, at(stage, "/ana"), {"user_id": user_id}))
            assert changed["user_id"] == user_id

    await hand_over(str(pat))
    ok(await successor.get(at(stage, "/ana/details")))
    problem(await stage.as_("ana").get(at(stage, "/ana/details")), 404, "not_found")
    taken = problem(await patch(owner, at(stage, "/ben"), {"user_id": str(pat)}), 409, "already_exists")
    assert taken["id"] == str(stage.tenant.providers["ana"])
    assert ok(await owner.get(at(stage, "/ben/details")))["user_id"] is not None
    await hand_over(None)
    problem(await successor.get(at(stage, "/ana/details")), 404, "not_found")
    assert await stage.count("memberships") == 3


async def test_who_has_read_something_older_changes_nothing(stage: Stage) -> None:
    owner, path = stage.as_("owner"), at(stage, "/ana")
    public = (await stage.api.get(path)).headers["ETag"]
    details = (await owner.get(f"{path}/details")).headers["ETag"]
    changed = await patch(owner, path, {"phone": "+12125550100"}, **{"If-Match": details})
    assert changed.headers["ETag"] == (await owner.get(f"{path}/details")).headers["ETag"]
    problem(await patch(owner, path, {"rating": 1}, **{"If-Match": details}), 412, "stale")
    ok(await patch(owner, path, {"rating": 1}, **{"If-Match": public}))
    problem(await patch(owner, path, {"rating": 2}, **{"If-Match": public}), 412, "stale")
    assert ok(await stage.api.get(path))["rating"] == 1.0
