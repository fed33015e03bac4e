"""A mail server with faults on request that stores all mails, based on a real SMTP server."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Final

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from dev.vendors.base import SimulatedVendor
from dev.vendors.fault_modes import Behaviour, FaultMode
from dev.vendors.ledger import Entry, Json, Ledger

_TAKEN: Final = "250 2.0.0 OK"
_LATER: Final = "451 4.7.1 Too many messages, try again later"
_NOT_ACCEPTED: Final = "550 5.1.1 No such mailbox"
_WRONG: Final = b"wrong"
"""The only password that is not accepted."""
_UNKNOWN_DOMAIN: Final = "refused."
"""Prefix of domains whose mailboxes do not exist."""
_FIRST_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A received mail."""

    account: str
    to: list[str]
    message: EmailMessage


class MailServer(SimulatedVendor):
    """A mail server on loopback; the account is the login, or else the sender's address.

    A mail with a known `Message-ID` is accepted and dropped, as mail systems do. `FAILING` answers 451, or 554 if
    the status is 400 to 499; `REPLY_LOST` accepts the mail and closes the connection without an answer.
    """

    name = "smtp"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.mails: dict[str, StoredMail] = {}
        """By `Message-ID`."""
        self.api.get("/mails")(self.read_mails)

    @asynccontextmanager
    async def listening(
        self, *, port: int = 0, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> AsyncIterator[int]:
        """Serve SMTP, with STARTTLS if a TLS context is given; yields the port."""
        loop = asyncio.get_running_loop()

        def connected() -> SMTP:
            return SMTP(
                self,
                hostname="mail.simulated",
                loop=loop,
                tls_context=tls,
                authenticator=_authenticate,
                auth_require_tls=tls is not None,
                enable_SMTPUTF8=True,
            )

        server = await loop.create_server(connected, host, port)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def read_mails(self) -> Json:
        """The received mails, oldest first."""
        return {"mails": [_shown(message_id, mails) for message_id, mails in self.mails.items()]}

    # --- hooks of the SMTP server, which decides their names ------------------------------------------------

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.rpartition("@")[2].startswith(_UNKNOWN_DOMAIN):
            return _NOT_ACCEPTED
        envelope.rcpt_tos.append(address)
        return _TAKEN

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        account = _account_of(session, envelope)
        behaviour = self.fault_modes.take(account)
        match behaviour.mode:
            case FaultMode.RATE_LIMITED:
                return _LATER
            case FaultMode.FAILING:
                return _failure(behaviour)
            case FaultMode.SLOW:
                await asyncio.sleep(behaviour.seconds)
            case FaultMode.HANG:
                await self.fault_modes.hang(asyncio.Event())  # cancelled when the caller disconnects
                return _LATER
        self._store(account, envelope)
        if behaviour.mode is FaultMode.REPLY_LOST:
            transport: Any = server.transport
            transport.abort()
        return _TAKEN

    def _store(self, account: str, envelope: Envelope) -> None:
        content = envelope.content
        assert isinstance(content, bytes)
        message: Any = message_from_bytes(content, policy=default)
        message_id = str(message["Message-ID"])
        is_new = message_id not in self.mails
        if is_new:
            self.mails[message_id] = StoredMail(account, list(envelope.rcpt_tos), message)
        detail = {"to": list(envelope.rcpt_tos), "subject": str(message["Subject"])} | _contents(message)
        self.ledger.add(Entry(self.name, account, "mail.send", message_id, is_new, detail))


def _contents(message: EmailMessage) -> Json:
    body = message.get_body(("plain",))
    calendar = next((part for part in message.walk() if part.get_content_type() == "text/calendar"), None)
    return {
        "text": body.get_content() if body else "",
        "ics": _text_of(calendar) if calendar else None,
    }


def _text_of(part: EmailMessage) -> str:
    content = part.get_content()
    return content if isinstance(content, str) else bytes(content).decode(errors="replace")


def _authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword
) -> AuthResult:
    return AuthResult(success=data.password != _WRONG, auth_data=data, handled=False)


def _account_of(session: Session, envelope: Envelope) -> str:
    if isinstance(session.auth_data, LoginPassword):
        return session.auth_data.login.decode()
    return envelope.mail_from or ""


def _failure(behaviour: Behaviour) -> str:
    is_temporary = behaviour.status >= _FIRST_SERVER_ERROR  # as in HTTP: server errors are temporary
    return "451 4.3.0 Local error in processing" if is_temporary else "554 5.6.0 Not acceptable"


def _shown(message_id: str, mails: StoredMail) -> Json:
    body = mails.message.get_body(("plain",))
    return {
        "message_id": message_id,
        "account": mails.account,
        "from": str(mails.message["From"]),
        "to": mails.to,
        "subject": str(mails.message["Subject"]),
        "text": body.get_content() if body else "",
        "attachments": [part.get_filename() for part in mails.message.iter_attachments()],
    }
