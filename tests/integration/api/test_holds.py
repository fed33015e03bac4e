"""`/v1/holds`: time held for one caller for some minutes, then booked or released."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.models import Business, Provider, Service
from db.repositories import maintenance
from domain.policies import Cancellation, Policy
from runtime.ids import new_id
from tests.support.factories import future
from tests.support.schedules import (
    a_day,
    add_service,
    at,
    execute,
    fetch,
    give_back,
    held,
    hold,
    names_at,
    newcomer,
    redeem,
    run_out,
    serve,
    state_of,
)
from tests.support.stage import PATIENT, Stage, make_stage, ok, problem

NOON = at(a_day(), 12)
HOUR = timedelta(hours=1)


async def test_a_hold_keeps_one_provider_s_time_for_some_minutes(api: Any, engine: AsyncEngine) -> None:
    stage = await make_stage(api, engine, Policy(hold_minutes=7))
    answer = await hold(stage.as_("customer"), stage, NOON)
    kept = ok(answer, 201)
    assert answer.headers["Location"] == f"/v1/holds/{kept['id']}"
    assert kept["provider_id"] == str(stage.tenant.providers["ana"])
    assert (kept["status"], kept["booking_id"]) == ("held", None)
    assert datetime.fromisoformat(kept["starts_at"]) == NOON
    assert datetime.fromisoformat(kept["ends_at"]) == NOON + HOUR
    lasts = datetime.fromisoformat(kept["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=6) < lasts <= timedelta(minutes=7)
    assert ok(await stage.as_("customer").get(f"/v1/holds/{kept['id']}")) == kept
    for minutes, names in (
        (-60, ["ana", "ben"]),
        (-45, ["ben"]),
        (0, ["ben"]),
        (45, ["ben"]),
        (60, ["ana", "ben"]),
    ):
        assert await names_at(stage, NOON + timedelta(minutes=minutes)) == names
    named: dict[str, Any] = {"starts_at": NOON, "provider_id": stage.tenant.providers["ana"]}
    problem(await stage.as_("customer").book(stage.tenant, **named), 409, "slot_unavailable")
    assert (
        ok(await (await newcomer(stage)).book(stage.tenant, starts_at=NOON), 201)["provider_id"]
        != kept["provider_id"]
    )
    problem(await hold(await newcomer(stage), stage, NOON), 409, "slot_unavailable")


async def test_a_hold_becomes_the_booking_with_its_provider_and_its_reservation_once(stage: Stage) -> None:
    kept = await held(stage, NOON, provider_id=stage.tenant.providers["ben"])
    booking = ok(await redeem(stage, kept, key="one"), 201)
    assert booking["provider_id"] == kept["provider_id"]
    rows = await fetch(
        stage, "SELECT id, booking_id, expires_at FROM reservations WHERE business_id = :business_id"
    )
    assert rows == [(UUID(kept["id"]), UUID(booking["id"]), None)]
    assert await state_of(stage, kept) == ("booked", booking["id"])
    assert (await stage.next(booking))["choice"]["because"] == "asked for by name"
    for body in ({}, {"provider_id": kept["provider_id"]}):
        problem(await redeem(stage, kept, **body), 409, "hold_expired")
    again = await redeem(stage, kept, key="one")
    assert (again.status_code, again.json()) == (201, booking)
    problem(await redeem(stage, kept, key="one", notes="other"), 422, "idempotency_key_reused")
    assert (await give_back(stage, kept)).status_code == 204
    assert await state_of(stage, kept) == ("booked", booking["id"])
    assert await names_at(stage, NOON) == ["ana"]
    assert await stage.count("bookings") == 1


async def test_only_its_holder_sees_redeems_and_releases_a_hold(stage: Stage) -> None:
    kept = await held(stage, NOON)
    path = f"/v1/holds/{kept['id']}"
    for caller in (await newcomer(stage), stage.as_("owner"), stage.as_("ana")):
        problem(await caller.get(path), 404, "not_found")
        problem(await caller.send("DELETE", path), 404, "not_found")
        body: dict[str, Any] = {"starts_at": NOON, "hold_id": kept["id"], "customer": {"name": "Casey"}}
        problem(await caller.book(stage.tenant, **body), 404, "not_found")
    for answer in (
        await stage.api.get(path),
        await stage.api.send("DELETE", path),
        await hold(stage.api, stage, NOON),
    ):
        problem(answer, 401, "unauthenticated")
    assert await state_of(stage, kept) == ("held", None)
    problem(await redeem(stage, kept | {"id": str(uuid4())}), 404, "not_found")


async def test_a_hold_is_for_its_own_service_time_and_provider_only(stage: Stage) -> None:
    await add_service(stage, "paint")
    elsewhere = await make_stage(stage.api, stage.engine, Policy())
    elsewhere.tenant.principals["customer"] = stage.tenant.principals["customer"]
    kept = await held(stage, NOON)
    for other in (
        {"service_id": "paint"},
        {"starts_at": NOON + timedelta(minutes=15)},
        {"provider_id": stage.tenant.providers["ben"]},
    ):
        problem(await redeem(stage, kept, **other), 422, "invalid_request")
    problem(await redeem(elsewhere, kept), 422, "invalid_request")
    assert await state_of(stage, kept) == ("held", None)
    ok(await redeem(stage, kept, provider_id=stage.tenant.providers["ana"]), 201)


async def test_a_service_that_takes_longer_by_now_does_not_fit_into_the_hold(stage: Stage) -> None:
    kept = await held(stage, NOON)
    await stage.change(Service, duration_minutes=90)
    problem(await redeem(stage, kept), 409, "hold_expired")
    await stage.change(Service, duration_minutes=60)
    ok(await redeem(stage, kept), 201)


async def test_a_hold_is_good_for_what_has_changed_meanwhile_around_it(stage: Stage) -> None:
    kept = await held(stage, NOON)
    await stage.change(Service, min_notice_minutes=60 * 24 * 30)
    await stage.change(Provider, available=False)
    ok(await redeem(stage, kept), 201)
    other = await make_stage(stage.api, stage.engine, Policy())
    kept = await held(other, NOON)
    await other.change(Business, status="suspended")
    problem(await redeem(other, kept), 422, "invalid_request")


async def test_a_hold_that_ran_out_is_free_at_once_and_cannot_be_redeemed(stage: Stage) -> None:
    ana = stage.tenant.providers["ana"]
    kept, lost, gone = [await held(stage, NOON + n * HOUR, provider_id=ana) for n in (0, 2, 4)]
    for ended in (kept, lost, gone):
        await run_out(stage, ended)
        assert await names_at(stage, datetime.fromisoformat(ended["starts_at"])) == ["ana", "ben"]
        assert await state_of(stage, ended) == ("expired", None)
    problem(await redeem(stage, kept), 409, "hold_expired")
    rival = await newcomer(stage)
    ok(await rival.book(stage.tenant, starts_at=NOON + 2 * HOUR + timedelta(minutes=30), provider_id=ana), 201)
    problem(await redeem(stage, lost), 409, "hold_expired")
    ok(await hold(rival, stage, NOON + 4 * HOUR, provider_id=ana), 201)
    problem(await redeem(stage, gone), 409, "hold_expired")
    assert (await give_back(stage, gone)).status_code == 204
    assert await names_at(stage, NOON + 4 * HOUR) == ["ben"]
    assert await stage.count("bookings") == 1


async def test_a_hold_that_is_given_back_is_free_at_once_however_often(stage: Stage) -> None:
    kept = await held(stage, NOON)
    for _ in range(2):
        answer = await give_back(stage, kept)
        assert (answer.status_code, answer.content) == (204, b"")
    assert await names_at(stage, NOON) == ["ana", "ben"]
    assert [await stage.count(table) for table in ("holds", "reservations")] == [0, 0]
    problem(await redeem(stage, kept), 404, "not_found")
    assert (await give_back(stage, {"id": uuid4()})).status_code == 204


async def test_the_same_key_gets_the_same_answer_byte_for_byte(stage: Stage) -> None:
    customer = stage.as_("customer")
    answers = await asyncio.gather(*(hold(customer, stage, NOON, key="k") for _ in range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await stage.count("holds") == 1
    problem(await hold(customer, stage, NOON + HOUR, key="k"), 422, "idempotency_key_reused")
    await run_out(stage, answers[0].json())
    ok(await (await newcomer(stage)).book(stage.tenant, starts_at=NOON), 201)
    assert (await hold(customer, stage, NOON, key="k")).content == answers[0].content
    assert (await hold(await newcomer(stage), stage, NOON, key="k")).content != answers[0].content


async def test_the_purge_deletes_what_ran_out_and_nothing_else(stage: Stage) -> None:
    live, ended, old, booked = [await held(stage, NOON + n * HOUR) for n in range(4)]
    ok(await redeem(stage, booked), 201)
    await run_out(stage, ended)
    await run_out(stage, old, in_seconds=-3600)

    async def tidy() -> None:
        async with autocommit(stage.engine) as conn:
            await maintenance.purge_holds(conn, kept_since=datetime.now(UTC) - timedelta(minutes=30))

    await tidy()
    await tidy()
    reservations = await fetch(stage, "SELECT id FROM reservations WHERE business_id = :business_id")
    assert {str(row[0]) for row in reservations} == {live["id"], booked["id"]}
    assert await state_of(stage, live) == ("held", None)
    assert await state_of(stage, ended) == ("expired", None)
    problem(await stage.as_("customer").get(f"/v1/holds/{old['id']}"), 404, "not_found")
    problem(await redeem(stage, ended), 409, "hold_expired")
    ok(await redeem(stage, live), 201)


async def test_what_cannot_be_booked_cannot_be_held(stage: Stage) -> None:
    customer = stage.as_("customer")
    refused: list[tuple[dict[str, Any], int, str]] = [
        ({"service_id": "massage"}, 404, "not_found"),
        ({"business_id": "no-such"}, 404, "not_found"),
        ({"provider_id": new_id()}, 422, "provider_unfit"),
        ({"provider_id": "ana"}, 422, "invalid_request"),
        ({"starts_at": NOON + timedelta(minutes=7)}, 409, "slot_unavailable"),
        ({"starts_at": NOON + timedelta(microseconds=1)}, 409, "slot_unavailable"),
        ({"starts_at": future(-2)}, 422, "invalid_request"),
        ({"starts_at": NOON.replace(tzinfo=None)}, 422, "invalid_request"),
        ({"starts_at": "9999-12-31T00:00:00Z"}, 422, "invalid_request"),
        ({"postal_code": "1" * 21}, 422, "invalid_request"),
        ({"minutes": 600}, 422, "invalid_request"),
    ]
    for body, status, code in refused:
        problem(await hold(customer, stage, **{"starts_at": NOON} | body), status, code)
    problem(await customer.get("/v1/holds/one"), 422, "invalid_request")
    patient = await make_stage(stage.api, stage.engine, PATIENT)
    problem(await hold(patient.as_("customer"), patient, NOON), 422, "invalid_request")
    assert await stage.count("holds") == 0


async def test_a_page_that_is_loaded_again_holds_no_second_provider(stage: Stage) -> None:
    first = await held(stage, NOON)
    again = await held(stage, NOON)
    assert again["id"] == first["id"]
    other = next(id_ for id_ in stage.tenant.providers.values() if str(id_) != first["provider_id"])
    problem(await hold(stage.as_("customer"), stage, NOON, provider_id=other), 409, "too_many_holds")
    assert await stage.count("holds") == 1


async def test_a_hold_does_not_get_round_the_service_area(stage: Stage) -> None:
    await serve(stage, ("exact", "10001", None))
    kept = await held(stage, NOON, postal_code="10001")
    for code in ("90210", None):
        address = {"line1": "1 Road", "city": "Town", "country": "US"} | ({"postal_code": code} if code else {})
        answer = await redeem(stage, kept, address=address)
        problem(answer, 422, "outside_service_area")


async def test_a_hold_lasts_as_the_service_was_when_it_was_made(stage: Stage) -> None:
    kept = await held(stage, NOON)
    await stage.change(Service, buffer_after_minutes=60)
    problem(await redeem(stage, kept), 409, "hold_expired")


async def test_a_hold_keeps_the_price_and_the_cancellation_terms_of_its_moment(stage: Stage) -> None:
    kept = await held(stage, NOON)
    assert kept["price"] == {"amount_minor": 129_00, "currency": "USD"}
    dearer = Cancellation(window_minutes=60 * 24 * 60, fee_percent=100)
    await stage.change(Service, price_minor=597_00)
    await stage.change(Business, policy=Policy(cancellation=dearer).model_dump(mode="json"))
    assert ok(await stage.as_("customer").get(f"/v1/holds/{kept['id']}"))["price"] == kept["price"]
    booking = ok(await redeem(stage, kept), 201)
    assert booking["price"] == kept["price"]
    assert (await stage.next(booking))["cancellation"]["fee"]["amount_minor"] == 0
    present = ok(await (await newcomer(stage)).book(stage.tenant, starts_at=NOON), 201)
    assert present["price"]["amount_minor"] == 597_00
    assert (await stage.next(present))["cancellation"]["fee"]["amount_minor"] == 597_00


async def test_a_hold_of_an_earlier_version_is_redeemed_at_the_present_price(stage: Stage) -> None:
    kept = await held(stage, NOON)
    await execute(stage, "UPDATE holds SET promise = NULL WHERE id = :id", id=UUID(kept["id"]))
    await stage.change(Service, price_minor=597_00)
    assert ok(await stage.as_("customer").get(f"/v1/holds/{kept['id']}"))["price"] is None
    assert ok(await redeem(stage, kept), 201)["price"]["amount_minor"] == 597_00


async def test_a_hold_ends_when_its_provider_is_not_there_any_more(stage: Stage) -> None:
    ana = stage.tenant.providers["ana"]
    kept, free = [await held(stage, NOON + n * HOUR, provider_id=ana) for n in (0, 2)]
    away = {"starts_at": (NOON - HOUR).isoformat(), "ends_at": (NOON + HOUR).isoformat()}
    path = f"/v1/businesses/{stage.tenant.slug}/providers/ana/time-off"
    off = ok(await stage.as_("ana").post(path, away), 201)
    problem(await redeem(stage, kept), 409, "hold_expired")
    ok(await redeem(stage, free), 201)
    assert (await stage.as_("ana").send("DELETE", f"{path}/{off['id']}")).status_code == 204
    ok(await redeem(stage, kept), 201)


async def test_a_hold_ends_when_the_business_closes_at_its_time(stage: Stage) -> None:
    kept = await held(stage, NOON)
    await execute(stage, "UPDATE weekly_hours SET closes_minute = 60 WHERE business_id = :business_id")
    problem(await redeem(stage, kept), 409, "hold_expired")


async def test_a_booking_at_another_price_than_expected_is_refused_with_the_present_one(stage: Stage) -> None:
    expected = {"amount_minor": 129_00, "currency": "USD"}
    kept = await held(stage, NOON)
    customer = stage.as_("customer")
    first = await customer.book(stage.tenant, key="once", starts_at=NOON + 2 * HOUR, expected_price=expected)
    assert ok(first, 201)["price"] == expected
    await stage.change(Service, price_minor=597_00)
    refused = problem(
        await customer.book(stage.tenant, starts_at=NOON + 4 * HOUR, expected_price=expected), 409, "price_changed"
    )
    assert refused["price"] == {"amount_minor": 597_00, "currency": "USD"}
    again = await customer.book(stage.tenant, key="once", starts_at=NOON + 2 * HOUR, expected_price=expected)
    assert again.json() == first.json()
    held_at = problem(await redeem(stage, kept, expected_price=refused["price"]), 409, "price_changed")
    assert held_at["price"] == expected
    ok(await redeem(stage, kept, expected_price=expected), 201)
    euros = {"amount_minor": 597_00, "currency": "EUR"}
    problem(
        await customer.book(stage.tenant, starts_at=NOON + 4 * HOUR, expected_price=euros), 409, "price_changed"
    )
    assert await stage.count("bookings") == 2
