"""Rounds that compare the job system with bookings: what is repaired, what is flagged, what people see of it."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, ScheduleOverlapPolicy
from temporalio.service import RPCError

from dev.vendors.fault_modes import FaultMode
from dev.vendors.ledger import Json
from domain import names
from domain.reconciliation import Rounds
from runtime.settings import Settings
from tests.support.businesses.jobs import JobDesk, eventually
from tests.support.reconciliation import round_of
from tests.support.replayer import replay
from tests.support.stage import ok, problem, until
from worker.schedules import ensure_reconciliation


async def listed(desk: JobDesk, **query: str) -> Json:
    path = f"/v1/businesses/{desk.stage.tenant.slug}/findings"
    return ok(await desk.stage.as_("owner").get(path, **query))


async def needs_attention(desk: JobDesk, booking: Json) -> None:
    """Wait until the booking is flagged."""
    desk_view = desk.stage.as_("admin")
    await until(lambda: desk_view.get(f"/v1/bookings/{booking['id']}"), lambda seen: bool(seen["needs_attention"]))


async def test_a_round_that_finds_all_as_it_should_be_changes_nothing(desk: JobDesk, client: Client) -> None:
    await desk.with_job()
    before = desk.titan.applied()
    assert await round_of(desk.stage, client) == Rounds(integrations=1, compared=1)
    assert (desk.titan.applied(), await desk.findings()) == (before, [])
    handle = client.get_workflow_handle(names.reconcile_workflow_id(desk.business_id))
    history = await handle.fetch_history()
    await replay(history)
    assert "cs1." not in history.to_json()


async def test_a_job_that_is_gone_is_made_again_and_the_next_round_sees_it(desk: JobDesk, client: Client) -> None:
    booking, job = await desk.with_job()
    del desk.titan.books.jobs[job["id"]]
    assert (await round_of(desk.stage, client)).repairing == 1
    assert await desk.findings() == [("job_missing", "repairing")]
    assert await desk.settled(booking, 2) == [("create_job", "done"), ("create_job", "done")]
    assert desk.job_of(booking)["id"] != job["id"]
    assert (await round_of(desk.stage, client)).repairing == 0
    assert await desk.findings() == [("job_missing", "resolved")]
    del desk.titan.books.jobs[desk.job_of(booking)["id"]]
    await round_of(desk.stage, client)
    assert await desk.findings() == [("job_missing", "repairing")]  # it has come back: found anew, repaired anew
    await desk.settled(booking, 3)
    assert desk.job_of(booking)


async def test_a_repair_that_does_not_help_is_left_to_the_desk(desk: JobDesk, client: Client) -> None:
    booking, job = await desk.with_job()
    del desk.titan.books.jobs[job["id"]]
    await round_of(desk.stage, client)
    await desk.settled(booking, 2)
    for number in list(desk.titan.books.jobs):
        del desk.titan.books.jobs[number]
    assert (await round_of(desk.stage, client)).flagged == 1
    assert await desk.findings() == [("job_missing", "open")]
    await needs_attention(desk, booking)


async def test_a_job_that_was_cancelled_there_is_flagged_until_it_goes_on(desk: JobDesk, client: Client) -> None:
    booking, job = await desk.with_job()
    job["jobStatus"] = "Canceled"
    assert (await round_of(desk.stage, client)).flagged == 1
    await needs_attention(desk, booking)
    last = (await desk.stage.history(booking))[-1]
    assert (last["kind"], last["reason"], last["actor"]["role"]) == ("flagged", "differs_at_vendor", "system")
    assert (await round_of(desk.stage, client)).flagged == 0  # it is known
    [finding] = (await listed(desk, state="open"))["items"]
    assert (finding["kind"], finding["booking_id"]) == ("job_cancelled", booking["id"])
    assert finding["detail"] == {"job": str(job["id"])}
    job["jobStatus"] = "Scheduled"
    await round_of(desk.stage, client)
    assert await desk.findings() == [("job_cancelled", "resolved")]


async def test_a_job_that_was_moved_there_is_flagged_and_not_moved_back(desk: JobDesk, client: Client) -> None:
    _, job = await desk.with_job()
    visit = desk.titan.books.appointment_of(job)
    visit["start"] = "2031-01-01T10:00:00Z"
    assert (await round_of(desk.stage, client)).flagged == 1
    assert await desk.findings() == [("job_moved", "open")]
    assert visit["start"] == "2031-01-01T10:00:00Z"


async def test_what_somebody_puts_aside_stays_so_until_it_is_another_difference(
    desk: JobDesk, client: Client
) -> None:
    _, job = await desk.with_job()
    visit = desk.titan.books.appointment_of(job)
    visit["start"] = "2031-01-01T10:00:00Z"
    await round_of(desk.stage, client)
    [finding] = (await listed(desk))["items"]
    path = f"/v1/businesses/{desk.stage.tenant.slug}/findings/{finding['id']}/resolve"
    for _ in range(2):
        assert ok(await desk.stage.as_("owner").send("POST", path))["state"] == "resolved"
    await round_of(desk.stage, client)
    assert await desk.findings() == [("job_moved", "resolved")]
    visit["start"] = "2031-01-02T10:00:00Z"
    await round_of(desk.stage, client)
    assert await desk.findings() == [("job_moved", "open")]


async def test_a_job_that_outlives_its_booking_is_cancelled(desk: JobDesk, client: Client) -> None:
    booking, job = await desk.with_job()
    ok(await desk.stage.as_("customer").command(booking["id"], "cancel"))
    await desk.settled(booking, 2)
    desk.titan.books.appointment_of(job)["status"] = job["jobStatus"] = "Scheduled"
    await round_of(desk.stage, client)
    await desk.settled(booking, 3)
    assert job["jobStatus"] == "Canceled"


async def test_a_change_that_failed_for_good_is_made_up_for(desk: JobDesk, client: Client) -> None:
    booking, job = await desk.with_job()
    desk.titan.behave(mode=FaultMode.FAILING, status=403)
    moved = "2031-01-01T10:00:00+00:00"
    ok(await desk.stage.as_("customer").command(booking["id"], "reschedule", starts_at=moved))
    assert (await desk.settled(booking, 2))[1] == ("update_job", "failed")
    desk.titan.behave(mode=FaultMode.WELL)
    assert (await round_of(desk.stage, client)).repairing == 1
    assert await desk.findings() == [("job_outdated", "repairing")]
    await desk.settled(booking, 3)
    assert desk.starts_at(job).isoformat() == moved


async def test_a_vendor_that_cannot_be_asked_is_left_to_the_next_round(desk: JobDesk, client: Client) -> None:
    await desk.with_job()
    desk.titan.behave(mode=FaultMode.FAILING, status=403)
    assert await round_of(desk.stage, client) == Rounds(integrations=1, failed=1)
    assert await desk.findings() == []


async def test_another_business_s_finding_is_none_of_theirs(desk: JobDesk, client: Client, stranger: Any) -> None:
    await desk.with_job()
    own = f"/v1/businesses/{desk.stage.tenant.slug}/findings/{UUID(int=1)}/resolve"
    problem(await desk.stage.as_("owner").send("POST", own), 404, "not_found")
    path = f"/v1/businesses/{desk.stage.tenant.slug}/findings"
    problem(await stranger.as_("owner").get(path), 404, "not_found")
    problem(await desk.stage.as_("ana").get(path), 403, "forbidden")


async def test_the_schedule_is_there_only_while_something_can_be_compared(
    desk: JobDesk, client: Client, engine: AsyncEngine
) -> None:
    async def is_there() -> bool:
        try:
            await client.get_schedule_handle(names.RECONCILE_SCHEDULE).describe()
        except RPCError:
            return False
        return True

    async def is_gone() -> bool:
        return not await is_there()

    assert await eventually(is_there)
    async with engine.begin() as conn:
        enabled = await conn.execute(text("UPDATE integrations SET enabled = false WHERE enabled RETURNING id"))
        ids = list(enabled.scalars())
    assert await eventually(is_gone)
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE integrations SET enabled = true WHERE id = ANY(:ids)"), {"ids": ids})
    assert await eventually(is_there)


async def test_the_schedule_compares_all_businesses(desk: JobDesk, client: Client, settings: Settings) -> None:
    booking, job = await desk.with_job()
    del desk.titan.books.jobs[job["id"]]
    await ensure_reconciliation(client, settings)
    handle = client.get_schedule_handle(names.RECONCILE_SCHEDULE)
    assert (await handle.describe()).schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    await handle.trigger()
    assert await eventually(desk.findings) == [("job_missing", "repairing")]
    await desk.settled(booking, 2)
