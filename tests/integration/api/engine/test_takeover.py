"""A workflow that lags behind the stored booking catches up within the same request."""

import asyncio
from uuid import UUID

from temporalio.client import Client

from domain.booking import Actor, BookingState
from domain.commands import Accept, Cancel, Reschedule
from domain.lifecycle import Role
from domain.names import booking_workflow_id
from runtime.ids import new_id
from tests.support.lost_steps import commit_behind_the_workflow, unconfirmed
from tests.support.stage import Json, Stage, ok, problem


async def assigned(stage: Stage) -> Json:
    return await stage.settled(await stage.book(), "assigned")


def ana(stage: Stage) -> Actor:
    return Actor(role=Role.PROVIDER, provider_id=stage.tenant.providers["ana"])


async def known_version(client: Client, booking: Json) -> int:
    """The version that the workflow knows."""
    handle = client.get_workflow_handle(booking_workflow_id(UUID(booking["id"])))
    state: BookingState = await handle.query("state", result_type=BookingState)
    return state.version


async def test_a_command_that_only_the_stored_booking_allows_is_taken_at_once(stage: Stage) -> None:
    booking = await assigned(stage)
    place = (stage.engine, stage.tenant.business_id, UUID(booking["id"]))
    stored = await commit_behind_the_workflow(*place, Accept(actor=ana(stage)), is_noted=False)
    after = ok(await stage.as_("ana").command(booking["id"], "start"))
    assert (after["status"], after["version"]) == ("in_progress", stored.version + 1)


async def test_a_command_for_the_stored_version_is_taken_at_once(stage: Stage) -> None:
    booking = await assigned(stage)
    place = (stage.engine, stage.tenant.business_id, UUID(booking["id"]))
    move = Reschedule(actor=Actor(role=Role.CUSTOMER), starts_at=stage.next_start())
    stored = await commit_behind_the_workflow(*place, move, is_noted=False)
    path, body = f"/v1/bookings/{booking['id']}/reschedule", {"starts_at": stage.next_start().isoformat()}
    after = ok(await stage.as_("customer").post(path, body, **{"If-Match": f'"{stored.version}"'}))
    assert after["version"] == stored.version + 1


async def test_what_neither_of_them_allows_is_refused_as_ever(stage: Stage) -> None:
    booking = await assigned(stage)
    place = (stage.engine, stage.tenant.business_id, UUID(booking["id"]))
    await commit_behind_the_workflow(*place, Cancel(actor=Actor(role=Role.CUSTOMER)), is_noted=False)
    problem(await stage.as_("ana").command(booking["id"], "start"), 409, "invalid_transition")


async def test_a_resend_of_a_command_whose_answer_was_lost_wakes_the_workflow(
    stage: Stage, client: Client
) -> None:
    booking, key = await assigned(stage), str(new_id())
    path = f"/v1/bookings/{booking['id']}/accept"
    first = ok(await stage.as_("ana").post(path, **{"Idempotency-Key": key}))
    # As after a crash: the step and its command are in the history, the answer is not, and nobody noted it.
    stored = await _move_on_and_forget_the_answer(stage, booking, key)
    again = ok(await stage.as_("ana").post(path, **{"Idempotency-Key": key}))
    assert (again["id"], again["status"]) == (first["id"], "accepted")
    async with asyncio.timeout(10):
        while await known_version(client, booking) < stored.version:
            await asyncio.sleep(0.02)


async def _move_on_and_forget_the_answer(stage: Stage, booking: Json, key: str) -> BookingState:
    place = (stage.engine, stage.tenant.business_id, UUID(booking["id"]))
    move = Reschedule(actor=Actor(role=Role.CUSTOMER), starts_at=stage.next_start())
    stored = await commit_behind_the_workflow(*place, move, is_noted=False)
    async with stage.engine.begin() as conn:
        await conn.exec_driver_sql("DELETE FROM idempotency_keys WHERE key = $1", (key,))
    return stored


async def test_an_answered_command_is_confirmed_with_its_answer(stage: Stage) -> None:
    booking = await assigned(stage)
    path = f"/v1/bookings/{booking['id']}"
    ok(await stage.as_("ana").post(f"{path}/accept", **{"Idempotency-Key": str(new_id())}))
    assert await unconfirmed(stage.engine, booking["id"]) == 0
    ok(await stage.as_("ana").post(f"{path}/start"))
    assert await unconfirmed(stage.engine, booking["id"]) == 0
