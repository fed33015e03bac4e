"""A booking's contact data is used for that booking and changes no customer record."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from dev.vendors.mail_server import MailServer
from domain.effects import Vendor
from domain.messages import MessageState
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.businesses.messages import PHONE, MessagingBusiness
from tests.support.simulator import Simulator
from tests.support.stage import Json, Stage, make_stage, ok, patch, until

ROBIN: Json = {"name": "Robin Roe", "email": "robin@example.com"}


@pytest.fixture
async def stage(api: ApiClient, engine: AsyncEngine) -> Stage:
    return await make_stage(api, engine)


@pytest.fixture
async def business(stage: Stage, settings: Settings, vendors: Simulator) -> AsyncIterator[MessagingBusiness]:
    """The business's mail server and its account for texts."""
    server = vendors.vendor(Vendor.SMTP)
    assert isinstance(server, MailServer)
    async with server.listening() as port:
        business = MessagingBusiness.of(stage.engine, settings, vendors, stage.tenant, port)
        await business.connect_mail()
        await business.connect_texts()
        yield business


async def booked(stage: Stage, *, by: ApiClient | None = None, **customer: Any) -> Json:
    """A booking, once it is accepted and everybody was told."""
    body: Json = {"starts_at": stage.next_start(), "customer": customer}
    booking = ok(await (by or stage.api).book(stage.tenant, **body), 201)
    await stage.settled(booking, "assigned")
    ok(await stage.as_("owner").command(booking["id"], "accept"))
    path = f"/v1/bookings/{booking['id']}/messages"
    await until(lambda: stage.as_("owner").get(path), _are_over)
    return booking


def _are_over(seen: Json) -> bool:
    channels = [one["channel"] for one in seen["items"] if one["kind"] == "confirmed"]
    return sorted(channels) == ["email", "sms"] and all(
        one["state"] != MessageState.QUEUED for one in seen["items"]
    )


async def customers(business: MessagingBusiness) -> list[Any]:
    return await business.rows("SELECT * FROM customers WHERE business_id = :id ORDER BY id")


def written_to(business: MessagingBusiness) -> set[str]:
    """The addresses of everybody but the business's own people."""
    return {to for mail in business.mails() for to in mail.to if not to.endswith("@users.example")}


async def contact_of(business: MessagingBusiness, booking: Json) -> Any:
    [found] = await business.rows(
        f"SELECT contact FROM bookings WHERE business_id = :id AND id = '{booking['id']}'"
    )
    return found["contact"]


async def test_a_guest_known_by_phone_gets_e_mails_where_they_say_now(
    stage: Stage, business: MessagingBusiness
) -> None:
    ok(
        await stage.as_("owner").book(
            stage.tenant, starts_at=stage.next_start(), customer={"name": "R", "phone": PHONE}
        ),
        201,
    )
    before = await customers(business)
    booking = await booked(stage, name="R", phone=PHONE, email=ROBIN["email"])
    assert written_to(business) == {ROBIN["email"]}
    assert await contact_of(business, booking) == {"email": ROBIN["email"]}
    assert await customers(business) == before


async def test_a_guest_known_by_e_mail_gets_texts_where_they_agreed_to_them_now(
    stage: Stage, business: MessagingBusiness
) -> None:
    ok(await stage.as_("owner").book(stage.tenant, starts_at=stage.next_start(), customer=ROBIN), 201)
    before = await customers(business)
    booking = await booked(stage, **ROBIN, phone=PHONE, sms_opt_in=True)
    assert [to for to, _ in business.texts()] == [PHONE]
    assert await contact_of(business, booking) == {"phone": PHONE, "sms_opt_in": True}
    assert await customers(business) == before
    assert await business.rows("SELECT * FROM consents WHERE business_id = :id") == []
    await booked(stage, **ROBIN)
    assert len(business.texts()) == 1, "it is that booking's alone"


async def test_who_gives_another_name_is_greeted_by_it_and_in_their_language(
    stage: Stage, business: MessagingBusiness
) -> None:
    ok(await stage.as_("owner").book(stage.tenant, starts_at=stage.next_start(), customer=ROBIN), 201)
    before = await customers(business)
    for by in (stage.api, stage.as_("owner")):
        await booked(stage, by=by, **ROBIN | {"name": "Alex Roe", "timezone": "Asia/Tokyo"})
        last = [mail.message for mail in business.mails() if mail.to == [ROBIN["email"]]][-1]
        assert str(last["To"]) == "Alex Roe <robin@example.com>"
        assert "Hello Alex Roe," in str(last.get_body(("plain",)))
        assert "(JST)" in str(last.get_body(("plain",)))
        if by is stage.api:
            assert await customers(business) == before


async def test_an_address_that_is_an_account_s_is_written_to_all_the_same(
    stage: Stage, business: MessagingBusiness
) -> None:
    await business.change_customer(email=ROBIN["email"])
    await booked(stage, **ROBIN)
    assert written_to(business) == {ROBIN["email"]}


async def test_a_user_who_gives_another_address_is_written_to_there(
    stage: Stage, business: MessagingBusiness
) -> None:
    booking = await booked(stage, by=stage.as_("customer"), **ROBIN)
    assert written_to(business) == {ROBIN["email"]}
    assert await contact_of(business, booking) == {"email": ROBIN["email"]}


async def test_who_corrects_the_record_corrects_it_for_its_bookings(
    stage: Stage, business: MessagingBusiness
) -> None:
    booking = await booked(stage, name="Robin Roe", email="robbin@example.com")
    assert await contact_of(business, booking) is None
    owner, [robin] = (
        stage.as_("owner"),
        [one for one in await customers(business) if one["email"] == "robbin@example.com"],
    )
    path = f"/v1/businesses/{stage.tenant.slug}/customers/{robin['id']}"
    tag = (await owner.get(path)).headers["ETag"]
    ok(await patch(owner, path, {"email": ROBIN["email"]}, **{"If-Match": tag}))
    ok(await owner.command(booking["id"], "cancel"))
    messages = f"/v1/bookings/{booking['id']}/messages"
    await until(
        lambda: owner.get(messages),
        lambda seen: any(one["kind"] == "cancelled" and one["state"] == "sent" for one in seen["items"]),
    )
    assert ROBIN["email"] in [to for mail in business.mails() for to in mail.to]


async def test_who_stops_texts_to_a_number_of_one_booking_speaks_for_nobody_else(
    stage: Stage, business: MessagingBusiness
) -> None:
    ok(await stage.as_("owner").book(stage.tenant, starts_at=stage.next_start(), customer=ROBIN), 201)
    before = await customers(business)
    business.twilio.opted_out.add((business.sid, PHONE))
    booking = await booked(stage, **ROBIN, phone=PHONE, sms_opt_in=True)
    messages = ok(await stage.as_("owner").get(f"/v1/bookings/{booking['id']}/messages"))["items"]
    assert [
        (one["state"], one["error"])
        for one in messages
        if one["channel"] == "sms" and one["audience"] == "customer"
    ] == [("suppressed", "opted_out")]
    assert await customers(business) == before
