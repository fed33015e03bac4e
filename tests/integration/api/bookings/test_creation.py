"""`POST /v1/bookings`: the created booking."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from db.models import Business, Service
from db.repositories import bookings
from domain.policies import Intake, Policy
from runtime.ids import new_id
from tests.support.factories import DURATION, add_provider, add_user
from tests.support.stage import Json, Stage, make_stage, ok, problem

MEMBERS = [
    "id",
    "reference",
    "business_id",
    "service_id",
    "provider_id",
    "customer_id",
    "status",
    "starts_at",
    "ends_at",
    "timezone",
    "price",
    "needs_attention",
    "payment",
    "version",
    "created_at",
    "updated_at",
    "manage",
]


async def test_a_booking_is_answered_with_201_its_place_and_exactly_these_members(stage: Stage) -> None:
    starts_at = stage.next_start()
    response = await stage.as_("customer").book(stage.tenant, starts_at=starts_at)
    body = ok(response, 201)
    assert list(body) == MEMBERS
    assert response.headers["Location"] == f"/v1/bookings/{body['id']}"
    assert body["status"] == "pending"
    assert body["version"] == 1
    assert body["price"] == {"amount_minor": 129_00, "currency": "USD"}
    assert body["timezone"] == "America/New_York"
    assert body["needs_attention"] is False
    assert datetime.fromisoformat(body["starts_at"]) == starts_at
    assert datetime.fromisoformat(body["ends_at"]) == starts_at + DURATION
    assert UUID(body["id"]).version == 7
    assert body["customer_id"] == str(stage.tenant.customer_id)


async def test_what_is_read_later_is_what_was_answered(patient_stage: Stage) -> None:
    stage = patient_stage
    [pending] = await stage.bookings_in("pending")
    read = ok(await stage.as_("customer").get(f"/v1/bookings/{pending['id']}"))
    created = await stage.book()
    assert list(read) == list(created)
    later = await stage.settled(created, "assigned")
    moving = {"status", "version", "updated_at"}
    assert {name: later[name] for name in MEMBERS if name not in moving} == {
        name: created[name] for name in MEMBERS if name not in moving
    }


async def test_a_reference_can_be_read_out_on_the_phone(stage: Stage) -> None:
    booking = await stage.book()
    assert len(booking["reference"]) <= 8
    assert set(booking["reference"]).isdisjoint("01OILU")
    assert booking["reference"].isalnum()
    assert booking["reference"] == booking["reference"].upper()


@pytest.mark.parametrize("by_id", [True, False])
async def test_business_and_service_are_named_by_id_or_by_slug_and_code(stage: Stage, by_id: bool) -> None:
    tenant = stage.tenant
    named = {"business_id": tenant.business_id, "service_id": tenant.service_id} if by_id else {}
    booking = await stage.book(**named)
    assert booking["business_id"] == str(tenant.business_id)
    assert booking["service_id"] == str(tenant.service_id)


async def test_a_time_with_any_offset_is_the_same_moment(stage: Stage) -> None:
    starts_at = stage.next_start()
    booking = await stage.book(starts_at=starts_at.astimezone(timezone(timedelta(hours=-5))).isoformat())
    assert booking["starts_at"] == starts_at.astimezone(UTC).isoformat().replace("+00:00", "Z")


async def test_price_zone_and_policy_are_those_of_the_moment_of_booking(stage: Stage) -> None:
    booking = await stage.book()
    await stage.settled(booking, "assigned")
    await stage.change(Service, price_minor=1, currency="EUR", duration_minutes=5)
    policy = Policy(reminder_minutes=(5,), auto_accept=True).model_dump(mode="json")
    await stage.change(Business, timezone="Asia/Tokyo", policy=policy)
    later = ok(await stage.as_("customer").get(f"/v1/bookings/{booking['id']}"))
    assert (later["price"], later["timezone"]) == (booking["price"], "America/New_York")
    assert later["ends_at"] == booking["ends_at"]
    async with stage.engine.connect() as conn:
        state = await bookings.find_state(conn, stage.tenant.business_id, UUID(booking["id"]))
    assert state is not None
    assert state.policy == stage.tenant.policy


async def test_without_a_provider_named_the_best_rated_who_is_free_is_taken(stage: Stage) -> None:
    starts_at = stage.next_start()
    first = await stage.book(starts_at=starts_at, provider_id=None)
    second = await stage.book(starts_at=starts_at, provider_id=None)
    third = await stage.as_("customer").book(stage.tenant, starts_at=starts_at)
    names = [stage.tenant.name_of(booking["provider_id"]) for booking in (first, second)]
    assert names == ["ana", "ben"]
    problem(third, 409, "slot_unavailable")


async def test_a_dispatch_business_always_takes_the_booking(stage: Stage) -> None:
    dispatch = await make_stage(stage.api, stage.engine, Policy(intake=Intake.DISPATCH), providers={})
    booking = await dispatch.book(provider_id=None)
    assert booking["provider_id"] is None
    assert booking["status"] == "pending"


async def test_a_dispatch_business_keeps_the_wish_for_a_provider_who_is_free(patient_stage: Stage) -> None:
    starts_at = patient_stage.next_start()
    wished = await patient_stage.book(starts_at=starts_at)
    assert patient_stage.tenant.name_of(wished["provider_id"]) == "ana"
    taken = await patient_stage.book(starts_at=starts_at)
    assert taken["provider_id"] is None


async def test_all_that_the_customer_tells_is_kept(stage: Stage) -> None:
    address = {
        "line1": "1 Main St",
        "city": "Springfield",
        "region": "IL",
        "postal_code": "62701",
        "country": "US",
    }
    await stage.book(address=address, notes="Ring twice.", attribution={"utm_source": "news"})
    async with stage.engine.connect() as conn:
        row = (
            await conn.exec_driver_sql(
                "SELECT address, notes, attribution FROM bookings WHERE business_id = $1",
                (stage.tenant.business_id,),
            )
        ).one()
    assert tuple(row) == (address, "Ring twice.", {"utm_source": "news"})


async def test_the_first_booking_of_a_user_makes_them_a_customer_and_the_next_finds_them(stage: Stage) -> None:
    newcomer = stage.api.as_(
        stage.tenant.principals["customer"].model_copy(update={"user_id": await _user(stage)})
    )
    contacts: list[Json | None] = [None, None, {"name": "Robin", "phone": "+1 212 555 0100"}]
    customers = [
        ok(await newcomer.book(stage.tenant, starts_at=stage.next_start(), customer=contact), 201)["customer_id"]
        for contact in contacts
    ]
    assert len(set(customers)) == 1
    assert customers[0] != str(stage.tenant.customer_id)


async def _user(stage: Stage) -> UUID:
    async with stage.engine.begin() as conn:
        return await add_user(conn, "Robin")


async def test_a_provider_who_is_off_is_not_offered(stage: Stage) -> None:
    async with stage.engine.begin() as conn:
        off = await add_provider(conn, stage.tenant, "ora", rating=5.0, available=False)
    booking = await stage.book(provider_id=None)
    assert booking["provider_id"] != str(off)
    response = await stage.as_("customer").book(stage.tenant, starts_at=stage.next_start(), provider_id=off)
    assert response.status_code in (409, 422)


async def test_bookings_of_one_moment_have_ids_that_sort_by_time(stage: Stage) -> None:
    made = [await stage.book() for _ in range(3)]
    assert [booking["id"] for booking in made] == sorted(booking["id"] for booking in made)
    assert new_id() > UUID(made[-1]["id"])
