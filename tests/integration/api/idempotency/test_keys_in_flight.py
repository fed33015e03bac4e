"""Concurrent requests with one key, or a crash before the answer: one effect, one answer."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from runtime.settings import Settings
from tests.support import applications
from tests.support.schedules import execute, fetch
from tests.support.stage import Json, Stage, ok, problem

_KEYS = "SELECT status, response FROM idempotency_keys WHERE business_id = :business_id AND key = :key"


async def assigned(stage: Stage) -> Json:
    return await stage.settled(await stage.book(), "assigned")


async def give(stage: Stage, booking: Json, command: str, key: str, by: str, **body: str) -> httpx.Response:
    """A command under a key."""
    headers = {"Idempotency-Key": key, "If-Match": "*"}
    return await stage.as_(by).post(f"/v1/bookings/{booking['id']}/{command}", body or None, **headers)


def the_one_answer(answers: list[httpx.Response], status: int) -> httpx.Response:
    """Of many answers to one request: some with this status, all of those alike, the rest `request_in_flight`."""
    done = [answer for answer in answers if answer.status_code == status]
    for answer in answers:
        if answer not in done:
            problem(answer, 409, "request_in_flight")
    [_] = {(answer.content, answer.headers["ETag"]) for answer in done}
    return done[0]


async def test_50_bookings_at_once_with_one_key_are_one(stage: Stage) -> None:
    starts_at, key = stage.next_start(), str(uuid4())
    answers = await asyncio.gather(
        *(stage.as_("customer").book(stage.tenant, key=key, starts_at=starts_at) for _ in range(50))
    )
    the_one_answer(answers, 201)
    audited = "SELECT action FROM audit_log WHERE business_id = :business_id"
    assert await stage.count("bookings") == 1
    assert await fetch(stage, audited) == [("createBooking",)]


async def test_50_commands_at_once_with_one_key_are_one(stage: Stage) -> None:
    booking, key = await assigned(stage), str(uuid4())
    answers = await asyncio.gather(
        *(give(stage, booking, "reject", key, "ana", reason="on holiday") for _ in range(50))
    )
    answer = the_one_answer(answers, 200)
    assert answer.json()["status"] == "rejected"
    again = await give(stage, booking, "reject", f'"{key}"', "ana", reason="on holiday")
    assert (again.status_code, again.content, again.headers["ETag"]) == (
        200,
        answer.content,
        answer.headers["ETag"],
    )
    rejected = [step for step in await stage.history(booking) if step["new_status"] == "rejected"]
    assert len(rejected) == 1
    audited = "SELECT outcome FROM audit_log WHERE business_id = :business_id AND action = 'rejectBooking'"
    assert await fetch(stage, audited) == [("done",)]


async def test_two_bodies_at_once_under_one_key_have_one_effect(stage: Stage) -> None:
    for _ in range(3):
        booking, key = await assigned(stage), str(uuid4())
        targets = [stage.next_start() for _ in range(6)]
        answers = await asyncio.gather(
            *(give(stage, booking, "reschedule", key, "customer", starts_at=t.isoformat()) for t in targets)
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [422] * 5
        assert len(await stage.history(booking)) == 3


async def test_while_a_command_is_carried_out_its_key_is_in_flight(stage: Stage) -> None:
    booking, key = await assigned(stage), str(uuid4())
    async with stage.engine.connect() as conn, conn.begin():
        await conn.execute(text("SELECT 1 FROM bookings WHERE id = :id FOR UPDATE"), {"id": booking["id"]})
        first = asyncio.create_task(give(stage, booking, "cancel", key, "customer"))
        async with asyncio.timeout(5):
            while not await fetch(stage, _KEYS, key=key):
                await asyncio.sleep(0.01)
        problem(await give(stage, booking, "cancel", key, "customer"), 409, "request_in_flight")
        other = await give(stage, booking, "cancel", key, "customer", reason="another")
        problem(other, 422, "idempotency_key_reused")
    assert ok(await first)["status"] == "cancelled"
    assert (await give(stage, booking, "cancel", key, "customer")).content == (await first).content


async def test_a_command_that_was_refused_leaves_its_key_free(stage: Stage) -> None:
    booking, key = await assigned(stage), str(uuid4())
    taken = await stage.book()
    move = {"by": "customer", "starts_at": taken["starts_at"]}
    problem(await give(stage, booking, "reschedule", key, **move), 409, "slot_unavailable")
    assert await fetch(stage, _KEYS, key=key) == []
    ok(await stage.as_("customer").command(taken["id"], "cancel"))
    ok(await give(stage, booking, "reschedule", key, **move))


@pytest.mark.parametrize("command", ["cancel", "accept"])
@pytest.mark.parametrize("left", ["nothing", "a turn"])
async def test_an_answer_that_a_crash_lost_is_given_without_a_second_effect(
    stage: Stage, command: str, left: str
) -> None:
    booking, key = await assigned(stage), str(uuid4())
    first = ok(await give(stage, booking, command, key, "owner"))
    if left == "nothing":
        await execute(
            stage, "DELETE FROM idempotency_keys WHERE business_id = :business_id AND key = :key", key=key
        )
    else:
        await execute(
            stage,
            """UPDATE idempotency_keys SET status = 102, response = '', headers = '{}'
               WHERE business_id = :business_id AND key = :key""",
            key=key,
        )
    answers = [await give(stage, booking, command, key, "owner") for _ in range(2)]
    assert [ok(answer) for answer in answers] == [first] * 2
    assert answers[0].content == answers[1].content
    assert len(await stage.history(booking)) == first["version"] == 3
    assert [status for status, _ in await fetch(stage, _KEYS, key=key)] == [200]


async def test_a_key_that_only_the_history_knows_takes_no_other_request(stage: Stage) -> None:
    """Nor is it answered by what has become of the booking since."""
    booking, key = await assigned(stage), str(uuid4())
    first, second, other = ({"starts_at": stage.next_start().isoformat()} for _ in range(3))
    moved = ok(await give(stage, booking, "reschedule", key, "owner", **first))
    await execute(stage, "DELETE FROM idempotency_keys WHERE business_id = :business_id AND key = :key", key=key)
    ok(await give(stage, booking, "reschedule", str(uuid4()), "owner", **second))
    problem(await give(stage, booking, "reschedule", key, "owner", **other), 422, "idempotency_key_reused")
    again = ok(await give(stage, booking, "reschedule", key, "owner", **first))
    assert (again["version"], len(await stage.history(booking))) == (moved["version"], 4)


async def test_who_has_left_the_business_is_told_no_more_of_what_they_did(stage: Stage) -> None:
    booking, key = await assigned(stage), str(uuid4())
    ok(await give(stage, booking, "reject", key, "ana"))
    await execute(stage, "DELETE FROM idempotency_keys WHERE business_id = :business_id AND key = :key", key=key)
    answer = ok(await give(stage, booking, "reject", key, "ana"))
    assert (answer["status"], answer["version"]) == ("rejected", 3), "as her own step left it"
    await execute(stage, "DELETE FROM idempotency_keys WHERE business_id = :business_id AND key = :key", key=key)
    await execute(
        stage,
        "DELETE FROM memberships WHERE business_id = :business_id AND user_id = :user_id",
        user_id=stage.tenant.principals["ana"].user_id,
    )
    problem(await give(stage, booking, "reject", key, "ana"), 404, "not_found")


async def test_a_turn_that_a_crash_left_behind_is_taken_over_after_a_while(
    stage: Stage, settings: Settings
) -> None:
    booking, key = await assigned(stage), str(uuid4())
    ok(await give(stage, booking, "accept", key, "owner"))
    # As a crash leaves it before the command was sent: the same key of another command, with its digest.
    [(scope,)] = await fetch(stage, "SELECT scope FROM idempotency_keys WHERE key = :key", key=key)
    await execute(
        stage,
        """UPDATE idempotency_keys SET scope = :scope, status = 102, response = '' WHERE key = :key""",
        scope=scope.replace("/accept/", "/start/"),
        key=key,
    )
    problem(await give(stage, booking, "start", key, "owner"), 409, "request_in_flight")
    lasts = timedelta(seconds=settings.command_timeout_seconds)
    await execute(
        stage,
        "UPDATE idempotency_keys SET created_at = created_at - CAST(:lasts AS interval) WHERE key = :key",
        key=key,
        lasts=lasts,
    )
    assert ok(await give(stage, booking, "start", key, "owner"))["status"] == "in_progress"


async def test_a_command_that_may_yet_have_its_effect_keeps_its_key(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    booking, key = await assigned(stage), str(uuid4())
    with monkeypatch.context() as environment:
        applications.point_to_nowhere(environment)
        hurried = settings.model_copy(update={"command_timeout_seconds": 0.2})
        async with applications.running(hurried) as cut_off:
            away = Stage(cut_off, stage.engine, stage.tenant)
            problem(await give(away, booking, "accept", key, "ana"), 503, "engine_unavailable")
    assert [status for status, _ in await fetch(stage, _KEYS, key=key)] == [503]
    reused = await give(stage, booking, "reject", key, "ana", reason="x")
    assert ok(reused)["status"] == "rejected", "another command is another route"
    again = await give(stage, booking, "accept", key, "ana")
    problem(again, 409, "invalid_transition")
