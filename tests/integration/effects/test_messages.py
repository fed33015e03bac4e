"""Sending messages: still true, with consent, in the reader's language, and once."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy.ext.asyncio import AsyncEngine

from db.repositories import message_templates
from dev.vendors.fault_modes import Behaviour, FaultMode
from dev.vendors.mail_server import MailServer, StoredMail
from domain.customers import Purpose
from domain.effects import Vendor
from domain.messages import Channel, Occasion, Template
from domain.notifications import Audience, NoticeKind
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.businesses.messages import PHONE, MessagingBusiness
from tests.support.factories import Tenant, future, make_booking
from tests.support.simulator import Simulator
from tests.support.stage import Stage, make_stage, ok, problem, until

_GIVEN_UP = future(200)


@pytest.fixture
async def smtp_port(vendors: Simulator) -> AsyncIterator[int]:
    server = vendors.vendor(Vendor.SMTP)
    assert isinstance(server, MailServer)
    async with server.listening() as port:
        yield port


@pytest.fixture
async def business(
    engine: AsyncEngine, settings: Settings, vendors: Simulator, tenant: Tenant, smtp_port: int
) -> MessagingBusiness:
    business = MessagingBusiness.of(engine, settings, vendors, tenant, smtp_port)
    await business.connect_mail()
    return business


def became(messages: list[Mapping[str, Any]], channel: str = "email") -> list[tuple[str, str, str | None]]:
    """Kind, state and error of each."""
    return [(one["kind"], one["state"], one["error"]) for one in messages if one["channel"] == channel]


def entry(kept: StoredMail) -> Any:
    """The calendar of an e-mail; none where it has none."""
    parts = [part for part in kept.message.walk() if part.get_content_type() == "text/calendar"]
    content: Any = parts[0].get_payload(decode=True) if parts else None
    return Calendar.from_ical(content) if content else None


async def test_a_message_is_sent_in_its_reader_s_words_and_kept_as_it_went(business: MessagingBusiness) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.change_customer(locale="de-AT", timezone="Europe/Vienna", email="casey@example.com")
    await business.tell(booking, NoticeKind.RECEIVED)
    [message] = await business.send()
    [mail] = business.mails()
    assert (message["state"], message["language"], message["error"]) == ("sent", "de", None)
    assert mail.to == ["casey@example.com"]
    assert mail.message["Subject"] == message["subject"]
    assert message["subject"].startswith("Ihre Anfrage ist da: Repair am ")
    plain = mail.message.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().splitlines() == message["body"].splitlines()
    assert "Guten Tag Casey Customer," in message["body"]
    assert str(mail.message["Message-ID"]) == message["vendor_ref"] == f"<{message['id']}@garage.example>"
    assert await business.send() == [message], "once"
    assert len(business.mails()) == 1


async def test_the_business_s_own_words_are_used_and_ours_where_they_fail(business: MessagingBusiness) -> None:
    booking = await make_booking(business.engine, business.tenant)
    occasion = Occasion(NoticeKind.RECEIVED, Audience.CUSTOMER, Channel.EMAIL)
    for body in ("Got it, {{ customer.name }}.", "{{ no_longer_there }}"):
        async with business.engine.begin() as conn:
            own = Template("en", "Hi", body, None)
            await message_templates.save(conn, business.tenant.business_id, occasion, own)
        await business.tell(booking, NoticeKind.RECEIVED)
        await business.send()
    first, second = await business.messages()
    assert (first["subject"], first["body"]) == ("Hi", "Got it, Casey Customer.")
    assert second["subject"].startswith("We have your request")


async def test_what_was_never_in_a_calendar_is_not_taken_out_of_it(business: MessagingBusiness) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.tell(booking, NoticeKind.RECEIVED)
    await business.send()
    await business.change("bookings", booking.booking_id, status="cancelled")
    await business.tell(booking, NoticeKind.CANCELLED)
    assert became(await business.send()) == [("received", "sent", None), ("cancelled", "sent", None)]
    assert [entry(mail) for mail in business.mails()] == [None, None]


async def test_of_a_cancelled_booking_nothing_but_that_is_sent(business: MessagingBusiness) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.change("bookings", booking.booking_id, status="accepted")
    await business.tell(booking, NoticeKind.CONFIRMED)
    await business.send()
    await business.change("bookings", booking.booking_id, status="cancelled")
    for kind in (NoticeKind.CONFIRMED, NoticeKind.REMINDER, NoticeKind.CANCELLED):
        await business.tell(booking, kind)
    assert became(await business.send()) == [
        ("confirmed", "sent", None),
        ("confirmed", "suppressed", "no_longer_true"),
        ("reminder", "suppressed", "no_longer_true"),
        ("cancelled", "sent", None),
    ]
    assert [str(entry(mail)["METHOD"]) for mail in business.mails()] == ["REQUEST", "CANCEL"]
    effects = await business.rows("SELECT state, last_error FROM effects WHERE business_id = :id ORDER BY id")
    assert [tuple(effect.values()) for effect in effects] == [
        ("done", None),
        ("obsolete", "no_longer_true"),
        ("obsolete", "no_longer_true"),
        ("done", None),
    ]


async def test_of_a_time_that_was_given_up_and_to_a_provider_who_was_replaced_nothing_is_sent(
    business: MessagingBusiness,
) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.change("bookings", booking.booking_id, status="accepted")
    for kind in (NoticeKind.CONFIRMED, NoticeKind.RESCHEDULED, NoticeKind.REMINDER):
        await business.tell(booking, kind, starts_at=_GIVEN_UP)
    await business.tell(booking, NoticeKind.REMINDER, Audience.PROVIDER)
    await business.change("bookings", booking.booking_id, provider_id=business.tenant.providers["ben"])
    messages = await business.send()
    assert {(state, error) for _, state, error in became(messages)} == {("suppressed", "no_longer_true")}
    assert len(messages) == 4
    assert business.mails() == []


async def test_a_provider_and_an_owner_are_written_to_where_they_are(business: MessagingBusiness) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.change("bookings", booking.booking_id, status="accepted", needs_attention=True)
    await business.tell(booking, NoticeKind.REMINDER, Audience.PROVIDER)
    await business.tell(booking, NoticeKind.NEEDS_ATTENTION, Audience.OWNER)
    await business.change("providers", business.tenant.providers["ana"], email="ana@garage.example")
    await business.send()
    people = business.tenant.principals
    owner = await business.rows(
        f"SELECT email FROM users WHERE id = '{people['owner'].user_id}' AND CAST(:id AS uuid) IS NOT NULL"
    )
    assert [mail.to for mail in business.mails()] == [["ana@garage.example"], [owner[0]["email"]]]


async def test_an_e_mail_heeds_a_refusal_and_an_address_that_is_missing(business: MessagingBusiness) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.says(Purpose.EMAIL, granted=False)
    await business.tell(booking, NoticeKind.RECEIVED)
    await business.send()
    await business.says(Purpose.EMAIL, granted=True)
    await business.change_customer(user_id=None)
    await business.tell(booking, NoticeKind.RECEIVED)
    assert became(await business.send()) == [
        ("received", "suppressed", "no_consent"),
        ("received", "suppressed", "no_address"),
    ]


@pytest.mark.parametrize("name", ["WIN http://evil.example/x", "evil\u3002com"])
async def test_a_name_with_a_link_is_in_no_part_of_a_message(business: MessagingBusiness, name: str) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.change("bookings", booking.booking_id, status="accepted")
    await business.change_customer(name=name)
    await business.tell(booking, NoticeKind.CONFIRMED)
    await business.tell(booking, NoticeKind.REMINDER, Audience.PROVIDER)
    await business.send()
    to_customer, to_provider = business.mails()
    for mail in (to_customer, to_provider):
        assert "evil" not in mail.message.as_string()
        assert all("evil" not in str(value) for value in mail.message.values())
    assert entry(to_customer).walk("VEVENT")[0]["ATTENDEE"].params.get("CN") is None


@pytest.mark.parametrize("name", ["J.R.R. Tolkien", "St.John Rivers", "Müller GmbH & Co.KG"])
async def test_a_name_with_dots_is_greeted_and_addressed_as_it_is(business: MessagingBusiness, name: str) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.change("bookings", booking.booking_id, status="accepted")
    await business.change_customer(name=name)
    await business.tell(booking, NoticeKind.CONFIRMED)
    [message] = await business.send()
    [mail] = business.mails()
    assert message["body"].startswith(f"Hello {name},")
    assert mail.message["To"].addresses[0].display_name == name
    assert entry(mail).walk("VEVENT")[0]["ATTENDEE"].params["CN"] == name


async def test_an_address_that_is_refused_fails_for_good_and_is_shown(business: MessagingBusiness) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.change_customer(email="casey@refused.example")
    await business.tell(booking, NoticeKind.RECEIVED)
    [(_, state, error)] = became(await business.send())
    assert state == "failed"
    assert error
    assert "casey" not in error


async def test_a_text_needs_consent_at_the_moment_of_sending(business: MessagingBusiness) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.connect_texts()
    await business.change("bookings", booking.booking_id, status="accepted")
    await business.change_customer(phone=PHONE)
    await business.change("providers", business.tenant.providers["ana"], phone="+12125550143")
    await business.tell(booking, NoticeKind.REMINDER)
    await business.send()
    await business.tell(booking, NoticeKind.CONFIRMED)
    await business.says(Purpose.SMS, granted=True)
    await business.send()
    await business.tell(booking, NoticeKind.REMINDER)
    await business.says(Purpose.SMS, granted=False)
    await business.send()
    await business.tell(booking, NoticeKind.REMINDER, Audience.PROVIDER)
    assert became(await business.send(), "sms") == [
        ("reminder", "suppressed", "no_consent"),
        ("confirmed", "sent", None),
        ("reminder", "suppressed", "no_consent"),
        ("reminder", "sent", None),
    ]
    [(to, words), (to_provider, _)] = business.texts()
    assert (to, to_provider) == (PHONE, "+12125550143")
    assert words.startswith("Test Business: confirmed, Repair, ")


async def test_who_told_the_vendor_to_stop_has_told_us(business: MessagingBusiness) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.connect_texts()
    await business.change("bookings", booking.booking_id, status="accepted")
    await business.change_customer(phone=PHONE)
    await business.says(Purpose.SMS, granted=True)
    business.twilio.opted_out.add((business.sid, PHONE))
    await business.tell(booking, NoticeKind.CONFIRMED)
    await business.send()
    await business.tell(booking, NoticeKind.REMINDER)
    assert became(await business.send(), "sms") == [
        ("confirmed", "suppressed", "opted_out"),
        ("reminder", "suppressed", "no_consent"),
    ]
    said = await business.rows(
        "SELECT granted, source FROM consents WHERE business_id = :id AND purpose = 'sms' ORDER BY given_at"
    )
    assert [tuple(one.values()) for one in said] == [(True, "test"), (False, "twilio_stop")]
    [customer] = await business.rows("SELECT sms_opt_in FROM customers WHERE business_id = :id")
    assert not customer["sms_opt_in"]


async def test_a_text_whose_reply_was_lost_goes_out_once_whatever_was_changed_meanwhile(
    business: MessagingBusiness,
) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.connect_texts()
    await business.change("bookings", booking.booking_id, status="accepted")
    await business.change_customer(phone=PHONE)
    await business.says(Purpose.SMS, granted=True)
    business.vendors.behave(Vendor.TWILIO, Behaviour(mode=FaultMode.REPLY_LOST, times=1), business.sid)
    await business.tell(booking, NoticeKind.CONFIRMED)
    [_, lost] = await business.send()
    assert (lost["state"], lost["vendor_ref"]) == ("queued", None)
    await business.change_customer(locale="ja")
    [_, text] = await business.send()
    assert text["state"] == "sent"
    assert [words for _, words in business.texts()] == [text["body"]]
    assert text["language"] == "en"


async def test_what_the_vendor_told_before_its_reply_came_stays(business: MessagingBusiness) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.tell(booking, NoticeKind.RECEIVED)
    [message] = await business.messages()
    await business.change("messages", message["id"], state="delivered")
    [message] = await business.send()
    assert message["state"] == "delivered"
    assert message["body"]


async def test_a_message_that_the_vendor_has_told_of_is_not_sent_again(business: MessagingBusiness) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.tell(booking, NoticeKind.RECEIVED)
    [effect] = await business.rows("SELECT id FROM effects WHERE business_id = :id")
    await business.change("effects", effect["id"], attempts=1, state="retrying")
    [message] = await business.messages()
    await business.change("messages", message["id"], state="opened")
    assert became(await business.send()) == [("received", "opened", None)]
    assert business.mails() == []


async def test_without_a_vendor_of_its_own_a_business_writes_by_the_installation_s_mail_server(
    engine: AsyncEngine, settings: Settings, vendors: Simulator, tenant: Tenant, smtp_port: int
) -> None:
    business = MessagingBusiness.of(engine, settings, vendors, tenant, smtp_port)
    sender = f"no-reply-{tenant.slug}@holdfast.example"
    business.user = sender
    booking = await make_booking(engine, tenant)
    await business.tell(booking, NoticeKind.RECEIVED, installation="smtp")
    own = {"smtp_url": f"smtp://127.0.0.1:{smtp_port}", "mail_from": f"Holdfast <{sender}>"}
    assert became(await business.send(settings.model_copy(update=own))) == [("received", "sent", None)]
    [mail] = business.mails()
    assert str(mail.message["From"]) == f"Test Business via Holdfast <{sender}>"


# --- by the API and a worker ---


@pytest.fixture
async def stage(api: ApiClient, engine: AsyncEngine) -> Stage:
    return await make_stage(api, engine)


async def _all_settled(stage: Stage, booking_id: str, count: int) -> list[dict[str, Any]]:
    """What the desk is shown, once nothing is under way any more."""
    seen = await until(
        lambda: stage.as_("owner").get(f"/v1/bookings/{booking_id}/messages"),
        lambda seen: len(seen["items"]) == count and all(one["state"] != "queued" for one in seen["items"]),
    )
    items: list[dict[str, Any]] = seen["items"]
    return items


async def test_a_booking_s_life_puts_one_entry_into_the_customer_s_calendar_and_takes_it_out(
    stage: Stage, settings: Settings, vendors: Simulator, smtp_port: int
) -> None:
    business = MessagingBusiness.of(stage.engine, settings, vendors, stage.tenant, smtp_port)
    await business.connect_mail()
    await business.change_customer(email="casey@example.com", name='Casey\n"C": Roe;\x07 ^x')
    booking = await stage.book()
    await _all_settled(stage, booking["id"], 2)
    ok(await stage.as_("ana").command(booking["id"], "accept"))
    await _all_settled(stage, booking["id"], 3)
    moved = stage.next_start()
    ok(await stage.as_("customer").command(booking["id"], "reschedule", starts_at=moved.isoformat()))
    await _all_settled(stage, booking["id"], 5)
    ok(await stage.as_("customer").command(booking["id"], "cancel"))
    messages = await _all_settled(stage, booking["id"], 7)

    assert {(one["kind"], one["audience"], one["state"]) for one in messages} == {
        ("received", "customer", "sent"),
        ("offered", "provider", "sent"),
        ("confirmed", "customer", "sent"),
        ("rescheduled", "customer", "sent"),
        ("rescheduled", "provider", "sent"),
        ("cancelled", "customer", "sent"),
        ("cancelled", "provider", "sent"),
    }
    entries = [found for kept in business.mails() if (found := entry(kept)) is not None]
    events = [found.walk("VEVENT")[0] for found in entries]
    assert [str(found["METHOD"]) for found in entries] == ["REQUEST", "REQUEST", "CANCEL"]
    assert [str(event["STATUS"]) for event in events][::2] == ["CONFIRMED", "CANCELLED"]
    assert {str(event["UID"]) for event in events} == {f"{booking['id']}@holdfast"}
    sequences = [int(event["SEQUENCE"]) for event in events]
    assert sequences == sorted(set(sequences)), "each is higher than the one before"
    assert [event["DTSTART"].dt.isoformat() for event in events] == [
        stage_start.replace("Z", "+00:00") for stage_start in (booking["starts_at"], *[_z(moved)] * 2)
    ]
    assert str(events[0]["ORGANIZER"]) == "mailto:desk@garage.example"
    assert str(events[0]["ATTENDEE"]) == "mailto:casey@example.com"
    assert {to for kept in business.mails() if entry(kept) for to in kept.to} == {"casey@example.com"}


def _z(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))


async def test_a_message_that_somebody_skips_is_shown_as_not_sent_and_the_log_says_so_once(
    business: MessagingBusiness, api: ApiClient
) -> None:
    booking = await make_booking(business.engine, business.tenant)
    await business.tell(booking, NoticeKind.RECEIVED)
    [effect] = await business.rows("SELECT id FROM effects WHERE business_id = :id")
    stage = Stage(api, business.engine, business.tenant)
    for _ in range(2):
        await stage.as_("admin").post(f"/v1/bookings/{booking.booking_id}/jobs/{effect['id']}/skip")
    [message] = ok(await stage.as_("owner").get(f"/v1/bookings/{booking.booking_id}/messages"))["items"]
    assert (message["state"], message["error"]) == ("suppressed", "skipped")
    told = await business.rows(
        "SELECT type, data ->> 'reason' AS reason FROM events"
        " WHERE business_id = :id AND type LIKE 'notification.%' ORDER BY written"
    )
    assert [tuple(one.values()) for one in told] == [
        ("notification.email.queued", None),
        ("notification.email.failed", "skipped"),
    ]


async def test_messages_are_for_the_desk(stage: Stage) -> None:
    booking = await stage.book()
    path = f"/v1/bookings/{booking['id']}/messages"
    await stage.settled(booking, "assigned")
    items = ok(await stage.as_("admin").get(path))["items"]
    assert [(one["kind"], one["channel"], one["state"]) for one in items] == [
        ("received", "console", "sent"),
        ("offered", "console", "sent"),
    ]
    for name in ("customer", "ana"):
        problem(await stage.as_(name).get(path), 403, "forbidden")
