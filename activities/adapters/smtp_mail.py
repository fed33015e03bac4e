"""Account messages by the installation's mail server."""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Final

import structlog

from activities.adapters.smtp_server import MailServer, hand_in, mailbox
from activities.ports.account_mail import AccountMessage
from runtime.metrics import MESSAGES
from runtime.outbound import with_ascii_domain

_log = structlog.get_logger()

_CHANNEL: Final = "smtp"


class SmtpMail:
    """Sends letters; one whose reply got lost is sent again with another id."""

    def __init__(self, url: str, sender: str) -> None:
        self._server = MailServer.from_url(url)
        self._sender = sender

    async def send(self, letter: AccountMessage) -> None:
        """Send it.

        Raises:
            VendorError: it could not be sent.
        """
        await hand_in(self._server, self._rendered(letter), allow_loopback=True)
        MESSAGES.labels(_CHANNEL, "sent").inc()
        _log.info("account_message_sent", channel=_CHANNEL, letter_id=str(letter.id), kind=letter.kind)

    def _rendered(self, letter: AccountMessage) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = mailbox("", with_ascii_domain(letter.to))
        message["Subject"] = letter.subject
        message["Date"] = datetime.now(UTC)
        message["Message-ID"] = f"<{letter.id}@{parseaddr(self._sender)[1].rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834
        message.set_content(letter.text)
        return message
