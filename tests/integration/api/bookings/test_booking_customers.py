"""The customer of a booking: staff name one, everybody else books for themselves."""

from typing import Any

import pytest
from sqlalchemy import text

from domain.callers import Principal
from tests.support.factories import make_tenant
from tests.support.stage import Json, Stage, ok


async def book_for(stage: Stage, contact: Json, *, by: str = "owner") -> Json:
    """A booking that somebody of the business makes for a customer."""
    response = await stage.as_(by).book(stage.tenant, starts_at=stage.next_start(), customer=contact)
    return ok(response, 201)


async def customer(stage: Stage, booking: Json) -> Json:
    """The customer of a booking, as stored."""
    query = text("SELECT name, email, phone, sms_opt_in, user_id FROM customers WHERE id = :id")
    async with stage.engine.connect() as conn:
        return dict((await conn.execute(query, {"id": booking["customer_id"]})).mappings().one())


@pytest.mark.parametrize("by", ["ana", "owner", "admin"])
async def test_staff_book_for_somebody_they_name(stage: Stage, by: str) -> None:
    contact = {"name": "Robin Roe", "email": "robin@example.com", "phone": "+12125550100", "sms_opt_in": True}
    booking = await book_for(stage, contact, by=by)
    assert await customer(stage, booking) == contact | {"user_id": None}


async def test_an_owner_whose_token_is_older_than_the_role_books_for_the_customer_too(stage: Stage) -> None:
    before = stage.api.as_(Principal(user_id=stage.tenant.principals["owner"].user_id))
    contact = {"name": "Robin Roe", "email": "robin@example.com"}
    made = ok(await before.book(stage.tenant, starts_at=stage.next_start(), customer=contact), 201)
    assert await customer(stage, made) == contact | {"phone": None, "sms_opt_in": False, "user_id": None}


async def test_one_address_is_one_customer_however_it_is_spelt(stage: Stage) -> None:
    first = await book_for(stage, {"name": "Robin Roe", "email": "Robin@Example.com"})
    second = await book_for(stage, {"name": "Somebody Else", "email": "robin@example.COM"})
    assert first["customer_id"] == second["customer_id"]
    assert (await customer(stage, first))["name"] == "Robin Roe"


async def test_without_an_address_every_booking_has_a_customer_of_its_own(stage: Stage) -> None:
    bookings = [await book_for(stage, {"name": "Walk In"}) for _ in range(2)]
    assert bookings[0]["customer_id"] != bookings[1]["customer_id"]


async def test_a_booking_finds_a_customer_again_by_phone_and_fills_in_the_address(stage: Stage) -> None:
    first = await book_for(stage, {"name": "Robin Roe", "phone": "+12125550100"})
    second = await book_for(stage, {"name": "R. Roe", "phone": "+1 212 555 0100", "email": "robin@example.com"})
    assert first["customer_id"] == second["customer_id"]
    stored = await customer(stage, first)
    assert (stored["name"], stored["email"]) == ("Robin Roe", "robin@example.com")


@pytest.mark.parametrize("by", ["owner", "customer"])
async def test_a_booking_that_opts_in_to_messages_leaves_one_consent(stage: Stage, by: str) -> None:
    contact = {"name": "Robin Roe", "email": "robin@example.com", "phone": "+12125550100"}
    for opted in (False, True, True, False):
        booking = await book_for(stage, contact | {"sms_opt_in": opted}, by=by)
    assert (await customer(stage, booking))["sms_opt_in"], "what is not said takes nothing back"
    query = text("SELECT purpose, granted, source, text FROM consents WHERE customer_id = :id")
    async with stage.engine.connect() as conn:
        found = (await conn.execute(query, {"id": booking["customer_id"]})).all()
    assert found == [("sms", True, "booking", "")]


async def test_the_same_person_with_another_business_is_another_customer(stage: Stage) -> None:
    contact = {"name": "Robin Roe", "email": "robin@example.com"}
    other = Stage(stage.api, stage.engine, await make_tenant(stage.engine))
    here, there = await book_for(stage, contact), await book_for(other, contact)
    assert here["customer_id"] != there["customer_id"]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("+1 (212) 555-0100", "+12125550100"),
        ("+44 20 7946 0958", "+442079460958"),
        ("+81-3-1234-5678", "+81312345678"),
    ],
)
async def test_phone_numbers_are_stored_in_e164(stage: Stage, given: str, stored: str) -> None:
    booking = await book_for(stage, {"name": "Robin Roe", "phone": given})
    assert (await customer(stage, booking))["phone"] == stored


async def test_a_customer_s_own_contact_data_fill_in_what_the_account_lacks(stage: Stage) -> None:
    contact: dict[str, Any] = {"name": "Casey C.", "email": "else@example.com", "phone": "+12125550199"}
    booking = await stage.book(customer=contact)
    stored = await customer(stage, booking)
    assert booking["customer_id"] == str(stage.tenant.customer_id)
    assert (stored["name"], stored["phone"]) == ("Casey C.", "+12125550199")
    assert stored["email"] is None, "an address that nobody proved to be theirs joins no account"


async def test_staff_of_another_business_book_as_customers_like_everybody(stage: Stage) -> None:
    other = await make_tenant(stage.engine)
    outsider = stage.api.as_(other.principals["admin"])
    booking = ok(await outsider.book(stage.tenant, starts_at=stage.next_start()), 201)
    assert (await customer(stage, booking))["user_id"] == other.principals["admin"].user_id
    history = await stage.history(booking)
    assert history[0]["actor"] == {"role": "customer", "id": str(other.principals["admin"].user_id)}
