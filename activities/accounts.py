"""Messages about accounts. Their tokens are created here, right before sending, and are passed to nothing else."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.failures import as_application_errors
from activities.ports import AccountMailer, AccountMessage
from db.engine import autocommit
from db.repositories import accounts
from domain.accounts import AccountMessageKind, AccountMessageRef, account_message_for, token_hash
from domain.names import SEND_ACCOUNT_MESSAGE
from runtime.ids import new_id, new_token

_SUBJECTS: Final = {
    AccountMessageKind.VERIFY: "Confirm your e-mail address",
    AccountMessageKind.HAVE_ACCOUNT: "You already have an account",
    AccountMessageKind.RESET: "Choose a new password",
}

# Without anything that the requester typed: otherwise anybody could send their own text to anybody.
_TEXTS: Final = {
    AccountMessageKind.VERIFY: """\
Somebody, hopefully you, wants to open an account with this address. To confirm that the address is yours, open
this link within 24 hours and enter the password that you have chosen:

{public_url}/verify-email#token={token}

Or enter this code: {token}

If it was not you, ignore this message: no account will be opened.
""",
    AccountMessageKind.HAVE_ACCOUNT: """\
Somebody, hopefully you, tried to open an account with this address, which already has one. Log in with it, or set
a new password if you have forgotten yours:

{public_url}/forgot-password

If it was not you, ignore this message: nothing has changed.
""",
    AccountMessageKind.RESET: """\
Somebody, hopefully you, has asked for a new password for the account with this address. To choose one, open this
link within an hour:

{public_url}/reset-password#token={token}

Or enter this code: {token}

If it was not you, ignore this message: your password stays the same.
""",
}
_WITH_TOKEN: Final = frozenset({AccountMessageKind.VERIFY, AccountMessageKind.RESET})


class AccountMessageNotSentError(Exception):
    """A message could not be sent; the text is the error's class."""


class AccountMessages:
    def __init__(self, engine: AsyncEngine, mailer: AccountMailer, public_url: str) -> None:
        self._engine = engine
        self._mailer = mailer
        self._public_url = public_url.rstrip("/")

    @activity.defn(name=SEND_ACCOUNT_MESSAGE)
    @as_application_errors
    async def send_account_message(self, ref: AccountMessageRef) -> None:
        """Send the message of a request, if there is one to send and it was not sent yet.

        If the worker dies between sending and recording, a second message is sent; the tokens of both are valid.
        """
        async with autocommit(self._engine) as conn:
            unsent = await accounts.find_unsent(conn, ref.request_id)
        if unsent is None:
            return
        kind = account_message_for(unsent.kind, unsent.account)
        if kind is not None:
            await self._send(await self._message(ref, kind, unsent.email))
        async with autocommit(self._engine) as conn:
            await accounts.mark_sent(conn, ref.request_id)

    async def _send(self, message: AccountMessage) -> None:
        try:
            await self._mailer.send(message)
        except Exception as error:
            # Without the error's text, which may quote the address: Temporal stores an activity's failure.
            raise AccountMessageNotSentError(type(error).__name__) from None

    async def _message(self, ref: AccountMessageRef, kind: AccountMessageKind, to: str) -> AccountMessage:
        token = await self._new_token(ref) if kind in _WITH_TOKEN else ""
        # Browsers do not send the part after `#`, so no server logs the token.
        text = _TEXTS[kind].format(public_url=self._public_url, token=token)
        return AccountMessage(id=new_id(), kind=kind, to=to, subject=_SUBJECTS[kind], text=text)

    async def _new_token(self, ref: AccountMessageRef) -> str:
        token = new_token()
        async with autocommit(self._engine) as conn:
            await accounts.add_token(conn, ref.request_id, token_hash(token))
        return token
