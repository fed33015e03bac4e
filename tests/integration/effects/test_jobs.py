"""A booking's job in the business's own system, from the step that plans it to what the system has then."""

from datetime import timedelta

from dev.vendors.fault_modes import FaultMode
from tests.support.businesses.jobs import JobDesk
from tests.support.stage import ok


async def test_a_booking_that_is_accepted_is_one_job_which_moves_and_is_cancelled_with_it(desk: JobDesk) -> None:
    booking, job = await desk.with_job()
    [made] = await desk.effects_of(booking)
    assert (made["state"], made["vendor_ref"]) == ("done", str(job["id"]))
    moved = desk.starts_at(job) + timedelta(hours=2)
    customer = desk.stage.as_("customer")
    ok(await customer.command(booking["id"], "reschedule", starts_at=moved.isoformat()))
    await desk.settled(booking, 2)
    assert desk.starts_at(desk.job_of(booking)) == moved
    ok(await customer.command(booking["id"], "cancel"))
    assert await desk.settled(booking, 3) == [
        ("create_job", "done"),
        ("update_job", "done"),
        ("cancel_job", "done"),
    ]
    assert desk.job_of(booking)["jobStatus"] == "Canceled"
    assert desk.titan.applied() == ["customer.create", "job.create", "appointment.reschedule", "job.cancel"]


async def test_a_job_says_whom_to_call_where_the_booking_and_the_customer_s_record_differ(desk: JobDesk) -> None:
    known = {"name": "Robin Roe", "email": "robin@example.com"}
    typed = known | {"name": "Alex Roe", "phone": "+12125550142"}
    for by, customer in ((desk.stage.as_("owner"), known), (desk.stage.api, typed)):
        asked = by.book(desk.stage.tenant, starts_at=desk.stage.next_start(), customer=customer)
        booking = ok(await asked, 201)
        await desk.stage.settled(booking, "assigned")
        ok(await desk.stage.as_("owner").command(booking["id"], "accept"))
        await desk.settled(booking, 1)
    assert "Contact: Alex Roe, +12125550142" in desk.job_of(booking)["summary"].split("<br>")
    assert [one["name"] for one in desk.titan.books.customers.values()] == ["Robin Roe"]


async def test_a_job_whose_making_was_not_answered_is_made_once(desk: JobDesk) -> None:
    desk.titan.lose_the_answer_after("customer.create")
    booking, _ = await desk.with_job()
    [made] = await desk.effects_of(booking)
    assert (made["state"], made["attempts"], made["last_error"]) == ("done", 2, None)
    assert desk.titan.applied() == ["customer.create", "job.create"]


async def test_what_is_late_finds_the_booking_as_it_is_by_then(desk: JobDesk) -> None:
    desk.titan.behave(mode=FaultMode.HANG)
    booking = await desk.accepted()
    ok(await desk.stage.as_("customer").command(booking["id"], "cancel"))
    desk.titan.behave(mode=FaultMode.WELL)  # what hung was not carried out, and is tried again
    assert await desk.settled(booking, 2) == [("create_job", "obsolete"), ("cancel_job", "done")]
    assert desk.titan.applied() == []


async def test_a_booking_that_an_admin_brings_back_has_its_job_back(desk: JobDesk) -> None:
    booking, _ = await desk.with_job()
    ok(await desk.stage.as_("customer").command(booking["id"], "cancel"))
    await desk.settled(booking, 2)
    await desk.stage.override(booking, "accepted")
    await desk.settled(booking, 3)
    assert desk.job_of(booking)["jobStatus"] == "Scheduled"


async def test_a_job_that_somebody_cancelled_there_is_left_cancelled(desk: JobDesk) -> None:
    booking, job = await desk.with_job()
    job["jobStatus"] = "Canceled"
    later = desk.starts_at(job) + timedelta(hours=2)
    ok(await desk.stage.as_("customer").command(booking["id"], "reschedule", starts_at=later.isoformat()))
    assert (await desk.settled(booking, 2))[1] == ("update_job", "obsolete")
    assert desk.job_of(booking)["jobStatus"] == "Canceled"
