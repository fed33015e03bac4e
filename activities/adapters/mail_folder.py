"""Account messages as files (RFC 5322) in a folder, to be read where nothing sends e-mail, as with `make run`."""

import asyncio
import os
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from activities.ports.account_mail import AccountMessage
from runtime.metrics import MESSAGES

_log = structlog.get_logger()

_CHANNEL = "mail_folder"


class MailFolder:
    """One `.eml` file for each letter, readable by its owner alone: there are tokens in them."""

    def __init__(self, folder: Path, public_url: str) -> None:
        self._folder = folder
        self._host = urlsplit(public_url).hostname or "localhost"

    async def send(self, letter: AccountMessage) -> None:
        """Write the letter's file. It appears under its name when it is complete."""
        await asyncio.to_thread(self._write, f"{letter.id}.eml", self._rendered(letter))
        MESSAGES.labels(_CHANNEL, "sent").inc()
        _log.info("account_message_sent", channel=_CHANNEL, letter_id=str(letter.id), kind=letter.kind)

    def _rendered(self, letter: AccountMessage) -> bytes:
        message = EmailMessage(policy=SMTPUTF8)
        message["From"] = f"Holdfast <no-reply@{self._host}>"
        message["To"] = letter.to
        message["Subject"] = letter.subject
        message["Date"] = datetime.now(UTC)
        message["Message-ID"] = f"<{letter.id}@{self._host}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office notice answers it
        # As it is, not quoted-printable: that would break the link into pieces.
        message.set_content(letter.text, cte="8bit")
        return message.as_bytes()

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._folder / f".{name}.part"
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        unfinished.replace(self._folder / name)
