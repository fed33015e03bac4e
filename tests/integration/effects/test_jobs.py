"""A booking's job in the business's job system, from the planning step to the vendor's record."""

from datetime import timedelta

from dev.vendors.fault_modes import FaultMode
from tests.support.businesses.jobs import BusinessWithJobs
from tests.support.stage import ok


async def test_a_booking_that_is_accepted_is_one_job_which_moves_and_is_cancelled_with_it(
    business: BusinessWithJobs,
) -> None:
    booking, job = await business.with_job()
    [made] = await business.effects_of(booking)
    assert (made["state"], made["vendor_ref"]) == ("done", str(job["id"]))
    moved = business.starts_at(job) + timedelta(hours=2)
    customer = business.stage.as_("customer")
    ok(await customer.command(booking["id"], "reschedule", starts_at=moved.isoformat()))
    await business.settled(booking, 2)
    assert business.starts_at(business.job_of(booking)) == moved
    ok(await customer.command(booking["id"], "cancel"))
    assert await business.settled(booking, 3) == [
        ("create_job", "done"),
        ("update_job", "done"),
        ("cancel_job", "done"),
    ]
    assert business.job_of(booking)["jobStatus"] == "Canceled"
    assert business.servicetitan.applied() == [
        "customer.create",
        "job.create",
        "appointment.reschedule",
        "job.cancel",
    ]


async def test_a_job_says_whom_to_call_where_the_booking_and_the_customer_s_record_differ(
    business: BusinessWithJobs,
) -> None:
    known = {"name": "Robin Roe", "email": "robin@example.com"}
    typed = known | {"name": "Alex Roe", "phone": "+12125550142"}
    for by, customer in ((business.stage.as_("owner"), known), (business.stage.api, typed)):
        request = by.book(business.stage.tenant, starts_at=business.stage.next_start(), customer=customer)
        booking = ok(await request, 201)
        await business.stage.settled(booking, "assigned")
        ok(await business.stage.as_("owner").command(booking["id"], "accept"))
        await business.settled(booking, 1)
    assert "Contact: Alex Roe, +12125550142" in business.job_of(booking)["summary"].split("<br>")
    assert [one["name"] for one in business.servicetitan.records.customers.values()] == ["Robin Roe"]


async def test_a_job_whose_making_was_not_answered_is_made_once(business: BusinessWithJobs) -> None:
    business.servicetitan.lose_the_answer_after("customer.create")
    booking, _ = await business.with_job()
    [made] = await business.effects_of(booking)
    assert (made["state"], made["attempts"], made["last_error"]) == ("done", 2, None)
    assert business.servicetitan.applied() == ["customer.create", "job.create"]


async def test_what_is_late_finds_the_booking_as_it_is_by_then(business: BusinessWithJobs) -> None:
    business.servicetitan.behave(mode=FaultMode.HANG)
    booking = await business.accepted()
    ok(await business.stage.as_("customer").command(booking["id"], "cancel"))
    business.servicetitan.behave(mode=FaultMode.WELL)  # what hung was not carried out, and is tried again
    assert await business.settled(booking, 2) == [("create_job", "obsolete"), ("cancel_job", "done")]
    assert business.servicetitan.applied() == []


async def test_a_booking_that_an_admin_brings_back_has_its_job_back(business: BusinessWithJobs) -> None:
    booking, _ = await business.with_job()
    ok(await business.stage.as_("customer").command(booking["id"], "cancel"))
    await business.settled(booking, 2)
    await business.stage.override(booking, "accepted")
    await business.settled(booking, 3)
    assert business.job_of(booking)["jobStatus"] == "Scheduled"


async def test_a_job_that_somebody_cancelled_there_is_left_cancelled(business: BusinessWithJobs) -> None:
    booking, job = await business.with_job()
    job["jobStatus"] = "Canceled"
    later = business.starts_at(job) + timedelta(hours=2)
    ok(await business.stage.as_("customer").command(booking["id"], "reschedule", starts_at=later.isoformat()))
    assert (await business.settled(booking, 2))[1] == ("update_job", "obsolete")
    assert business.job_of(booking)["jobStatus"] == "Canceled"
