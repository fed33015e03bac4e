"""E-mails by SMTP, against a real SMTP server on this machine."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from activities.adapters.account_mail import SmtpAccountMailer
from activities.adapters.smtp import SmtpMailer
from activities.ports import AccountMessage
from activities.vendor_calls import Call
from dev.ports import free_port
from dev.vendors.fault_modes import Behaviour, FaultMode
from dev.vendors.ledger import Entry
from dev.vendors.mail_server import MailServer
from domain.accounts import AccountMessageKind
from domain.effects import Vendor, VendorError
from runtime.ids import new_id
from tests.support.simulator import Simulator
from tests.support.vendors.mails import ICS, a_call, a_mail, again

FROM = "Holdfast <no-reply@holdfast.example>"
MAILER = SmtpMailer("", FROM, allow_loopback=True)


@dataclass(frozen=True)
class Inbox:
    """The mail server, and an account there that no other test has."""

    server: MailServer
    port: int
    user: str

    def call(self, password: str = "right", **settings: Any) -> Call:
        known = {
            "host": "127.0.0.1",
            "port": self.port,
            "security": "none",
            "username": self.user,
            "sender": "desk@ana.example",
        }
        return a_call(known | settings, {"password": password})

    def behave(self, mode: FaultMode, **how: Any) -> None:
        self.server.fault_modes.set(Behaviour(mode=mode, times=1, **how), self.user)

    def entries(self) -> list[Entry]:
        return self.server.ledger.entries("smtp", account=self.user)

    def only(self) -> EmailMessage:
        [kept] = [kept for kept in self.server.mails.values() if kept.account == self.user]
        return kept.message


@pytest.fixture(scope="module")
async def listening(vendors: Simulator) -> AsyncIterator[tuple[MailServer, int]]:
    server = vendors.vendor(Vendor.SMTP)
    assert isinstance(server, MailServer)
    async with server.listening() as port:
        yield server, port


@pytest.fixture
def inbox(listening: tuple[MailServer, int]) -> Inbox:
    return Inbox(*listening, user=uuid4().hex)


async def refused(call: Call, mailer: SmtpMailer = MAILER, **changes: Any) -> VendorError:
    with pytest.raises(VendorError) as found:
        await mailer.send(call, a_mail(**changes))
    return found.value


async def test_it_arrives_as_text_and_html_with_an_invitation(inbox: Inbox) -> None:
    mail = a_mail()
    reference = await MAILER.send(inbox.call(), mail)
    message = inbox.only()
    assert message["Message-ID"] == reference == f"<{mail.message_id}@ana.example>"
    assert str(message["From"]) == "Ana's Repairs <desk@ana.example>"
    assert (str(message["To"]), message["Reply-To"]) == ("Zoë <zoe@example.com>", "desk@ana.example")
    assert message["Subject"] == mail.subject
    assert message["Auto-Submitted"] == "auto-generated"
    [alternatives, file] = message.iter_parts()
    kinds = [part.get_content_type() for part in alternatives.iter_parts()]
    assert kinds == ["text/plain", "text/html", "text/calendar"]
    assert message.get_body(("plain",)).get_content().strip() == mail.text.strip()  # type: ignore[union-attr]
    invitation = list(alternatives.iter_parts())[2]
    assert invitation["Content-Type"].params["method"] == "REQUEST"
    assert file.get_filename() == "appointment.ics"
    assert file.get_content() == ICS


async def test_after_a_lost_reply_it_goes_again_by_the_same_name_and_counts_once(inbox: Inbox) -> None:
    mail, call = a_mail(), inbox.call()
    inbox.behave(FaultMode.REPLY_LOST)
    with pytest.raises(VendorError, match="reply_lost") as lost:
        await MAILER.send(call, mail)
    assert not lost.value.permanent
    await MAILER.send(again(call), mail)
    assert [entry.applied for entry in inbox.entries()] == [True, False]
    assert len({entry.key for entry in inbox.entries()}) == 1


async def test_what_passes_is_tried_again_and_what_does_not_is_not(inbox: Inbox) -> None:
    inbox.behave(FaultMode.RATE_LIMITED)
    busy = await refused(inbox.call())
    assert (busy.code, busy.permanent) == ("smtp_451", False)
    inbox.behave(FaultMode.FAILING, status=400)
    unwanted = await refused(inbox.call())
    assert (unwanted.code, unwanted.permanent) == ("smtp_554", True)
    nobody = await refused(inbox.call(), to="zoe@refused.example")
    assert (nobody.code, nobody.permanent) == ("smtp_550", True)
    stranger = await refused(inbox.call(password="wrong"))
    assert (stranger.code, stranger.permanent) == ("unauthorized", True)
    away = await refused(inbox.call(port=free_port()))
    assert (away.code, away.permanent) == ("unreachable", False)
    assert inbox.entries() == []


@pytest.mark.parametrize("to", ["zoe@example.com\r\nBcc: eve@example.com", "no address", ""])
async def test_what_is_no_address_is_refused_before_anything_is_sent(inbox: Inbox, to: str) -> None:
    error = await refused(inbox.call(), to=to)
    assert (error.code, error.permanent) == ("invalid_address", True)
    assert inbox.entries() == []


async def test_a_business_cannot_name_a_host_in_our_own_network(inbox: Inbox) -> None:
    guarded = SmtpMailer("", FROM)
    for host in ("127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1"):
        error = await refused(inbox.call(host=host), guarded)
        assert (error.code, error.permanent) == ("address_not_allowed", True)
    plain = await refused(inbox.call(host="8.8.8.8"))
    assert (plain.code, plain.permanent) == ("connection_not_secret", True)


async def test_without_an_account_the_installation_sends_it(inbox: Inbox) -> None:
    mailer = SmtpMailer(f"smtp://{inbox.user}:secret@127.0.0.1:{inbox.port}", FROM)
    await mailer.send(a_call({}, {}), a_mail(calendar=None))
    assert str(inbox.only()["From"]) == "Ana's Repairs <no-reply@holdfast.example>"
    nowhere = await refused(a_call({}, {}))
    assert (nowhere.code, nowhere.permanent) == ("not_configured", True)


async def test_letters_about_accounts_go_by_the_installations_server(inbox: Inbox) -> None:
    account_message = AccountMessage(
        new_id(), AccountMessageKind.RESET, "zoe@example.com", "A new password", "https://example.com/#token=1"
    )
    await SmtpAccountMailer(f"smtp://{inbox.user}:secret@127.0.0.1:{inbox.port}", FROM).send(account_message)
    message = inbox.only()
    assert (message["Message-ID"], str(message["From"])) == (f"<{account_message.id}@holdfast.example>", FROM)
    assert account_message.text in message.get_content()


async def test_only_a_server_whose_certificate_is_valid_is_given_the_password(
    inbox: Inbox, tmp_path: Path
) -> None:
    served, trusting = _certified(tmp_path)
    async with inbox.server.listening(tls=served) as port:
        call = inbox.call(security="starttls", port=port)
        stranger = await refused(call)
        assert (stranger.code, stranger.permanent) == ("tls_failed", False)
        assert inbox.entries() == []
        await SmtpMailer("", FROM, allow_loopback=True, tls_context=trusting).send(call, a_mail())
        assert len(inbox.entries()) == 1
    without = await refused(inbox.call(security="starttls"))
    assert without.code == "tls_not_offered"


def _certified(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side with a certificate for 127.0.0.1, and a client's that trusts it."""
    key, name = generate_private_key(SECP256R1()), x509.Name([x509.NameAttribute(x509.OID_COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    path = folder / "both.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(path)
    return served, ssl.create_default_context(cafile=str(path))


@pytest.mark.parametrize("to", ["j\u00f6rg@guests.example", "a..b@docomo.ne.jp", "a.@ezweb.ne.jp"])
async def test_an_address_beyond_plain_ascii_is_handed_in(inbox: Inbox, to: str) -> None:
    await MAILER.send(inbox.call(), replace(a_mail(), to=to, to_name="J\u00f6rg"))
    [kept] = [kept for kept in inbox.server.mails.values() if kept.account == inbox.user]
    assert kept.to == [to]


async def test_a_letter_about_an_account_goes_to_such_an_address_too(inbox: Inbox) -> None:
    mail = SmtpAccountMailer(f"smtp://127.0.0.1:{inbox.port}", f"Holdfast <{inbox.user}@holdfast.example>")
    account_message = AccountMessage(
        new_id(), AccountMessageKind.RESET, "j\u00f6rg@m\u00fcller.example", "Subject", "Text"
    )
    await mail.send(account_message)
    [kept] = [one for one in inbox.server.mails.values() if one.account == f"{inbox.user}@holdfast.example"]
    assert kept.to == ["j\u00f6rg@xn--mller-kva.example"]
