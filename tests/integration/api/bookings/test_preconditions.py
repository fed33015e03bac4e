"""`If-Match`: nobody moves or overrides a booking that changed since they read it."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from runtime.ids import new_id
from tests.support.factories import make_tenant
from tests.support.stage import Json, Stage, ok, problem


async def move(
    stage: Stage, booking: Json, tag: str | None, *, by: str = "customer", key: str = ""
) -> httpx.Response:
    """A move to a time of its own, or to the same one for the same key."""
    headers = {"If-Match": tag} if tag is not None else {}
    headers |= {"Idempotency-Key": key} if key else {}
    path = f"/v1/bookings/{booking['id']}/reschedule"
    return await stage.as_(by).post(path, {"starts_at": stage.next_start().isoformat()}, **headers)


async def assigned(stage: Stage) -> Json:
    return await stage.settled(await stage.book(), "assigned")


async def test_a_move_and_an_override_say_what_they_have_read(stage: Stage) -> None:
    booking = await assigned(stage)
    problem(await move(stage, booking, None), 428, "precondition_required")
    path, body = f"/v1/bookings/{booking['id']}/override", {"status": "completed", "reason": "x"}
    problem(await stage.as_("admin").post(path, body), 428, "precondition_required")
    read = await stage.as_("customer").get(f"/v1/bookings/{booking['id']}")
    moved = await move(stage, booking, read.headers["ETag"])
    assert ok(moved)["version"] == booking["version"] + 1
    assert ok(await stage.as_("admin").post(path, body, **{"If-Match": moved.headers["ETag"]}))["version"] == 4


@pytest.mark.parametrize("tag", ["*", '"2"', 'W/"2"', '"1", "2"', '"x" , W/"2"'])
async def test_what_matches_is_done(stage: Stage, tag: str) -> None:
    ok(await move(stage, await assigned(stage), tag))


async def test_what_has_changed_since_is_412_and_left_alone(stage: Stage) -> None:
    booking = await assigned(stage)
    for tag in ('"1"', '"3"', 'W/"1"', '"1", "3"', '"x"', '""', '"02"', '"99999999999999999999"'):
        problem(await move(stage, booking, tag), 412, "stale")
    for tag in ("2", '"2', "x", '"2", 3', ","):
        problem(await move(stage, booking, tag), 422, "invalid_request")
    assert ok(await stage.as_("customer").get(f"/v1/bookings/{booking['id']}")) == booking
    accept = f"/v1/bookings/{booking['id']}/accept"
    problem(await stage.as_("ana").post(accept, None, **{"If-Match": '"1"'}), 412, "stale")
    ok(await stage.as_("ana").post(accept, None, **{"If-Match": '"2"'}))


async def test_whose_it_is_and_what_is_possible_are_asked_first(stage: Stage) -> None:
    booking = await assigned(stage)
    other = Stage(stage.api, stage.engine, await make_tenant(stage.engine))
    for stranger in (other, Stage(stage.api, stage.engine, other.tenant)):
        problem(await move(stranger, booking, '"1"', by="admin"), 404, "not_found")
    problem(await move(stage, {"id": new_id()}, '"1"'), 404, "not_found")
    problem(await move(stage, booking, '"1"', by="ana"), 403, "forbidden")
    ended = await stage.override(booking, "completed")
    problem(await move(stage, ended, '"1"'), 409, "invalid_transition")


async def test_of_moves_at_once_that_have_read_the_same_one_is_made(stage: Stage) -> None:
    booking = await assigned(stage)
    answers = await asyncio.gather(*(move(stage, booking, '"2"') for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5
    assert len(await stage.history(booking)) == 3


async def test_a_request_that_is_repeated_is_answered_again_although_its_tag_is_old_by_now(stage: Stage) -> None:
    booking, starts_at = await assigned(stage), stage.next_start()
    path, headers = (
        f"/v1/bookings/{booking['id']}/reschedule",
        {"If-Match": '"2"', "Idempotency-Key": str(uuid4())},
    )
    answers = [
        await stage.as_("customer").post(path, {"starts_at": starts_at.isoformat()}, **headers) for _ in range(2)
    ]
    assert ok(answers[0])["version"] == 3
    assert answers[1].content == answers[0].content
    assert answers[1].headers["ETag"] == answers[0].headers["ETag"] == '"3"'
