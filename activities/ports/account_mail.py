"""Messages about accounts: the installation's own, sent for no business."""

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from domain.accounts import LetterKind


@dataclass(frozen=True, slots=True)
class AccountMessage:
    """A message about an account, ready to be sent. Only its id may be said in a log."""

    id: UUID
    kind: LetterKind
    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)


class AccountMail(Protocol):
    """Sends messages about accounts to e-mail addresses."""

    async def send(self, letter: AccountMessage) -> None:
        """Send it, or fail: then it is tried again, with a letter of another id."""
