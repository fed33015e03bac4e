"""The effects of bookings as the desk sees them, and repairing stuck ones."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from db.repositories import effect_planning
from domain.effects import EffectKind, Planned, Port, Vendor
from tests.support.stage import Json, Stage, ok, problem

_SET = text("""
UPDATE effects SET state = :state, handed_at = now(), attempts = 3, last_error = 'http_503', done_at = NULL
WHERE id = :id
""")


async def make_job(stage: Stage, booking: Json, state: str, kind: EffectKind = EffectKind.CREATE_JOB) -> str:
    """An effect of the booking with an account that is not there, in the state that a test begins with."""
    planned = Planned(kind=kind, port=Port.JOBS, key=uuid4().hex)
    async with stage.engine.begin() as conn:
        made = await effect_planning.plan_with(
            conn,
            stage.tenant.business_id,
            UUID(booking["id"]),
            planned,
            vendor=Vendor.SERVICETITAN,
            target_id=uuid4(),
        )
        await conn.execute(_SET, {"id": made, "state": state})
    return str(made)


@pytest.fixture
async def booking(stage: Stage) -> Json:
    return await stage.book()


def url(booking: Json, *rest: str) -> str:
    return "/".join((f"/v1/bookings/{booking['id']}/jobs", *rest))


async def jobs_of(stage: Stage, booking: Json) -> dict[str, Any]:
    return {job["id"]: job for job in ok(await stage.as_("owner").get(url(booking)))["items"]}


async def test_the_desk_sees_every_effect_of_a_booking_with_its_state_and_its_error(
    stage: Stage, booking: Json
) -> None:
    failed = await make_job(stage, booking, "failed")
    reported = await make_job(stage, booking, "done", EffectKind.REPORT_CONVERSION)
    shown = await jobs_of(stage, booking)
    assert list(shown) == [failed, reported]
    job = shown[failed]
    assert (job["kind"], job["vendor"], job["state"]) == ("create_job", "servicetitan", "failed")
    assert (job["attempts"], job["last_error"], job["priority"]) == (3, "http_503", "critical")
    assert (job["booking_id"], job["vendor_ref"]) == (booking["id"], None)
    assert shown[reported]["priority"] == "low"
    for caller, status, code in (
        (stage.as_("customer"), 403, "forbidden"),
        (stage.as_("ana"), 403, "forbidden"),
        (stage.as_("ben"), 404, "not_found"),
        (stage.api, 401, "unauthenticated"),
    ):
        problem(await caller.get(url(booking)), status, code)
        problem(await caller.post(url(booking, failed, "retry")), status, code)


@pytest.mark.parametrize("state", ["failed", "retrying", "skipped", "obsolete"])
async def test_what_got_stuck_is_tried_again_at_once_and_asking_twice_changes_nothing(
    stage: Stage, booking: Json, state: str
) -> None:
    job = await make_job(stage, booking, state)
    key = {"Idempotency-Key": str(uuid4())}
    admin = stage.as_("admin")
    again = ok(await admin.send("POST", url(booking, job, "retry"), None, **key))
    assert (again["state"], again["next_attempt_at"], again["done_at"]) == ("pending", None, None)
    assert ok(await admin.send("POST", url(booking, job, "retry"), None, **key)) == again
    log = ok(await admin.get(f"/v1/businesses/{stage.tenant.slug}/audit-log", action="retryJob"))
    assert [line["object_id"] for line in log["items"]] == [job]


@pytest.mark.parametrize("state", ["done", "running"])
async def test_what_is_done_or_under_way_is_not_tried_again(stage: Stage, booking: Json, state: str) -> None:
    job = await make_job(stage, booking, state)
    refused = problem(await stage.as_("admin").post(url(booking, job, "retry")), 409, "job_not_repairable")
    assert refused["state"] == state
    assert (await jobs_of(stage, booking))[job]["state"] == state


async def test_one_can_do_without_what_is_neither_done_nor_under_way(stage: Stage, booking: Json) -> None:
    admin = stage.as_("admin")
    for state in ("pending", "retrying", "failed"):
        job = await make_job(stage, booking, state)
        for _ in range(2):
            skipped = ok(await admin.post(url(booking, job, "skip")))
            assert (skipped["state"], skipped["next_attempt_at"]) == ("skipped", None)
            assert skipped["done_at"] is not None
    for state in ("done", "obsolete", "running"):
        job = await make_job(stage, booking, state)
        refused = problem(await admin.post(url(booking, job, "skip")), 409, "job_not_repairable")
        assert refused["state"] == state


async def test_a_job_of_another_booking_or_business_is_not_found(stage: Stage, booking: Json) -> None:
    other = await stage.book()
    job = await make_job(stage, other, "failed")
    for wrong in (job, str(uuid4())):
        for repair in ("retry", "skip"):
            problem(await stage.as_("admin").post(url(booking, wrong, repair)), 404, "not_found")
    assert (await jobs_of(stage, other))[job]["state"] == "failed"


async def test_a_business_lists_what_has_failed_page_by_page(stage: Stage, booking: Json) -> None:
    failed = [await make_job(stage, booking, "failed") for _ in range(5)]
    done = await make_job(stage, booking, "done")
    root = f"/v1/businesses/{stage.tenant.slug}/jobs"
    owner = stage.as_("owner")
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = ok(await owner.get(root, **query))
        seen += [job["id"] for job in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == failed[::-1]
    assert ok(await owner.get(root, vendor="stripe"))["items"] == []
    found = ok(await owner.get(root, state="done", vendor="servicetitan"))["items"]
    assert [job["id"] for job in found] == [done]
    problem(await owner.get(root, state="done", **query), 400, "invalid_cursor")
    problem(await stage.as_("ana").get(root), 403, "forbidden")
