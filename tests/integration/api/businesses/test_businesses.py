"""Creating, changing and opening a business, and who may do so."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import WeeklyHours
from domain.callers import Principal
from domain.policies import Policy
from runtime.ids import new_id
from tests.support.api_client import ApiClient
from tests.support.factories import add_user, make_tenant
from tests.support.stage import Json, Stage, ok, patch, problem

HERE = {"timezone": "Europe/Paris", "currency": "EUR"}
SERVICE = {"name": "Wash", "duration_minutes": 30, "price": {"amount_minor": 20_00}}


def unique(name: str) -> str:
    return f"{name} {new_id().hex}"


async def newcomer(api: ApiClient, engine: AsyncEngine) -> ApiClient:
    """Somebody who can log in and has no role anywhere."""
    async with engine.begin() as conn:
        return api.as_(Principal(user_id=await add_user(conn, "Nora New")))


@pytest.fixture
async def nora(api: ApiClient, engine: AsyncEngine) -> ApiClient:
    """Somebody without a role."""
    return await newcomer(api, engine)


def at(stage: Stage, part: str = "") -> str:
    return f"/v1/businesses/{stage.tenant.slug}{part}"


async def test_whoever_founds_a_business_owns_it_at_once(nora: ApiClient) -> None:
    name = unique("Café O'Lé & Söhne")
    answer = await nora.post("/v1/businesses", {"name": name, **HERE})
    founded = ok(answer, 201)
    assert (founded["name"], founded["status"], founded["locale"]) == (name, "setup", "en-US")
    assert founded["guest_bookings"] is True
    assert founded["slug"] == f"cafe-ole-sohne-{name[-32:]}"
    path = answer.headers["Location"]
    assert path == f"/v1/businesses/{founded['id']}"
    assert ok(await nora.get(path)) == founded
    listed = await nora.get("/v1/businesses")
    assert ok(listed)["items"] == [founded | {"roles": [{"role": "owner", "provider_id": None}]}]
    assert listed.headers["Cache-Control"] == "private, no-cache"
    ok(await patch(nora, path, {"name": "Another"}, **{"If-Match": answer.headers["ETag"]}))


async def test_the_same_request_again_founds_no_second_business(
    nora: ApiClient, api: ApiClient, engine: AsyncEngine
) -> None:
    body = {"name": unique("Garage"), **HERE}
    founded = ok(await nora.post("/v1/businesses", body), 201)
    again = problem(await nora.post("/v1/businesses", body), 409, "already_exists")
    assert again["id"] == founded["id"]
    other = await newcomer(api, engine)
    refused = problem(await other.post("/v1/businesses", body), 409, "already_exists")
    assert "id" not in refused
    assert ok(await other.get("/v1/businesses"))["items"] == []


@pytest.mark.parametrize(
    ("name", "first"),
    [("美容室", "あ"), ("صالون", "\N{ARABIC LETTER BEH}"), ("Κουρείο", "\N{GREEK SMALL LETTER ALPHA}")],
)
async def test_a_business_of_any_script_gets_a_slug(nora: ApiClient, name: str, first: str) -> None:
    own = "".join(chr(ord(first) + int(digit, 16)) for digit in new_id().hex)
    founded = ok(await nora.post("/v1/businesses", {"name": f"{name} {own}", **HERE}), 201)
    assert ok(await nora.get(f"/v1/businesses/{founded['slug']}"))["id"] == founded["id"]


async def test_of_ten_who_found_under_one_slug_one_does(nora: ApiClient) -> None:
    body = {"name": "Race", "slug": f"race-{new_id().hex}", **HERE}
    answers = await asyncio.gather(*(nora.post("/v1/businesses", body) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    [founded] = ok(await nora.get("/v1/businesses"))["items"]
    for answer in answers:
        assert answer.json()["id"] == founded["id"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/body/name"),
        ({"name": "a\x00b"}, "/body/name"),
        ({"name": "!!!"}, "/body/slug"),
        ({"slug": "new"}, "/body/slug"),
        ({"slug": "me"}, "/body/slug"),
        ({"timezone": "Factory"}, "/body/timezone"),
        ({"slug": "Upper"}, "/body/slug"),
        ({"slug": "0198c0de-0000-7000-8000-000000000000"}, "/body/slug"),
        ({"timezone": "Europe/Atlantis"}, "/body/timezone"),
        ({"currency": "euro"}, "/body/currency"),
        ({"locale": "en_US"}, "/body/locale"),
        ({"status": "active"}, "/body/status"),
        ({"policy": {"nonsense": 1}}, "/body/policy/nonsense"),
        ({"policy": {"backoff": {"factor": 0}}}, "/body/policy/backoff/factor"),
    ],
)
async def test_a_business_with_nonsense_in_it_is_422_and_not_founded(
    nora: ApiClient, change: Json, pointer: str
) -> None:
    found = problem(
        await nora.post("/v1/businesses", {"name": unique("X"), **HERE} | change), 422, "invalid_request"
    )
    assert [error["pointer"] for error in found["errors"]] == [pointer]
    assert ok(await nora.get("/v1/businesses"))["items"] == []


async def test_a_business_opens_once_it_has_what_bookings_need(nora: ApiClient, engine: AsyncEngine) -> None:
    founded = ok(await nora.post("/v1/businesses", {"name": unique("Salon"), **HERE}), 201)
    path = f"/v1/businesses/{founded['id']}"

    async def missing() -> list[str]:
        refused = problem(await patch(nora, path, {"status": "active"}), 409, "not_ready")
        assert ok(await nora.get(path))["status"] == "setup"
        return list(refused["missing"])

    assert await missing() == ["services", "providers", "hours"]
    ok(await nora.post(f"{path}/services", SERVICE | {"active": False}), 201)
    ok(await nora.post(f"{path}/providers", {"name": "Ana", "available": False}), 201)
    assert await missing() == ["services", "providers", "hours"]
    ok(await patch(nora, f"{path}/services/wash", {"active": True}))
    ok(await patch(nora, f"{path}/providers/ana", {"available": True}))
    assert await missing() == ["hours"]
    monday = {"weekday": 1, "opens_minute": 540, "closes_minute": 1020}
    async with engine.begin() as conn:
        await conn.execute(insert(WeeklyHours).values(id=new_id(), business_id=founded["id"], **monday))
    assert ok(await patch(nora, path, {"status": "active"}))["status"] == "active"
    assert ok(await patch(nora, path, {"status": "suspended"}))["status"] == "suspended"


async def test_only_what_is_sent_is_changed(stage: Stage) -> None:
    before = ok(await stage.api.get(at(stage)))
    new: Json = {"name": "New name", "timezone": "Asia/Tokyo", "currency": "JPY", "locale": "ja-JP"}
    new |= {"guest_bookings": False}
    assert ok(await patch(stage.as_("owner"), at(stage), new)) == before | new
    assert ok(await patch(stage.as_("admin"), at(stage), {})) == before | new
    slug = f"new-{new_id().hex}"
    assert ok(await patch(stage.as_("owner"), at(stage), {"slug": slug}))["slug"] == slug
    problem(await stage.api.get(at(stage)), 404, "not_found")


async def test_a_slug_that_another_business_has_is_refused(stage: Stage) -> None:
    other = await make_tenant(stage.engine)
    body = {"slug": other.slug, "name": "Not stored"}
    problem(await patch(stage.as_("owner"), at(stage), body), 409, "already_exists")
    assert ok(await stage.api.get(at(stage)))["name"] == "Test Business"


@pytest.mark.parametrize(
    "member", ["name", "slug", "timezone", "currency", "locale", "status", "guest_bookings", "policy"]
)
async def test_nothing_of_a_business_can_be_null(stage: Stage, member: str) -> None:
    problem(await patch(stage.as_("owner"), at(stage), {member: None}), 422, "invalid_request")


async def test_who_has_read_something_older_changes_nothing(stage: Stage) -> None:
    owner = stage.as_("owner")
    read = (await stage.api.get(at(stage))).headers["ETag"]
    policy = (await owner.get(at(stage, "/policy"))).headers["ETag"]
    changed = await patch(owner, at(stage), {"policy": {"backoff": {"factor": 3}}}, **{"If-Match": policy})
    assert ok(await stage.api.get(at(stage)))["name"] == "Test Business"
    assert changed.headers["ETag"] == read  # the customers' part is the same
    problem(await patch(owner, at(stage), {"name": "Late"}, **{"If-Match": policy}), 412, "stale")
    ok(await patch(owner, at(stage), {"name": "In time"}, **{"If-Match": read}))
    problem(await patch(owner, at(stage), {"name": "Late"}, **{"If-Match": read}), 412, "stale")
    assert ok(await stage.api.get(at(stage)))["name"] == "In time"


async def test_a_policy_is_merged_member_by_member(stage: Stage) -> None:
    owner = stage.as_("owner")

    async def merged(change: Json) -> Json:
        ok(await patch(owner, at(stage), {"policy": change}))
        answer = await owner.get(at(stage, "/policy"))
        assert answer.headers["Cache-Control"] == "private, no-cache"
        return ok(answer)

    default = Policy().model_dump(mode="json")
    changed = await merged({"cancellation": {"fee_percent": 50}, "reminder_minutes": [60], "hold_minutes": 5})
    cancellation = {"window_minutes": 0, "fee_percent": 50}
    assert changed == default | {"cancellation": cancellation, "reminder_minutes": [60], "hold_minutes": 5}
    changed = await merged({"cancellation": {"window_minutes": 60}, "hold_minutes": None})
    cancellation["window_minutes"] = 60
    assert changed == default | {"cancellation": cancellation, "reminder_minutes": [60]}
    assert ok(await stage.api.get(at(stage)))["booking"]["cancellation"] == cancellation
    assert await merged({"cancellation": None, "reminder_minutes": None}) == default


async def test_what_nobody_has_set_is_not_stored_and_so_follows_the_defaults(
    nora: ApiClient, engine: AsyncEngine
) -> None:
    body = {"name": unique("Salon"), **HERE, "policy": {"backoff": {"attempts": 2}}}
    path = (await nora.post("/v1/businesses", body)).headers["Location"]
    ok(await patch(nora, path, {"policy": {"hold_minutes": 5, "auto_accept": None}}))
    async with engine.connect() as conn:
        query = text("SELECT policy FROM businesses WHERE id = :id")
        stored = (await conn.execute(query, {"id": path.rpartition("/")[2]})).scalar_one()
    assert stored == {"backoff": {"attempts": 2}, "hold_minutes": 5}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"nonsense": 1}, "/nonsense"),
        ({"nonsense": None}, "/nonsense"),
        ({"backoff": {"nonsense": None}}, "/backoff/nonsense"),
        ({"backoff": {"attempts": 0}}, "/backoff/attempts"),
        ({"backoff": 3}, "/backoff"),
        ({"intake": "sometimes"}, "/intake"),
        ({"reminder_minutes": [60, -1]}, "/reminder_minutes/1"),
        ({"offer_timeout_minutes": {"a": {"b": {"c": 1}}}}, "/offer_timeout_minutes"),
    ],
)
async def test_a_change_that_makes_no_policy_is_422_and_changes_nothing(
    stage: Stage, change: Json, pointer: str
) -> None:
    owner = stage.as_("owner")
    body = {"name": "Not stored", "policy": {"hold_minutes": 3} | change}
    found = problem(await patch(owner, at(stage), body), 422, "invalid_request")
    assert [error["pointer"] for error in found["errors"]] == [f"/body/policy{pointer}"]
    assert ok(await owner.get(at(stage, "/policy"))) == Policy().model_dump(mode="json")
    assert ok(await stage.api.get(at(stage)))["name"] == "Test Business"


async def test_a_booking_keeps_the_policy_that_it_was_made_under(stage: Stage) -> None:
    older = await stage.settled(await stage.book(), "assigned")
    change = {"offer_timeout_minutes": 90, "backoff": {"attempts": 7}}
    ok(await patch(stage.as_("owner"), at(stage), {"policy": change}))
    newer = await stage.settled(await stage.book(), "assigned")
    for booking, attempts, minutes in ((older, 4, 30), (newer, 7, 90)):
        ahead = await stage.next(booking)
        offered_at = datetime.fromisoformat((await stage.history(booking))[-1]["occurred_at"])
        assert ahead["max_attempts"] == attempts
        assert datetime.fromisoformat(ahead["deadline"]["at"]) == offered_at + timedelta(minutes=minutes)


MANAGEMENT: list[tuple[str, str, Any]] = [
    ("GET", "/policy", None),
    ("PATCH", "", {"name": "Taken over"}),
    ("POST", "/services", SERVICE),
    ("GET", "/services?all=true", None),
    ("PATCH", "/services/repair", {"name": "Taken over"}),
    ("PATCH", "/services/no-such", {"name": "Taken over"}),
    ("POST", "/providers", {"name": "Mallory"}),
    ("GET", "/providers/ana/details", None),
    ("PATCH", "/providers/ana", {"available": False}),
    ("PATCH", "/providers/no-such", {"available": False}),
    ("GET", "/members", None),
    ("PUT", "/members/{me}", {"role": "admin"}),
    ("PUT", "/members/{me}", {"role": "owner"}),
    ("DELETE", "/members/{owner}/owner", None),
    ("DELETE", "/members/{owner}/admin", None),
]
STORED = text("""
SELECT (SELECT row_to_json(b)::text FROM businesses b WHERE id = :id),
       (SELECT json_agg(s ORDER BY id)::text FROM services s WHERE business_id = :id),
       (SELECT json_agg(p ORDER BY id)::text FROM providers p WHERE business_id = :id),
       (SELECT json_agg(m ORDER BY user_id, role)::text FROM memberships m WHERE business_id = :id)
""")


async def test_managing_a_business_is_for_its_desk_alone(stage: Stage) -> None:
    """Nobody is told to log in, strangers that there is nothing, a provider that they may not."""
    other, people = await make_tenant(stage.engine), stage.tenant.principals
    callers = [
        (stage.api, "nobody", (401, "unauthenticated")),
        (stage.api.as_(other.principals["owner"]), str(other.principals["owner"].user_id), (404, "not_found")),
        (stage.as_("customer"), str(people["customer"].user_id), (404, "not_found")),
        (stage.as_("ben"), str(people["ben"].user_id), (403, "forbidden")),
    ]
    async with stage.engine.connect() as conn:
        before = (await conn.execute(STORED, {"id": stage.tenant.business_id})).one()
        for method, part, body in MANAGEMENT:
            for client, me, refusal in callers:
                path = at(stage, part).format(me=me, owner=people["owner"].user_id)
                problem(await client.send(method, path, body), *refusal)
        assert (await conn.execute(STORED, {"id": stage.tenant.business_id})).one() == before
