"""Messages about accounts: through the installation's mail server, as files in a folder, or only as a log line.

Set `HOLDFAST_SMTP_URL` to send them, or `HOLDFAST_MAIL_FOLDER` to write them as files.
"""

import asyncio
import os
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from activities.adapters.smtp_client import MailServer, deliver, mailbox
from activities.ports import AccountMessage
from runtime.metrics import MESSAGES
from runtime.outbound import with_ascii_domain

_log = structlog.get_logger()


class SmtpAccountMailer:
    """Sends messages through the mail server. When a reply is lost, the message is sent again with another id."""

    def __init__(self, url: str, sender: str) -> None:
        self._server = MailServer.from_url(url)
        self._sender = sender

    async def send(self, message: AccountMessage) -> None:
        """Send it.

        Raises:
            VendorError: it could not be sent.
        """
        await deliver(self._server, self._rendered(message), allow_loopback=True)
        _report_sent("smtp", message)

    def _rendered(self, message: AccountMessage) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._sender
        mail["To"] = mailbox("", with_ascii_domain(message.to))
        _add_common_headers(mail, message, parseaddr(self._sender)[1].rpartition("@")[2])
        mail.set_content(message.text)
        return mail


class FolderAccountMailer:
    """Writes messages as `.eml` files (RFC 5322). Only their owner can read them: they hold tokens."""

    def __init__(self, folder: Path, public_url: str) -> None:
        self._folder = folder
        self._host = urlsplit(public_url).hostname or "localhost"

    async def send(self, message: AccountMessage) -> None:
        """Write the message's file. It appears under its name once it is complete."""
        await asyncio.to_thread(self._write, f"{message.id}.eml", self._rendered(message))
        _report_sent("mail_folder", message)

    def _rendered(self, message: AccountMessage) -> bytes:
        mail = EmailMessage(policy=SMTPUTF8)
        mail["From"] = f"Holdfast <no-reply@{self._host}>"
        mail["To"] = message.to
        _add_common_headers(mail, message, self._host)
        # Not quoted-printable, which would break the link into pieces.
        mail.set_content(message.text, cte="8bit")
        return mail.as_bytes()

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._folder / f".{name}.part"
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        unfinished.replace(self._folder / name)


class LogAccountMailer:
    """Stands in while nothing is configured to send messages."""

    async def send(self, message: AccountMessage) -> None:
        """Log that there is a message, without its recipient and its text."""
        _report_sent("console", message)


def _add_common_headers(mail: EmailMessage, message: AccountMessage, domain: str) -> None:
    mail["Subject"] = message.subject
    mail["Date"] = datetime.now(UTC)
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply


def _report_sent(channel: str, message: AccountMessage) -> None:
    MESSAGES.labels(channel, "sent").inc()
    _log.info("account_message_sent", channel=channel, letter_id=str(message.id), kind=message.kind)
