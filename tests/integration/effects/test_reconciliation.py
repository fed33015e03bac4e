"""Reconciliation of the job system with bookings: repairs, flags and what people see of them."""

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
from tests.support.businesses.jobs import BusinessWithJobs, eventually
from tests.support.reconciliation import round_of
from tests.support.replayer import replay
from tests.support.stage import ok, problem, until
from worker.schedules import ensure_reconciliation


async def listed(business: BusinessWithJobs, **query: str) -> Json:
    path = f"/v1/businesses/{business.stage.tenant.slug}/findings"
    return ok(await business.stage.as_("owner").get(path, **query))


async def needs_attention(business: BusinessWithJobs, booking: Json) -> None:
    """Wait until the booking is flagged."""
    admin = business.stage.as_("admin")
    await until(lambda: admin.get(f"/v1/bookings/{booking['id']}"), lambda seen: bool(seen["needs_attention"]))


async def test_a_round_that_finds_all_as_it_should_be_changes_nothing(
    business: BusinessWithJobs, client: Client
) -> None:
    await business.with_job()
    before = business.servicetitan.applied()
    assert await round_of(business.stage, client) == Rounds(integrations=1, compared=1)
    assert (business.servicetitan.applied(), await business.findings()) == (before, [])
    handle = client.get_workflow_handle(names.reconcile_workflow_id(business.business_id))
    history = await handle.fetch_history()
    await replay(history)
    assert "cs1." not in history.to_json()


async def test_a_job_that_is_gone_is_made_again_and_the_next_round_sees_it(
    business: BusinessWithJobs, client: Client
) -> None:
    booking, job = await business.with_job()
    del business.servicetitan.records.jobs[job["id"]]
    assert (await round_of(business.stage, client)).repairing == 1
    assert await business.findings() == [("job_missing", "repairing")]
    assert await business.settled(booking, 2) == [("create_job", "done"), ("create_job", "done")]
    assert business.job_of(booking)["id"] != job["id"]
    assert (await round_of(business.stage, client)).repairing == 0
    assert await business.findings() == [("job_missing", "resolved")]
    del business.servicetitan.records.jobs[business.job_of(booking)["id"]]
    await round_of(business.stage, client)
    assert await business.findings() == [
        ("job_missing", "repairing")
    ]  # it has come back: found anew, repaired anew
    await business.settled(booking, 3)
    assert business.job_of(booking)


async def test_a_repair_that_does_not_help_is_left_to_the_desk(business: BusinessWithJobs, client: Client) -> None:
    booking, job = await business.with_job()
    del business.servicetitan.records.jobs[job["id"]]
    await round_of(business.stage, client)
    await business.settled(booking, 2)
    for number in list(business.servicetitan.records.jobs):
        del business.servicetitan.records.jobs[number]
    assert (await round_of(business.stage, client)).flagged == 1
    assert await business.findings() == [("job_missing", "open")]
    await needs_attention(business, booking)


async def test_a_job_that_was_cancelled_there_is_flagged_until_it_goes_on(
    business: BusinessWithJobs, client: Client
) -> None:
    booking, job = await business.with_job()
    job["jobStatus"] = "Canceled"
    assert (await round_of(business.stage, client)).flagged == 1
    await needs_attention(business, booking)
    last = (await business.stage.history(booking))[-1]
    assert (last["kind"], last["reason"], last["actor"]["role"]) == ("flagged", "differs_at_vendor", "system")
    assert (await round_of(business.stage, client)).flagged == 0  # it is known
    [finding] = (await listed(business, state="open"))["items"]
    assert (finding["kind"], finding["booking_id"]) == ("job_cancelled", booking["id"])
    assert finding["detail"] == {"job": str(job["id"])}
    job["jobStatus"] = "Scheduled"
    await round_of(business.stage, client)
    assert await business.findings() == [("job_cancelled", "resolved")]


async def test_a_job_that_was_moved_there_is_flagged_and_not_moved_back(
    business: BusinessWithJobs, client: Client
) -> None:
    _, job = await business.with_job()
    visit = business.servicetitan.records.appointment_of(job)
    visit["start"] = "2031-01-01T10:00:00Z"
    assert (await round_of(business.stage, client)).flagged == 1
    assert await business.findings() == [("job_moved", "open")]
    assert visit["start"] == "2031-01-01T10:00:00Z"


async def test_what_somebody_puts_aside_stays_so_until_it_is_another_difference(
    business: BusinessWithJobs, client: Client
) -> None:
    _, job = await business.with_job()
    visit = business.servicetitan.records.appointment_of(job)
    visit["start"] = "2031-01-01T10:00:00Z"
    await round_of(business.stage, client)
    [finding] = (await listed(business))["items"]
    path = f"/v1/businesses/{business.stage.tenant.slug}/findings/{finding['id']}/resolve"
    for _ in range(2):
        assert ok(await business.stage.as_("owner").send("POST", path))["state"] == "resolved"
    await round_of(business.stage, client)
    assert await business.findings() == [("job_moved", "resolved")]
    visit["start"] = "2031-01-02T10:00:00Z"
    await round_of(business.stage, client)
    assert await business.findings() == [("job_moved", "open")]


async def test_a_job_that_outlives_its_booking_is_cancelled(business: BusinessWithJobs, client: Client) -> None:
    booking, job = await business.with_job()
    ok(await business.stage.as_("customer").command(booking["id"], "cancel"))
    await business.settled(booking, 2)
    business.servicetitan.records.appointment_of(job)["status"] = job["jobStatus"] = "Scheduled"
    await round_of(business.stage, client)
    await business.settled(booking, 3)
    assert job["jobStatus"] == "Canceled"


async def test_a_change_that_failed_for_good_is_made_up_for(business: BusinessWithJobs, client: Client) -> None:
    booking, job = await business.with_job()
    business.servicetitan.behave(mode=FaultMode.FAILING, status=403)
    moved = "2031-01-01T10:00:00+00:00"
    ok(await business.stage.as_("customer").command(booking["id"], "reschedule", starts_at=moved))
    assert (await business.settled(booking, 2))[1] == ("update_job", "failed")
    business.servicetitan.behave(mode=FaultMode.WELL)
    assert (await round_of(business.stage, client)).repairing == 1
    assert await business.findings() == [("job_outdated", "repairing")]
    await business.settled(booking, 3)
    assert business.starts_at(job).isoformat() == moved


async def test_a_vendor_that_cannot_be_asked_is_left_to_the_next_round(
    business: BusinessWithJobs, client: Client
) -> None:
    await business.with_job()
    business.servicetitan.behave(mode=FaultMode.FAILING, status=403)
    assert await round_of(business.stage, client) == Rounds(integrations=1, failed=1)
    assert await business.findings() == []


async def test_another_business_s_finding_is_none_of_theirs(
    business: BusinessWithJobs, client: Client, stranger: Any
) -> None:
    await business.with_job()
    own = f"/v1/businesses/{business.stage.tenant.slug}/findings/{UUID(int=1)}/resolve"
    problem(await business.stage.as_("owner").send("POST", own), 404, "not_found")
    path = f"/v1/businesses/{business.stage.tenant.slug}/findings"
    problem(await stranger.as_("owner").get(path), 404, "not_found")
    problem(await business.stage.as_("ana").get(path), 403, "forbidden")


async def test_the_schedule_is_there_only_while_something_can_be_compared(
    business: BusinessWithJobs, client: Client, engine: AsyncEngine
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


async def test_the_schedule_compares_all_businesses(
    business: BusinessWithJobs, client: Client, settings: Settings
) -> None:
    booking, job = await business.with_job()
    del business.servicetitan.records.jobs[job["id"]]
    await ensure_reconciliation(client, settings)
    handle = client.get_schedule_handle(names.RECONCILE_SCHEDULE)
    assert (await handle.describe()).schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    await handle.trigger()
    assert await eventually(business.findings) == [("job_missing", "repairing")]
    await business.settled(booking, 2)
