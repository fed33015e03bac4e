"""The effects `send_email` and `send_sms`: look whether the message may still be sent, write it, and send it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parseaddr
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from activities.effects import Done, EffectRunner
from activities.messages.calendar_entry import entry_for
from activities.ports.mail import Mail, Mailer
from activities.ports.texts import RecipientOptedOutError, Text, Texter
from activities.ports.vendors import Account, Call
from db.engine import autocommit
from db.repositories import consents, installation_mails, message_facts, messages
from db.repositories.consents import Consent
from db.repositories.effect_attempts import Claimed
from db.repositories.message_facts import MessageContext
from db.repositories.messages import Words
from domain.customers import Purpose
from domain.effects import EffectKind, EffectRef, EffectState, ObsoleteError, Vendor, VendorError
from domain.installation_mail import QUOTA_REACHED, is_within_quota, sender_name, until_next_day
from domain.messages import Channel, MessageState, Suppressed, is_still_true, one_line, why_not
from domain.notifications import Audience
from runtime.messages.rendering import Rendered, render
from runtime.metrics import MESSAGES
from runtime.outbound import with_ascii_domain

_WAS_SENT = frozenset({MessageState.SENT, MessageState.DELIVERED, MessageState.OPENED, MessageState.BOUNCED})


class MessageActivities:
    """Sends messages by the vendors that are given, whichever an effect names."""

    def __init__(
        self,
        engine: AsyncEngine,
        runner: EffectRunner,
        *,
        mailers: Mapping[Vendor, Mailer],
        texters: Mapping[Vendor, Texter],
        mail_from: str,
        daily_quota: int,
    ) -> None:
        """`mail_from` is the sender of what the installation's own mail server sends.

        `daily_quota` is how many e-mails it sends for one business on one day (UTC); 0: as many as there are.
        """
        self._engine = engine
        self._runner = runner
        self._mailers = mailers
        self._texters = texters
        self._own_name, self._own_sender = parseaddr(mail_from)
        self._daily_quota = daily_quota

    @activity.defn(name=EffectKind.SEND_EMAIL)
    async def send_email(self, ref: EffectRef) -> str:
        """Send an e-mail about a booking, once, if it is still true and wanted."""
        return await self._runner.run(ref, self._email, _note_undone)

    @activity.defn(name=EffectKind.SEND_SMS)
    async def send_sms(self, ref: EffectRef) -> str:
        """Send a text about a booking, once, if it is still true and agreed to."""
        return await self._runner.run(ref, self._sms, _note_undone)

    async def _email(self, claimed: Claimed, call: Call) -> Done:
        letter = await self._letter(claimed)
        if call.account.is_installations:
            letter = letter.by_installation()
        if call.may_have_happened and letter.state in _WAS_SENT:  # the vendor told us so meanwhile
            return _sent(claimed, letter, _words(letter), None)
        _require_sendable(letter, letter.email)
        if call.account.is_installations:
            await self._require_quota(claimed.business_id)
        words = _words(letter)
        vendor_ref = await self._mailers[claimed.vendor].send(
            call, self._mail(claimed, call.account, letter, words)
        )
        return _sent(claimed, letter, words, vendor_ref, is_counted=call.account.is_installations)

    async def _require_quota(self, business_id: UUID) -> None:
        """Have what is beyond the business's quota tried again on the next day.

        Raises VendorError for it. What is under way at this moment is not counted yet: a few too many do no harm.
        """
        async with autocommit(self._engine) as conn:
            sent = await installation_mails.sent_today(conn, business_id)
        if not is_within_quota(sent, self._daily_quota):
            raise VendorError(QUOTA_REACHED, retry_after=until_next_day(datetime.now(UTC)))

    async def _sms(self, claimed: Claimed, call: Call) -> Done:
        letter = await self._letter(claimed)
        if call.may_have_happened and letter.state in _WAS_SENT:
            return _sent(claimed, letter, _words(letter), None)
        _require_sendable(letter, letter.phone)
        words = await self._drafted(claimed, letter)
        text = Text(to=letter.phone or "", body=words.text)
        try:
            vendor_ref = await self._texters[claimed.vendor].send(call, text)
        except RecipientOptedOutError:
            await self._note_opt_out(claimed, letter)
            raise ObsoleteError(Suppressed.OPTED_OUT) from None
        return _sent(claimed, letter, words, vendor_ref)

    async def _drafted(self, claimed: Claimed, letter: MessageContext) -> Rendered:
        """The same words at every attempt: a vendor without idempotency keys knows by them what it has sent."""
        if letter.draft is not None:
            return Rendered(letter.draft.language, None, letter.draft.body, None)
        words = _words(letter)
        async with autocommit(self._engine) as conn:
            await messages.draft(
                conn, claimed.business_id, _message_id(claimed), language=words.language, body=words.text
            )
        return words

    async def _letter(self, claimed: Claimed) -> MessageContext:
        async with autocommit(self._engine) as conn:
            letter = await message_facts.of_message(conn, claimed.business_id, _message_id(claimed))
        if letter is None:
            raise VendorError("message_missing", permanent=True)
        return letter

    def _mail(self, claimed: Claimed, account: Account, letter: MessageContext, words: Rendered) -> Mail:
        sender = account.settings.get("sender") or self._own_sender
        business = one_line(letter.facts.business_name)
        if account.is_installations:
            business = sender_name(business, self._own_name, is_approved=letter.is_approved)
        entry = entry_for(letter, sender=sender, now=datetime.now(UTC))
        return Mail(
            message_id=str(_message_id(claimed)),
            kind=letter.occasion.kind,
            to=with_ascii_domain(letter.email or ""),
            to_name=letter.to_name,
            sender_name=business,
            reply_to=None,
            subject=words.subject or "",
            text=words.text,
            html=words.html or "",
            calendar=entry.content if entry else None,
            calendar_method=entry.method if entry else None,
        )

    async def _note_opt_out(self, claimed: Claimed, letter: MessageContext) -> None:
        """Who told the vendor to stop has told us: nothing is sent until they agree anew.

        Of a number that was typed for one booking the vendor's word is enough: it says nothing of the customer's.
        """
        if letter.occasion.audience is not Audience.CUSTOMER or letter.is_own_address:
            return
        refusal = Consent(Purpose.SMS, granted=False, source=f"{claimed.vendor}_stop", text="")
        async with self._engine.begin() as conn:
            if await consents.lock_customer(conn, claimed.business_id, letter.customer_id):
                await consents.record(conn, claimed.business_id, letter.customer_id, refusal)


def _require_sendable(letter: MessageContext, address: str | None) -> None:
    """Raises ObsoleteError when it is not true any more, or not wanted."""
    if not is_still_true(letter.told, letter.standing, datetime.now(UTC)):
        raise ObsoleteError(Suppressed.NO_LONGER_TRUE)
    occasion = letter.occasion
    refused = why_not(occasion.channel, occasion.audience, address, letter.consent)
    if refused is not None:
        raise ObsoleteError(refused)


def _words(letter: MessageContext) -> Rendered:
    return render(letter.occasion, letter.facts, letter.own)


def _sent(
    claimed: Claimed, letter: MessageContext, words: Rendered, vendor_ref: str | None, *, is_counted: bool = False
) -> Done:
    async def write(conn: AsyncConnection) -> None:
        kept = Words(words.language, words.subject, words.text)
        await messages.note_sent(conn, claimed.business_id, _message_id(claimed), kept, vendor_ref)
        if is_counted:
            await installation_mails.count(conn, claimed.business_id)
        MESSAGES.labels(letter.occasion.channel, MessageState.SENT).inc()

    return Done(vendor_ref=vendor_ref, write=write)


async def _note_undone(conn: AsyncConnection, claimed: Claimed, state: EffectState, error: str) -> None:
    became = MessageState.FAILED if state is EffectState.FAILED else MessageState.SUPPRESSED
    await messages.note_unsent(conn, claimed.business_id, _message_id(claimed), became, error)
    channel = Channel.EMAIL if claimed.kind is EffectKind.SEND_EMAIL else Channel.SMS
    MESSAGES.labels(channel, became).inc()


def _message_id(claimed: Claimed) -> UUID:
    return UUID(claimed.subject["message_id"])
