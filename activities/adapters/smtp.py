"""E-mails about bookings by SMTP, through the business's own mail server or the installation's."""

import ssl
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Final

from activities.adapters.smtp_client import MailServer, deliver, mailbox
from activities.ports import Email
from activities.vendor_calls import Account, Call
from domain.effects import VendorError

_FILENAME: Final = "appointment.ics"


class SmtpMailer:
    """Sends each e-mail over a connection of its own.

    SMTP cannot tell afterwards whether an e-mail was accepted. When the reply to its content is lost, it is sent
    again and may arrive twice; both copies have the same `Message-ID`, by which many mail systems drop the second.
    """

    def __init__(
        self,
        url: str,
        sender: str,
        *,
        allow_loopback: bool = False,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        """`url` and `sender` (as in a `From` header) are the installation's; the URL may be empty."""
        self._server = MailServer.from_url(url) if url else None
        self._sender = parseaddr(sender)[1]
        self._allow_loopback = allow_loopback
        self._tls_context = tls_context

    async def send(self, call: Call, mail: Email) -> str | None:
        """Send it; returns its `Message-ID`.

        Raises:
            VendorError: it could not be sent.
        """
        account = call.account
        server = _server_of(account) if account.settings else self._server
        if server is None:
            raise VendorError("not_configured", permanent=True)
        sender = account.settings.get("sender") or self._sender
        message = rendered(mail, sender, account.settings.get("sender_name") or mail.sender_name)
        await call.confirm()
        await deliver(server, message, allow_loopback=self._allow_loopback, tls_context=self._tls_context)
        return str(message["Message-ID"])


def _server_of(account: Account) -> MailServer:
    settings = account.settings
    return MailServer(
        host=settings["host"],
        port=settings["port"],
        security=settings["security"],
        username=settings.get("username"),
        password=account.secrets.get("password"),
    )


def rendered(mail: Email, sender: str, sender_name: str) -> EmailMessage:
    """The message (RFC 5322): text and HTML, with an invitation both as an alternative (RFC 6047) and as a file.

    Raises:
        VendorError: an address is invalid.
    """
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = Address(sender_name, addr_spec=sender)
        message["To"] = mailbox(mail.to_name, mail.to)
        if mail.reply_to:
            message["Reply-To"] = Address(addr_spec=mail.reply_to)
        message["Subject"] = mail.subject
    except (ValueError, IndexError):  # the standard library's errors for invalid addresses
        raise VendorError("invalid_address", permanent=True) from None
    message["Date"] = datetime.now(UTC)
    message["Message-ID"] = f"<{mail.message_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    if mail.calendar:
        _add_calendar(message, mail.calendar, mail.calendar_method)
    return message


def _add_calendar(message: EmailMessage, calendar: bytes, method: str | None) -> None:
    params = {"method": method} if method else {}
    message.add_alternative(calendar.decode(), subtype="calendar", params=params)
    # For mail programs without invitations. Not text/calendar again, which some would show twice.
    message.add_attachment(calendar, maintype="application", subtype="ics", filename=_FILENAME)
