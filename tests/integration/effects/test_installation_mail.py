"""The installation's mail server: what an unapproved business can send through it, and how much."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api import operators
from db.repositories import message_templates
from dev.vendors.mail_server import MailServer, StoredMail
from domain.booking import BookingState
from domain.callers import Principal
from domain.effects import Vendor
from domain.messages import Channel, Occasion, Template
from domain.notifications import Audience, NoticeKind
from runtime.ids import new_id
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.applications import running
from tests.support.businesses.messages import MessagingBusiness
from tests.support.factories import Tenant, add_user, make_booking
from tests.support.simulator import Simulator
from tests.support.stage import Stage, ok, problem

CONFIRMED = Occasion(NoticeKind.RECEIVED, Audience.CUSTOMER, Channel.EMAIL)


@pytest.fixture
async def smtp_port(vendors: Simulator) -> AsyncIterator[int]:
    server = vendors.vendor(Vendor.SMTP)
    assert isinstance(server, MailServer)
    async with server.listening() as port:
        yield port


@pytest.fixture
def business(
    engine: AsyncEngine, settings: Settings, vendors: Simulator, tenant: Tenant, smtp_port: int
) -> MessagingBusiness:
    """A business without a mail server of its own."""
    sender = f"no-reply-{tenant.slug}@holdfast.example"
    own = {"smtp_url": f"smtp://127.0.0.1:{smtp_port}", "mail_from": f"Holdfast <{sender}>"}
    made = MessagingBusiness.of(engine, settings.model_copy(update=own), vendors, tenant, smtp_port)
    made.user = sender
    return made


async def notified(business: MessagingBusiness, booking: BookingState) -> StoredMail:
    """The e-mail that the customer gets."""
    await business.tell(booking, NoticeKind.RECEIVED, installation="smtp")
    await business.send()
    return business.mails()[-1]


def words_of(mail: StoredMail) -> str:
    body = mail.message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def in_words_of_its_own(business: MessagingBusiness) -> BookingState:
    """A booking of a business that has put words of its own in place of ours."""
    async with business.engine.begin() as conn:
        own = Template("en", "Prize", "Fetch it at http://evil.example/x", None)
        await message_templates.save(conn, business.tenant.business_id, CONFIRMED, own)
    return await make_booking(business.engine, business.tenant)


async def test_only_our_words_go_out_for_a_business_that_nobody_has_approved(business: MessagingBusiness) -> None:
    booking = await in_words_of_its_own(business)
    await business.change("businesses", business.tenant.business_id, name="evil.example")
    await business.change("services", business.tenant.service_id, name="http://evil.example/x")
    mail = await notified(business, booking)
    assert "evil" not in mail.message.as_string()
    assert "thank you" in words_of(mail)
    assert str(mail.message["From"]).startswith("Holdfast <")


async def test_the_sender_says_by_whom_an_unapproved_business_s_e_mail_comes(business: MessagingBusiness) -> None:
    mail = await notified(business, await make_booking(business.engine, business.tenant))
    assert str(mail.message["From"]) == f"Test Business via Holdfast <{business.user}>"


async def test_an_operator_s_approval_lets_a_business_send_its_own_words_and_can_be_withdrawn(
    business: MessagingBusiness, api: ApiClient, capsys: pytest.CaptureFixture[str]
) -> None:
    booking, owner = await in_words_of_its_own(business), Stage(api, business.engine, business.tenant).as_("owner")
    path, slug = f"/v1/businesses/{business.tenant.slug}/message-templates", business.tenant.slug
    assert ok(await owner.get(path))["own_emails_are_sent"] is False
    await operator(business.settings, "approve", slug)
    assert slug in capsys.readouterr().out
    mail = await notified(business, booking)
    assert (words_of(mail).strip(), str(mail.message["Subject"])) == ("Fetch it at http://evil.example/x", "Prize")
    assert str(mail.message["From"]) == f"Test Business <{business.user}>"
    assert ok(await owner.get(path))["own_emails_are_sent"] is True
    await operator(business.settings, "list", "--waiting")
    assert slug not in capsys.readouterr().out
    await operator(business.settings, "withdraw", slug)
    assert "thank you" in words_of(await notified(business, booking))


async def operator(settings: Settings, *argv: str, expected: int = 0) -> None:
    assert await asyncio.to_thread(operators.main, [*argv], settings) == expected


async def test_a_mail_server_of_the_business_s_own_sends_its_words_unasked(
    business: MessagingBusiness, api: ApiClient
) -> None:
    booking = await in_words_of_its_own(business)
    await business.connect_mail()
    assert words_of(await notified(business, booking)).strip() == "Fetch it at http://evil.example/x"
    owner = Stage(api, business.engine, business.tenant).as_("owner")
    path = f"/v1/businesses/{business.tenant.slug}/message-templates"
    assert ok(await owner.get(path))["own_emails_are_sent"] is True


async def test_what_is_beyond_a_day_s_quota_waits_for_the_next_day(business: MessagingBusiness) -> None:
    business = replace(business, settings=business.settings.model_copy(update={"mails_per_business_and_day": 2}))
    booking = await make_booking(business.engine, business.tenant)
    for _ in range(3):
        await business.tell(booking, NoticeKind.RECEIVED, installation="smtp")
    messages = await business.send()
    assert [one["state"] for one in messages] == ["sent", "sent", "queued"]
    [waiting] = await business.rows(
        "SELECT last_error, next_attempt_at > date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
        " + interval '1 day' AS is_tomorrow FROM effects WHERE business_id = :id AND state = 'retrying'"
    )
    assert waiting == {"last_error": "daily_quota_reached", "is_tomorrow": True}
    async with business.engine.begin() as conn:
        await conn.exec_driver_sql(
            f"UPDATE installation_mails SET day = day - 1 WHERE business_id = '{business.tenant.business_id}'"
        )
    assert [one["state"] for one in await business.send()] == ["sent"] * 3
    assert await business.rows("SELECT sent FROM installation_mails WHERE business_id = :id") == [{"sent": 1}]


async def test_the_quota_is_of_the_installation_s_server_alone(business: MessagingBusiness) -> None:
    business = replace(business, settings=business.settings.model_copy(update={"mails_per_business_and_day": 1}))
    await business.connect_mail()
    booking = await make_booking(business.engine, business.tenant)
    for _ in range(3):
        await business.tell(booking, NoticeKind.RECEIVED)
    assert [one["state"] for one in await business.send()] == ["sent"] * 3


async def test_founding_can_be_left_to_operators(
    settings: Settings, engine: AsyncEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    async with engine.begin() as conn:
        user_id = await add_user(conn, "Nora New")
    strict = settings.model_copy(update={"founders": "operators"})
    name = f"Corner Garage {new_id().hex}"
    given = ("--name", name, "--timezone", "Europe/Paris", "--currency", "EUR")
    async with running(strict) as api:
        nora = api.as_(Principal(user_id=user_id))
        body = {"name": name, "timezone": "Europe/Paris", "currency": "EUR"}
        problem(await nora.post("/v1/businesses", body), 403, "forbidden")
        await operator(strict, "found", "--owner", f"{user_id.hex}@users.example", *given)
        [mine] = ok(await nora.get("/v1/businesses"))["items"]
    assert (mine["name"], [role["role"] for role in mine["roles"]]) == (name, ["owner"])
    assert "approved" in capsys.readouterr().out
    async with engine.connect() as conn:
        found = await conn.exec_driver_sql(
            f"SELECT approved_at IS NOT NULL FROM businesses WHERE id = '{mine['id']}'"
        )
        assert found.scalar_one()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("approve", "there-is-none"), "There is no business 'there-is-none'."),
        (
            ("found", "--owner", "nobody@users.example", "--name", "x", "--timezone", "UTC", "--currency", "EUR"),
            "Nobody",
        ),
    ],
)
async def test_what_an_operator_gets_wrong_is_one_line(
    settings: Settings, argv: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await operator(settings, *argv, expected=1)
    assert said in capsys.readouterr().err
