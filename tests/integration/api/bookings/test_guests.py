"""Booking without an account: the manage link, and what strangers cannot learn or change."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from db.models import Business, Customer
from domain.assignment import AssignmentStrategy
from domain.callers import Scope
from domain.policies import Policy
from runtime.ids import new_id
from tests.support.api_client import ApiClient
from tests.support.api_keys import key_holder
from tests.support.factories import make_tenant
from tests.support.schedules import fetch
from tests.support.stage import Json, Stage, make_stage, ok, problem

ROBIN: Json = {"name": "Robin Roe", "email": "robin@example.com"}


async def book(stage: Stage, *, by: ApiClient | None = None, **body: Any) -> httpx.Response:
    """A request of a guest's, or of somebody else's who names Robin."""
    defaults: Json = {"starts_at": stage.next_start(), "customer": ROBIN}
    return await (by or stage.api).book(stage.tenant, **defaults | body)


def by_link(stage: Stage, booking: Json) -> ApiClient:
    """Whoever has the booking's link."""
    return stage.api.with_token(booking["manage"]["token"])


async def customer_of(stage: Stage, booking: Json) -> tuple[Any, ...]:
    """The customer behind a booking, as stored: name, e-mail, phone, opted in, whether there is an account, id."""
    query = """
    SELECT c.name, c.email, c.phone, c.sms_opt_in, c.user_id IS NOT NULL, c.id
    FROM bookings b JOIN customers c ON c.id = b.customer_id WHERE b.id = :id AND b.business_id = :business_id"""
    [found] = await fetch(stage, query, id=booking["id"])
    return found


async def lines(stage: Stage, action: str) -> list[tuple[Any, ...]]:
    """What the audit log says about it."""
    query = """
    SELECT actor_kind, outcome, code, object_id FROM audit_log
    WHERE business_id = :business_id AND action = :action ORDER BY id"""
    return await fetch(stage, query, action=action)


async def test_a_guest_is_given_a_link_that_opens_exactly_that_booking(stage: Stage) -> None:
    answer = await book(stage)
    booking, other = ok(answer, 201), ok(await book(stage), 201)
    assert booking["customer_id"] is None
    expires_at = datetime.fromisoformat(booking["manage"]["expires_at"])
    assert expires_at == datetime.fromisoformat(booking["ends_at"]) + timedelta(days=7)
    guest, path = by_link(stage, booking), f"/v1/bookings/{booking['id']}"
    await stage.settled(booking, "assigned")
    seen = ok(await guest.get(path))
    assert (seen["id"], seen["customer_id"], seen["manage"]) == (booking["id"], None, booking["manage"])
    assert [step["actor"] for step in ok(await guest.get(f"{path}/history"))["items"]] == [
        {"role": "customer", "id": None},
        {"role": "system", "id": None},
    ]
    assert ok(await guest.get(f"{path}/next"))["choice"] is None
    listed = ok(await guest.get("/v1/bookings"))
    assert listed["next_cursor"] is None
    assert [(item["id"], item["customer_id"]) for item in listed["items"]] == [(booking["id"], None)]

    for part in ("", "/history", "/next"):
        hidden = problem(await guest.get(f"/v1/bookings/{other['id']}{part}"), 404, "not_found")
        assert hidden["title"] == problem(await guest.get(f"/v1/bookings/{new_id()}"), 404, "not_found")["title"]
    problem(await guest.command(other["id"], "cancel"), 404, "not_found")
    for command in ("accept", "start", "complete"):
        problem(await guest.command(booking["id"], command), 403, "forbidden")
    for forbidden in (
        await book(stage, by=guest),
        await guest.get("/v1/holds/" + str(new_id())),
        await guest.get("/v1/businesses"),
        await guest.get(f"/v1/businesses/{stage.tenant.slug}/customers"),
    ):
        problem(forbidden, 403, "forbidden")
    assert await lines(stage, "createBooking") == [
        ("anonymous", "done", None, booking["id"]),
        ("anonymous", "done", None, other["id"]),
    ]
    assert await lines(stage, "getBooking") == [("guest", "denied", "not_found", other["id"])]


async def test_a_guest_moves_and_cancels_by_the_link_and_a_move_gives_a_fresh_one(stage: Stage) -> None:
    booking = ok(await book(stage), 201)
    guest, version = by_link(stage, booking), (await stage.settled(booking, "assigned"))["version"]
    path, target = f"/v1/bookings/{booking['id']}/reschedule", stage.next_start() + timedelta(days=30)
    headers = {"Idempotency-Key": str(uuid4()), "If-Match": f'"{version}"'}
    answer = await guest.post(path, {"starts_at": target.isoformat()}, **headers)
    moved = ok(answer)
    assert moved["customer_id"] is None
    assert moved["manage"]["expires_at"] > booking["manage"]["expires_at"]
    assert (await guest.post(path, {"starts_at": target.isoformat()}, **headers)).content == answer.content
    assert ok(await by_link(stage, moved).command(booking["id"], "cancel"))["status"] == "cancelled"
    assert [step["actor"] for step in await stage.history(booking)][-2:] == [{"role": "customer", "id": None}] * 2
    assert await lines(stage, "rescheduleBooking") == [("guest", "done", None, booking["id"])]


async def test_a_guest_who_asks_again_gets_the_same_bytes_link_and_all(stage: Stage) -> None:
    key, starts_at = str(uuid4()), stage.next_start()
    answers = await asyncio.gather(*(book(stage, key=key, starts_at=starts_at) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    [body] = {answer.content for answer in answers}
    await stage.override(answers[0].json(), "completed")
    await stage.change(Business, status="suspended")
    assert (await book(stage, key=key, starts_at=starts_at)).content == body
    problem(await book(stage, key=key, starts_at=starts_at, notes="x"), 422, "idempotency_key_reused")
    [(stored,)] = await fetch(stage, "SELECT response FROM idempotency_keys WHERE business_id = :business_id")
    assert answers[0].json()["manage"]["token"] not in stored
    assert len(await lines(stage, "createBooking")) == 1


@pytest.mark.parametrize("contact", [None, {"name": "Robin Roe"}])
async def test_a_guest_says_how_to_be_reached(stage: Stage, contact: Json | None) -> None:
    found = problem(await book(stage, customer=contact), 422, "invalid_request")
    assert [error["pointer"] for error in found["errors"]] == ["/body/customer"]
    assert await stage.count("bookings") == 0


async def test_a_guest_s_key_is_hard_to_guess(stage: Stage) -> None:
    found = problem(await book(stage, key="k" * 19), 422, "invalid_request")
    assert [error["pointer"] for error in found["errors"]] == ["/header/Idempotency-Key"]
    ok(await book(stage, key="k" * 20), 201)


async def test_where_guests_may_not_book_one_logs_in(stage: Stage) -> None:
    await stage.change(Business, guest_bookings=False)
    refused = problem(await book(stage), 401, "unauthenticated")
    assert "log in" in refused["detail"]
    ok(await book(stage, by=stage.as_("customer")), 201)
    ok(await book(stage, by=await key_holder(stage, Scope.BOOK)), 201)
    assert ("anonymous", "denied", "unauthenticated", None) in await lines(stage, "createBooking")


async def test_a_stranger_changes_nobody_who_is_there(stage: Stage) -> None:
    for customer in ({"email": ROBIN["email"]}, {"email": None, "phone": "+12125550100"}):
        ok(await book(stage, by=stage.as_("owner"), customer={"name": "Robin"} | customer), 201)
    before = await fetch(stage, "SELECT * FROM customers WHERE business_id = :business_id ORDER BY id")
    full = ROBIN | {"phone": "+12125550199", "sms_opt_in": True}
    by_phone = {"name": "R.", "email": "new@example.com", "phone": "+12125550100", "sms_opt_in": True}
    manager = await key_holder(stage, Scope.BOOK, Scope.MANAGE_BOOKINGS, Scope.MANAGE_BUSINESS)
    for by in (stage.api, await key_holder(stage, Scope.BOOK), manager, stage.as_("ana")):
        for contact in (full, by_phone):
            ok(await book(stage, by=by, customer=contact), 201)
    assert await fetch(stage, "SELECT * FROM customers WHERE business_id = :business_id ORDER BY id") == before
    assert await stage.count("consents") == 0

    made = ok(await book(stage, customer=full | {"email": "sam@example.com", "phone": "+12125550177"}), 201)
    assert (await customer_of(stage, made))[1:4] == ("sam@example.com", "+12125550177", True)
    trusted = await key_holder(stage, Scope.BOOK, Scope.MANAGE_CUSTOMERS)
    known = ok(await book(stage, by=trusted, customer=full), 201)
    assert (await customer_of(stage, known))[1:4] == (ROBIN["email"], "+12125550199", True)


async def test_a_stranger_puts_nothing_into_somebody_s_account(stage: Stage) -> None:
    await stage.change(Customer, email=ROBIN["email"], phone="+12125550100")
    booking = ok(await book(stage, customer=ROBIN | {"phone": "+12125550100"}), 201)
    name, email, phone, _, has_account, customer_id = await customer_of(stage, booking)
    assert (name, email, phone, has_account) == ("Robin Roe", None, "+12125550100", False)
    assert customer_id != stage.tenant.customer_id
    assert ok(await stage.as_("customer").get("/v1/bookings"))["items"] == []


async def test_a_provider_who_books_for_somebody_puts_nothing_into_their_account(stage: Stage) -> None:
    await stage.change(Customer, email=ROBIN["email"], phone="+12125550100")
    booking = ok(await book(stage, by=stage.as_("ana"), key="short", customer=ROBIN), 201)
    assert (await customer_of(stage, booking))[4:] != (True, stage.tenant.customer_id)
    assert ok(await stage.as_("customer").get("/v1/bookings"))["items"] == []


async def test_a_stranger_is_not_told_who_served_the_customer_last(api: ApiClient, stage: Stage) -> None:
    policy = Policy(assignment=AssignmentStrategy.PREFERRED_FIRST)
    loyal = await make_stage(api, stage.engine, policy)
    owner, ben = loyal.as_("owner"), loyal.tenant.providers["ben"]
    await loyal.override(ok(await book(loyal, by=owner, provider_id=ben), 201), "completed")
    assert ok(await book(loyal, by=owner), 201)["provider_id"] == str(ben)
    for by in (None, loyal.as_("ana")):
        assert ok(await book(loyal, by=by), 201)["provider_id"] == str(loyal.tenant.providers["ana"])


async def test_an_api_key_books_for_whom_it_names_and_gets_the_link(stage: Stage) -> None:
    widget = await key_holder(stage, Scope.BOOK)
    problem(await book(stage, by=widget, key="1"), 422, "invalid_request")  # all visitors of a page share the key
    booking = ok(await book(stage, by=widget, customer={"name": "Walk In"}), 201)
    assert booking["customer_id"] is None
    assert ok(await by_link(stage, booking).get(f"/v1/bookings/{booking['id']}"))["id"] == booking["id"]
    named = problem(await book(stage, by=widget, customer=None), 422, "invalid_request")
    assert [error["pointer"] for error in named["errors"]] == ["/body/customer"]
    for path in ("/v1/bookings", f"/v1/bookings/{booking['id']}"):
        problem(await widget.get(path), 403, "forbidden")
    problem(await widget.command(booking["id"], "cancel"), 403, "forbidden")
    other = Stage(stage.api, stage.engine, await make_tenant(stage.engine))
    problem(await book(other, by=widget), 403, "forbidden")
    assert ("api_key", "denied", "forbidden", None) in await lines(other, "createBooking")


async def test_an_api_key_acts_as_an_owner_within_its_scopes_and_its_business(stage: Stage) -> None:
    server = await key_holder(stage, Scope.BOOK, Scope.READ_BOOKINGS, Scope.MANAGE_BOOKINGS)
    booking = ok(await book(stage, by=server), 201)
    assert booking["customer_id"] is not None
    assert [item["id"] for item in ok(await server.get("/v1/bookings"))["items"]] == [booking["id"]]
    await stage.settled(booking, "assigned")
    accepted = ok(await server.command(booking["id"], "accept"))
    assert (accepted["status"], accepted["manage"]) == ("accepted", None)
    assert (await stage.history(booking))[-1]["actor"]["role"] == "owner"
    problem(await server.command(booking["id"], "override", status="pending", reason="x"), 403, "forbidden")
    other = Stage(stage.api, stage.engine, await make_tenant(stage.engine))
    foreign = ok(await book(other), 201)
    problem(await server.get(f"/v1/bookings/{foreign['id']}"), 404, "not_found")
    problem(await server.command(foreign["id"], "cancel"), 404, "not_found")
    assert await lines(other, "getBooking") == [("api_key", "denied", "not_found", foreign["id"])]


async def test_a_user_is_given_no_link_and_a_hold_is_for_users(stage: Stage) -> None:
    assert (await stage.book())["manage"] is None
    problem(await book(stage, hold_id=new_id()), 404, "not_found")
