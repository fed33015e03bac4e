"""The ServiceTitan adapter against the simulator: each record is created once."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from activities.adapters.servicetitan import ServiceTitan
from activities.ports import Address, JobCustomer, JobDetails
from dev.vendors.fault_modes import FaultMode
from domain.effects import Vendor, VendorError
from domain.jobs import Job, JobState
from runtime.ids import new_id
from tests.support.simulator import Simulator
from tests.support.vendors.servicetitan import ServiceTitanTenant, job_details


@pytest.fixture
def servicetitan(vendors: Simulator) -> ServiceTitanTenant:
    return ServiceTitanTenant(vendors)


@pytest.fixture
def adapter(vendors: Simulator) -> ServiceTitan:
    url = f"{vendors.url}/servicetitan"
    return ServiceTitan(url, url)


async def made(adapter: ServiceTitan, servicetitan: ServiceTitanTenant, job: JobDetails) -> Job:
    ref = await adapter.create(servicetitan.call, job)
    found = await adapter.find(servicetitan.account, job.booking_id)
    assert found is not None
    assert found.ref == ref
    return found


async def test_a_job_is_made_with_its_customer_and_place_and_is_found_by_its_booking(
    servicetitan: ServiceTitanTenant, adapter: ServiceTitan
) -> None:
    job = job_details()
    found = await made(adapter, servicetitan, job)
    assert found.state is JobState.OPEN
    assert found.is_at(job.starts_at, job.ends_at)
    [kept] = servicetitan.records.jobs_of(job.booking_id)
    assert (kept["businessUnitId"], kept["jobTypeId"], kept["campaignId"]) == (11, 22, 33)
    assert kept["summary"] == "Repair (ABC)<br>&lt;b&gt;Ring twice &amp; wait&lt;/b&gt;"
    customer = servicetitan.records.customers[kept["customerId"]]
    assert {contact["value"] for contact in customer["contacts"]} == {"casey@example.com", "+15185550100"}
    assert servicetitan.records.locations[kept["locationId"]]["address"]["street"] == "5 Oak Ave"


async def test_a_customer_who_comes_again_is_the_same_and_has_a_location_for_each_address(
    servicetitan: ServiceTitanTenant, adapter: ServiceTitan
) -> None:
    first = job_details()
    again = replace(first, booking_id=new_id(), service_code="install")
    elsewhere = replace(first, booking_id=new_id(), address=None)
    for job in (first, again, elsewhere):
        await adapter.create(servicetitan.call, job)
    assert (
        len(servicetitan.records.customers),
        len(servicetitan.records.locations),
        len(servicetitan.records.jobs),
    ) == (1, 2, 3)
    assert servicetitan.records.jobs_of(again.booking_id)[0]["jobTypeId"] == 23
    tokens = servicetitan.simulator.ledger.entries(Vendor.SERVICETITAN, action="token")
    assert [entry.key for entry in tokens].count(servicetitan.secrets["client_id"]) == 1


@pytest.mark.parametrize("after", ["customer.list", "customer.create"], ids=["customer", "job"])
async def test_what_was_made_although_the_answer_was_lost_is_there_once(
    servicetitan: ServiceTitanTenant, adapter: ServiceTitan, after: str
) -> None:
    job = job_details()
    servicetitan.lose_the_answer_after(after)
    with pytest.raises(VendorError) as lost:
        await adapter.create(servicetitan.call, job)
    assert (lost.value.code, lost.value.permanent) == ("reply_lost", False)
    if await adapter.find(servicetitan.account, job.booking_id) is None:
        await adapter.create(servicetitan.call, job)
    assert servicetitan.applied() == ["customer.create", "job.create"]


async def test_a_job_is_moved_and_told_anew_and_one_that_is_as_wanted_is_left_alone(
    servicetitan: ServiceTitanTenant, adapter: ServiceTitan
) -> None:
    job = job_details()
    found = await made(adapter, servicetitan, job)
    moved = replace(job, starts_at=job.starts_at + timedelta(days=1), ends_at=job.ends_at + timedelta(days=1))
    await adapter.change(servicetitan.call, found, moved)
    now = await adapter.find(servicetitan.account, job.booking_id)
    assert now is not None
    assert now.is_at(moved.starts_at, moved.ends_at)
    await adapter.change(servicetitan.call, now, moved)
    await adapter.change(servicetitan.call, now, replace(moved, summary="Repair (ABC)"))
    assert servicetitan.applied()[2:] == ["appointment.reschedule", "job.update"]
    assert servicetitan.request_count("appointment.reschedule") == 1


async def test_a_job_is_cancelled_for_the_reason_that_is_set_and_can_be_revived(
    servicetitan: ServiceTitanTenant, adapter: ServiceTitan
) -> None:
    found = await made(adapter, servicetitan, job_details())
    await adapter.cancel(servicetitan.call, found)
    cancelled = await adapter.find(servicetitan.account, found.booking_id)
    assert cancelled is not None
    assert cancelled.state is JobState.CANCELLED
    [entry] = servicetitan.simulator.applied(Vendor.SERVICETITAN, servicetitan.tenant, "job.cancel")
    assert entry.detail["reasonId"] == 44
    await adapter.revive(servicetitan.call, cancelled)
    assert await adapter.find(servicetitan.account, found.booking_id) == found


async def test_a_token_that_is_no_longer_taken_is_asked_for_anew(
    servicetitan: ServiceTitanTenant, adapter: ServiceTitan
) -> None:
    found = await made(adapter, servicetitan, job_details())
    servicetitan.vendor.tokens.clear()
    assert await adapter.find(servicetitan.account, found.booking_id) == found


async def test_it_waits_as_long_as_it_is_told_to(servicetitan: ServiceTitanTenant, adapter: ServiceTitan) -> None:
    servicetitan.behave(mode=FaultMode.RATE_LIMITED, seconds=9)
    with pytest.raises(VendorError) as refused:
        await adapter.create(servicetitan.call, job_details())
    assert (refused.value.code, refused.value.permanent) == ("rate_limited", False)
    assert refused.value.retry_after == timedelta(seconds=9)
    assert servicetitan.applied() == []


@pytest.mark.parametrize(
    ("secrets", "code"),
    [({"client_secret": "wrong"}, "unauthorized"), ({"app_key": "wrong"}, "unauthorized")],
    ids=["secret", "app key"],
)
async def test_credentials_that_are_refused_are_not_tried_again(
    servicetitan: ServiceTitanTenant, adapter: ServiceTitan, secrets: dict[str, str], code: str
) -> None:
    servicetitan.secrets |= secrets
    with pytest.raises(VendorError) as refused:
        await adapter.create(servicetitan.call, job_details())
    assert (refused.value.code, refused.value.permanent) == (code, True)
    assert servicetitan.applied() == []


async def test_a_job_that_cannot_be_is_refused_for_good(
    servicetitan: ServiceTitanTenant, adapter: ServiceTitan
) -> None:
    del servicetitan.settings["premises"]
    incomplete = Address("5 Oak Ave", "Troy", "", "", "US")
    nobody = JobCustomer(new_id(), "", None, None)
    cases = {
        "address_missing": job_details(address=None),
        "address_incomplete": job_details(address=incomplete),
        "http_400": job_details(customer=nobody),
    }
    for code, job in cases.items():
        with pytest.raises(VendorError) as refused:
            await adapter.create(servicetitan.call, job)
        assert (refused.value.code, refused.value.permanent) == (code, True)
    assert servicetitan.applied() == []


async def test_fifty_bookings_are_looked_up_in_two_questions(
    servicetitan: ServiceTitanTenant, adapter: ServiceTitan
) -> None:
    job = job_details()
    for _ in range(3):
        await adapter.create(servicetitan.call, replace(job, booking_id=new_id()))
    before = servicetitan.request_count("job.list") + servicetitan.request_count("appointment.list")
    ids = [
        *(
            entry.key
            for entry in servicetitan.simulator.applied(Vendor.SERVICETITAN, servicetitan.tenant, "job.create")
        )
    ]
    strangers = [new_id() for _ in range(47)]
    found = await adapter.find_all(servicetitan.account, [*(UUID(str(one)) for one in ids), *strangers])
    assert {str(one.booking_id) for one in found} == set(ids)
    assert servicetitan.request_count("job.list") + servicetitan.request_count("appointment.list") == before + 2
