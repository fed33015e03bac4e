"""What stands in for account messages while nothing is set up to send them: a log line, and no e-mail.

Set `HOLDFAST_SMTP_URL` to have them sent, or `HOLDFAST_MAIL_FOLDER` to have the letters as files.
"""

import structlog

from activities.ports.account_mail import AccountMessage
from runtime.metrics import MESSAGES

_log = structlog.get_logger()

_CHANNEL = "console"


class ConsoleMail:
    async def send(self, letter: AccountMessage) -> None:
        """Say in the log that there is a letter: neither to whom, nor what it says."""
        MESSAGES.labels(_CHANNEL, "sent").inc()
        _log.info("account_message_sent", channel=_CHANNEL, letter_id=str(letter.id), kind=letter.kind)
