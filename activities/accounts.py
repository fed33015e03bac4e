"""The messages about accounts. Their tokens are made here, where they are sent, and go nowhere else."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.failures import as_application_errors
from activities.ports.account_mail import AccountMail, AccountMessage
from db.engine import autocommit
from db.repositories import accounts
from domain.accounts import AccountMessageRef, LetterKind, letter_for, token_hash
from domain.names import SEND_ACCOUNT_MESSAGE
from runtime.ids import new_id, new_token

_SUBJECTS: Final = {
    LetterKind.VERIFY: "Confirm your e-mail address",
    LetterKind.HAVE_ACCOUNT: "You have an account already",
    LetterKind.RESET: "Choose a new password",
}

# Nothing that whoever asked has typed is in here: else anybody could send their own words to anybody.
_TEXTS: Final = {
    LetterKind.VERIFY: """\
Somebody, you we hope, wants to open an account with this address. To confirm that it is yours open this link
within 24 hours and enter the password that you have chosen:

{public_url}/verify-email#token={token}

Or enter this code: {token}

If it was not you, do nothing: there will be no account.
""",
    LetterKind.HAVE_ACCOUNT: """\
Somebody, you we hope, wanted to open an account with this address. It has one already: log in with it, or ask for
a new password if you have forgotten yours:

{public_url}/forgot-password

If it was not you, do nothing: nothing has changed.
""",
    LetterKind.RESET: """\
Somebody, you we hope, wants a new password for the account of this address. To choose one open this link within
an hour:

{public_url}/reset-password#token={token}

Or enter this code: {token}

If it was not you, do nothing: the password stays as it is.
""",
}
_WITH_TOKEN: Final = frozenset({LetterKind.VERIFY, LetterKind.RESET})


class LetterNotSentError(Exception):
    """A letter could not be sent; it says by which kind of error."""


class AccountMessages:
    def __init__(self, engine: AsyncEngine, mail: AccountMail, public_url: str) -> None:
        self._engine = engine
        self._mail = mail
        self._public_url = public_url.rstrip("/")

    @activity.defn(name=SEND_ACCOUNT_MESSAGE)
    @as_application_errors
    async def send_account_message(self, ref: AccountMessageRef) -> None:
        """Send the message of a request, if there is one to send and it was not sent.

        A worker that dies between sending and noting it leads to a second message; the tokens of both are good.
        """
        async with autocommit(self._engine) as conn:
            unsent = await accounts.find_unsent(conn, ref.request_id)
        if unsent is None:
            return
        kind = letter_for(unsent.kind, unsent.account)
        if kind is not None:
            await self._send(await self._letter(ref, kind, unsent.email))
        async with autocommit(self._engine) as conn:
            await accounts.mark_sent(conn, ref.request_id)

    async def _send(self, letter: AccountMessage) -> None:
        try:
            await self._mail.send(letter)
        except Exception as error:
            # Not its message, which may quote the address: Temporal keeps what an activity fails with.
            raise LetterNotSentError(type(error).__name__) from None

    async def _letter(self, ref: AccountMessageRef, kind: LetterKind, to: str) -> AccountMessage:
        token = await self._new_token(ref) if kind in _WITH_TOKEN else ""
        # The token stands behind a `#`: browsers keep that part to themselves, so no server logs it.
        text = _TEXTS[kind].format(public_url=self._public_url, token=token)
        return AccountMessage(id=new_id(), kind=kind, to=to, subject=_SUBJECTS[kind], text=text)

    async def _new_token(self, ref: AccountMessageRef) -> str:
        token = new_token()
        async with autocommit(self._engine) as conn:
            await accounts.add_token(conn, ref.request_id, token_hash(token))
        return token
