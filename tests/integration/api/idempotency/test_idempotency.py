"""A request with the same Idempotency-Key is executed once and gets the same answer each time."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx

from tests.support.factories import future
from tests.support.stage import Stage, ok, problem


async def ask(stage: Stage, key: str, by: str = "customer", **body: Any) -> httpx.Response:
    """A request with this key, the same each time but for `body`."""
    defaults: dict[str, Any] = {"starts_at": future(), "provider_id": stage.tenant.providers["ana"]}
    return await stage.as_(by).book(stage.tenant, key=key, **defaults | body)


async def test_the_same_request_again_is_answered_with_the_very_same_bytes(stage: Stage) -> None:
    first, again = await ask(stage, "key"), await ask(stage, "key")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    assert await stage.count("bookings") == 1


async def test_the_first_answer_stays_the_answer_when_the_booking_has_moved_on(stage: Stage) -> None:
    first = await ask(stage, "key")
    await stage.override(first.json(), "completed")
    assert (await ask(stage, "key")).content == first.content


async def test_the_same_request_in_another_spelling_is_the_same_request(stage: Stage) -> None:
    first = await ask(stage, "key", starts_at="2099-01-01T10:00:00+00:00", notes=None)
    again = await ask(stage, "key", starts_at="2099-01-01T10:00:00Z")
    assert again.content == first.content


async def test_a_quoted_key_is_the_key_inside_the_quotes(stage: Stage) -> None:
    first = await ask(stage, "key")
    assert (await ask(stage, '"key"')).content == first.content


async def test_the_same_key_with_another_body_is_422(stage: Stage) -> None:
    await ask(stage, "key")
    problem(await ask(stage, "key", starts_at=future(300)), 422, "idempotency_key_reused")
    problem(await ask(stage, "key", notes="changed"), 422, "idempotency_key_reused")
    problem(await ask(stage, "key", provider_id=stage.tenant.providers["ben"]), 422, "idempotency_key_reused")
    assert await stage.count("bookings") == 1


async def test_another_caller_s_key_is_another_key(stage: Stage) -> None:
    contact = {"name": "Robin Roe"}
    first = await ask(stage, "key", by="owner", customer=contact)
    second = await ask(stage, "key", by="admin", customer=contact, starts_at=future(300))
    assert ok(first, 201)["id"] != ok(second, 201)["id"]


async def test_a_request_that_was_refused_leaves_its_key_free(stage: Stage) -> None:
    blocker = await stage.book(starts_at=future())
    key = str(uuid4())
    problem(await ask(stage, key), 409, "slot_unavailable")
    ok(await stage.as_("customer").command(blocker["id"], "cancel"))
    ok(await ask(stage, key), 201)


async def test_20_requests_at_once_with_one_key_make_one_booking(stage: Stage) -> None:
    answers = await asyncio.gather(*(ask(stage, "key") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    for table in ("bookings", "reservations", "idempotency_keys"):
        assert await stage.count(table) == 1


async def test_20_requests_at_once_with_one_key_and_nobody_named_make_one_booking(stage: Stage) -> None:
    answers = await asyncio.gather(*(ask(stage, "key", provider_id=None) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await stage.count("bookings") == 1


async def test_two_bodies_at_once_under_one_key_have_one_winner(stage: Stage) -> None:
    bodies = [future(100 + n) for n in range(8)]
    answers = await asyncio.gather(*(ask(stage, "key", starts_at=starts_at) for starts_at in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 7
    assert await stage.count("bookings") == 1


async def test_a_command_sent_twice_with_one_key_is_given_once(stage: Stage) -> None:
    booking = await stage.book()
    path, key = f"/v1/bookings/{booking['id']}/accept", {"Idempotency-Key": "key"}
    answers = [await stage.as_("ana").post(path, None, **key) for _ in range(3)]
    assert [ok(answer)["status"] for answer in answers] == ["accepted"] * 3
    assert [item["new_status"] for item in await stage.history(booking)] == ["pending", "assigned", "accepted"]


async def test_a_command_sent_at_once_with_one_key_is_given_once(stage: Stage) -> None:
    booking = await stage.book()
    await stage.settled(booking, "assigned")
    path, key = f"/v1/bookings/{booking['id']}/accept", {"Idempotency-Key": "key"}
    answers = await asyncio.gather(*(stage.as_("ana").post(path, None, **key) for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    [body] = {answer.content for answer in answers if answer.status_code == 200}
    assert (await stage.as_("ana").post(path, None, **key)).content == body
    assert len(await stage.history(booking)) == 3


async def test_a_command_that_ended_the_booking_is_answered_again_when_its_answer_was_lost(stage: Stage) -> None:
    booking = await stage.book()
    path, key = f"/v1/bookings/{booking['id']}/cancel", {"Idempotency-Key": "key"}
    answers = [await stage.as_("customer").post(path, None, **key) for _ in range(2)]
    assert [ok(answer)["status"] for answer in answers] == ["cancelled"] * 2
    another = {"Idempotency-Key": "another"}
    problem(await stage.as_("customer").post(path, None, **another), 409, "invalid_transition")


async def test_a_command_s_key_is_its_sender_s_and_its_booking_s(stage: Stage) -> None:
    key = {"Idempotency-Key": "key"}
    first, second = await stage.book(), await stage.book()
    for booking in (first, second):
        ok(await stage.as_("ana").post(f"/v1/bookings/{booking['id']}/accept", None, **key))
    refused = await stage.as_("owner").post(f"/v1/bookings/{first['id']}/accept", None, **key)
    problem(refused, 409, "invalid_transition")


async def test_a_command_s_key_with_other_particulars_is_422_and_changes_nothing(stage: Stage) -> None:
    booking, key = await stage.book(), {"Idempotency-Key": "key", "If-Match": "*"}
    path, customer = f"/v1/bookings/{booking['id']}/reschedule", stage.as_("customer")
    moved = ok(await customer.post(path, {"starts_at": future(300).isoformat()}, **key))
    other = await customer.post(path, {"starts_at": future(400).isoformat()}, **key)
    problem(other, 422, "idempotency_key_reused")
    again = ok(await customer.post(path, {"starts_at": future(300).isoformat()}, **key))
    assert (again["starts_at"], again["version"]) == (moved["starts_at"], moved["version"])
