"""Time off and blocks: instants or whole days, idempotent creation, and access."""

import asyncio
from datetime import UTC, datetime, timedelta

from db.models import Provider
from runtime.ids import new_id
from tests.support.factories import make_tenant
from tests.support.stage import Json, Stage, ok, problem


def path(stage: Stage, provider: str | None = None, id_: object = "") -> str:
    whose = f"/v1/businesses/{stage.tenant.slug}" + (f"/providers/{provider}" if provider else "")
    return f"{whose}/time-off/{id_}".rstrip("/")


def hours(start: float, end: float) -> Json:
    """From so many hours from now to so many."""
    now = datetime.now(UTC).replace(microsecond=0)
    return {
        "starts_at": (now + timedelta(hours=start)).isoformat().replace("+00:00", "Z"),
        "ends_at": (now + timedelta(hours=end)).isoformat().replace("+00:00", "Z"),
    }


async def test_time_off_is_made_listed_and_taken_back(stage: Stage) -> None:
    ana = stage.as_("ana")
    later, soon = hours(30, 40), hours(2, 5)
    dentist = ok(await ana.post(path(stage, "ana"), soon | {"note": "Dentist"}), 201)
    block = ok(await stage.as_("owner").post(path(stage, "ana"), later | {"kind": "block"}), 201)
    assert dentist | {"created_at": None, "id": None} == soon | {
        "id": None,
        "kind": "time_off",
        "note": "Dentist",
        "created_at": None,
        "conflicts": 0,
    }
    whole = ok(await stage.as_("owner").post(path(stage), later), 201)
    seen = ok(await ana.get(path(stage, "ana")))
    assert [item["id"] for item in seen["items"]] == [dentist["id"], block["id"]]
    assert [item["id"] for item in ok(await stage.as_("owner").get(path(stage)))["items"]] == [whole["id"]]
    elsewhere = path(stage, "ben", dentist["id"])
    assert (await stage.as_("owner").send("DELETE", elsewhere)).status_code == 204, "it is not Ben's"
    for _ in range(2):
        assert (await ana.send("DELETE", path(stage, "ana", block["id"]))).status_code == 204
    assert [item["id"] for item in ok(await ana.get(path(stage, "ana")))["items"]] == [dentist["id"]]


async def test_a_list_shows_what_is_not_over_page_by_page(stage: Stage) -> None:
    owner = stage.as_("owner")
    spans = [(-9, -8), (-1, 1), (1, 2), (1, 3), (5, 6)]
    made = [ok(await owner.post(path(stage), hours(*span)), 201)["id"] for span in spans]
    seen: list[str] = []
    cursor: Json = {}
    for _ in range(2):
        page = ok(await owner.get(path(stage), limit=2, **cursor))
        seen += [item["id"] for item in page["items"]]
        cursor = {"cursor": page["next_cursor"]}
    assert seen == made[1:]
    assert cursor == {"cursor": None}
    past = ok(await owner.get(path(stage), **{"from": hours(-9, -8)["starts_at"], "to": hours(0, 1)["starts_at"]}))
    assert [item["id"] for item in past["items"]] == made[:2]
    problem(await owner.get(path(stage), cursor="nonsense"), 400, "invalid_cursor")


async def test_whole_days_are_those_of_the_wall_s_calendar(stage: Stage) -> None:
    """The clocks go forward in New York on 14 March 2027; in Tokyo never."""
    days = {"first_date": "2027-03-13", "last_date": "2027-03-14"}
    whole = ok(await stage.as_("owner").post(path(stage), days), 201)
    assert (whole["starts_at"], whole["ends_at"]) == ("2027-03-13T05:00:00Z", "2027-03-15T04:00:00Z")
    await stage.change(Provider, timezone="Asia/Tokyo")
    followed = ok(await stage.as_("ana").post(path(stage, "ana"), days), 201)
    assert followed["starts_at"] == "2027-03-13T05:00:00Z", (
        "without hours of her own she works by the business's clock"
    )
    own_hours = {"weekly": [{"day": "mon", "opens": "09:00", "closes": "17:00"}]}
    hours = f"/v1/businesses/{stage.tenant.slug}/providers/{stage.tenant.providers['ana']}/hours"
    ok(await stage.as_("ana").send("PUT", hours, own_hours))
    own = ok(await stage.as_("ana").post(path(stage, "ana"), days), 201)
    assert (own["starts_at"], own["ends_at"]) == ("2027-03-12T15:00:00Z", "2027-03-14T15:00:00Z")


async def test_bookings_that_lie_in_it_are_counted_and_left_alone(patient_stage: Stage) -> None:
    stage = patient_stage
    start = stage.next_start()
    kept, cancelled = [await stage.book(starts_at=start), await stage.book(starts_at=start + timedelta(hours=1))]
    bens = await stage.book(starts_at=start, provider_id=stage.tenant.providers["ben"])
    ok(await stage.as_("customer").command(cancelled["id"], "cancel"))
    now = datetime.now(UTC)
    begin = (start - now).total_seconds() / 3600
    inside, behind = hours(begin - 1, begin + 5), {"starts_at": kept["ends_at"], "ends_at": "2199-01-01T00:00:00Z"}
    assert ok(await stage.as_("ana").post(path(stage, "ana"), inside), 201)["conflicts"] == 1
    assert ok(await stage.as_("owner").post(path(stage), inside), 201)["conflicts"] == 2
    behind["ends_at"] = hours(begin + 20, begin + 30)["ends_at"]
    assert ok(await stage.as_("ana").post(path(stage, "ana"), behind), 201)["conflicts"] == 0, "it only touches"
    for booking in (kept, bens):
        assert ok(await stage.as_("admin").get(f"/v1/bookings/{booking['id']}"))["status"] != "cancelled"


async def test_under_one_key_it_is_made_once(stage: Stage) -> None:
    owner, body, key = stage.as_("owner"), hours(1, 2) | {"note": "Van in repair"}, {"Idempotency-Key": "abc"}
    answers = await asyncio.gather(*(owner.post(path(stage), body, **key) for _ in range(5)))
    first = ok(await owner.post(path(stage), body, **key), 201)
    for answer in answers:
        if answer.status_code == 201:
            assert answer.json() == first
        else:
            problem(answer, 409, "request_in_flight")
    for change in ({"note": "Car in repair"}, {"kind": "block"}, {"ends_at": hours(1, 3)["ends_at"]}):
        problem(await owner.post(path(stage), body | change, **key), 422, "idempotency_key_reused")
    assert await stage.count("time_off") == 1
    somebody = ok(await stage.as_("admin").post(path(stage), body, **key), 201)
    again = [ok(await owner.post(path(stage), body), 201)["id"] for _ in range(2)]
    assert len({first["id"], somebody["id"], *again}) == 4, (
        "keys are a caller's own; without one it is another each time"
    )


IMPOSSIBLE: list[tuple[Json, str]] = [
    ({}, "give either"),
    ({"starts_at": "2027-01-01T00:00:00Z"}, "give either"),
    ({"first_date": "2027-01-01", "ends_at": "2027-01-02T00:00:00Z"}, "give either"),
    (hours(1, 2) | {"first_date": "2027-01-01", "last_date": "2027-01-01"}, "give either"),
    (hours(1, 2) | {"first_date": "2027-01-01"}, "give either"),
    (hours(2, 2), "after starts_at"),
    (hours(2, 1), "after starts_at"),
    ({"first_date": "2027-01-02", "last_date": "2027-01-01"}, "before first_date"),
    (hours(1, 24 * 733), "two years"),
    ({"first_date": "2020-01-01", "last_date": "2020-01-02"}, "a year ago"),
    ({"starts_at": "2027-01-01T00:00:00", "ends_at": "2027-01-02T00:00:00"}, "starts_at"),
    (hours(1, 2) | {"kind": "vacation"}, "kind"),
    (hours(1, 2) | {"note": "x" * 201}, "note"),
]


async def test_time_off_that_cannot_be_is_refused_and_nothing_is_stored(stage: Stage) -> None:
    for body, said in IMPOSSIBLE:
        answer = await stage.as_("owner").post(path(stage), body)
        assert said in problem(answer, 422, "invalid_request")["detail"]
    assert await stage.count("time_off") == 0


async def test_only_the_desk_and_the_provider_themselves_see_and_make_time_off(stage: Stage) -> None:
    other = await make_tenant(stage.engine)
    made = ok(await stage.as_("ben").post(path(stage, "ben"), hours(1, 2)), 201)
    for client, status, code in (
        (stage.api, 401, "unauthenticated"),
        (stage.as_("customer"), 404, "not_found"),
        (stage.api.as_(other.principals["owner"]), 404, "not_found"),
        (stage.as_("ana"), 403, "forbidden"),
    ):
        for whose in (None, "ben"):
            problem(await client.get(path(stage, whose)), status, code)
            problem(await client.post(path(stage, whose), hours(1, 2)), status, code)
            problem(await client.send("DELETE", path(stage, whose, made["id"])), status, code)
    theirs = f"/v1/businesses/{other.slug}/time-off/{made['id']}"
    assert (await stage.api.as_(other.principals["owner"]).send("DELETE", theirs)).status_code == 204
    assert await stage.count("time_off") == 1
    assert (await stage.as_("owner").send("DELETE", path(stage, "ben", new_id()))).status_code == 204
